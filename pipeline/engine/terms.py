"""The terms of the declarations in `graph.py`: shared keys, files and conditions, and what follows from several keys."""

from __future__ import annotations

from models.heads.kinds import HeadName
from pipeline.config.model import Model
from pipeline.config.tree import Config
from pipeline.engine.stage import Condition, When
from pipeline.work import machines
from pipeline.work.machines import Rendezvous

TEXTS = ("seen-*", "unseen-*", "objects.parquet")
"""The text embeddings with which stages compute; the artifact's other files say how well classes can be told apart."""
CLIP = ("clip.architecture", "clip.weights", "clip.image_size", "clip.mean", "clip.std")
MODEL = tuple(f"model.{name}" for name in Model.model_fields if name != "head")
"""The keys of the learned model without its head, which `seen` trains and `pair_features` runs."""
DETECTOR = ("detections.weights", "detections.revision")
"""The keys of a detector that is run."""

TRAINED_HEAD = ("text.parquet", "scale.json", "head.safetensors")
"""The files of stage `utpl` that are read where `model.head` is another head than EZ-HOI's."""
IMAGES = ("train-images.parquet", "test-images.parquet")
"""The lists of images of both splits."""
BOX_TABLES = (*IMAGES, "train-objects.parquet", "test-objects.parquet", "test-pairs.parquet")
"""The annotated boxes of both splits, and the pairs by which a detector is judged."""
NAMES_OF_ALL = ("vocabulary.json", "extended.json")
"""The vocabulary with the classes that nobody trains (`data.classes`), which stages that learn from labels do not read."""
VOCABULARY = (*NAMES_OF_ALL, "settings.json", "own_settings.json")
"""The files of the vocabulary for stages that tell seen and unseen classes apart."""

REDUCED = When(lambda config: config.images.precision != "fp32", ("images.precision",))
"""The precision of frozen passes counts only if it is not fp32, which artifacts had before it could be chosen."""


def with_head(name: HeadName) -> Condition:
    """The condition that this is the configured head."""
    return lambda config: config.model.head == name


def other_machines(config: Config) -> Rendezvous | None:
    """Where machines that train together meet; a checkpoint that is given (`seen.weights`) is taken by one."""
    return machines.rendezvous(config.seen.runtime) if config.seen.weights is None else None


def parts_of_a_batch(config: Config) -> dict[str, object]:
    """In how many parts a batch is computed: the dropout of the preset `released` is drawn anew for each."""
    runtime = config.seen.runtime
    parts = runtime.machines * runtime.processes * runtime.accumulate
    drawn = config.model.preset == "released" and config.seen.weights is None
    return {"seen.parts": parts} if drawn and parts > 1 else {}


def pairs_kept(config: Config) -> dict[str, object]:
    """What is kept of which pairs, by what reads them and not by its name: heads that read the same share the pairs."""
    columns: dict[str, object] = {"pairs.columns": list(config.pair_columns)} if config.pair_columns else {}
    return columns | ({"pairs.drawn": True} if config.draws_pairs else {})
