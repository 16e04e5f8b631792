"""The pipeline on one page: every stage, what it reads and what its version is.

Light on purpose: `ezhoi status` plans a run from this page without importing torch. `pipeline/stages/<name>.py` holds the
stage's `run(work) -> metrics`. Raise a stage's version when its code changes what it makes from the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.data import is_checkpoint
from pipeline.config.tree import Config
from pipeline.datasets.hico import folder
from pipeline.errors import EzhoiError
from pipeline.store import digest
from pipeline.texts.llm import templates

PACKAGED = {
    "tiny": Path(__file__).parents[1] / "tiny" / "tiny_clip.safetensors",
    "lexicon": Path(__file__).parents[1] / "texts" / "lexicon",
}
"""What comes with the project and is chosen by a name: its content counts, not its name."""
FINGERPRINTS: dict[str, Callable[[Path], str]] = {
    "data.root": folder.fingerprint,
    "data.annotations": folder.fingerprint,
}
"""Files outside of the store whose fingerprint is not the digest of all their bytes, by config key."""
FOLDERS = (
    *FINGERPRINTS,
    "descriptions.source",
    "disparities.source",
    "descriptions.pictures",
    "detections.path",
    "detections.weights",
)
"""Config keys of `files` that may name a folder; the others name a file."""
TEXTS = ("seen-*", "unseen-*", "objects.parquet")
"""The text embeddings that are computed with; the artifact's other files say how well classes can be told apart."""
CLIP = ("clip.architecture", "clip.weights", "clip.image_size", "clip.mean", "clip.std")


@dataclass(frozen=True)
class Input:
    """An artifact a stage reads, or the part of it whose files match one of the `part` patterns.

    Only the digests of the named files count, so a stage stays fresh when another part of its input changes.
    """

    stage: str
    part: tuple[str, ...] = ("*",)
    loose: bool = False
    """Where the stage's artifact is reused, this input may be another than it was made from: a model that learned under
    some texts is used with others. Sizes and vocabulary are held by the configuration (`pipeline/engine/fit.py`)."""


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage: `reads` are the dotted config keys that enter its fingerprint."""

    name: str
    version: int
    reads: tuple[str, ...]
    inputs: tuple[Input, ...] = ()
    joint: tuple[Input, ...] = ()
    """What it reads in joint training (`seen.joint`), instead of or beside its inputs of the same stages."""
    files: tuple[str, ...] = ()
    """Config keys that hold the path of a file whose content enters the fingerprint (and whose path does not)."""
    says: str = ""
    trains: bool = False
    """A training."""
    embeds: bool = False
    """Embeds texts with CLIP."""
    shards: bool = False
    """Goes through all images, in shards."""
    source: str = ""
    """Config key that says where its texts come from; with "llm" there it holds the language model's server alone."""

    def server(self, config: Config) -> str | None:
        """Address of the language model that the stage asks, if it asks one."""
        if not self.source or config.subset([self.source])[self.source] != "llm":
            return None
        return config.llm.runtime.base_url

    def resolved(self, config: Config) -> Stage:
        """The stage with the inputs that it has under a configuration."""
        if not (self.joint and config.seen.joint):
            return self
        own = {edge.stage: edge for edge in (*self.inputs, *self.joint)}
        return replace(self, inputs=tuple(own.values()), joint=())

    def sharded(self, config: Config) -> bool:
        """Whether several runs can compute the stage together, shard by shard (`pipeline/work/shards.py`)."""
        return self.shards and (self.name != "detections" or config.detections.source == "detr")

    def computes(self, config: Config) -> bool:
        """Whether it computes on the configured device: it holds a GPU alone where there is one."""
        return self.trains or self.embeds or self.sharded(config)

    def processes(self, config: Config) -> int:
        """How many processes compute the stage together, one a GPU."""
        return config.seen.runtime.processes if self.name == "seen" else 1

    def config_subset(self, config: Config) -> dict[str, object]:
        """What the stage reads of the configuration, as plain JSON; file paths are left out, names of templates not."""
        files = {key for key, path in self.source_files(config).items() if path.parent != templates.FOLDER}
        found: dict[str, object] = dict(config.subset([key for key in self.reads if key not in files]))
        parts = config.seen.runtime.processes * config.seen.runtime.accumulate
        if self.name == "seen" and parts > 1 and config.model.preset == "released" and config.seen.weights is None:
            found["seen.parts"] = parts  # its dropout is drawn anew for each part of a batch
        return found

    def source_files(self, config: Config) -> dict[str, Path]:
        """The files outside of the store that the stage reads: {config key: path}."""
        found = {}
        for key in self.files:
            value: Any = config
            for part in key.split("."):
                value = getattr(value, part)
            if value in PACKAGED:
                found[key] = PACKAGED[str(value)]
            elif key.endswith("template"):
                path = templates.path_of(str(value))
                found |= {key: path} if path.is_file() else {}
            elif isinstance(value, Path) or (isinstance(value, str) and _is_file(key, value)):
                found[key] = Path(value)
        return found


def _is_file(key: str, value: str) -> bool:
    """Whether a word of the configuration means a file; a detector's weights may be a folder, or else a hub's name."""
    if key == "clip.weights":
        return is_checkpoint(value)
    return value.endswith((".safetensors", ".pt", ".bin")) or (key == "detections.weights" and Path(value).is_dir())


STAGES: tuple[Stage, ...] = (
    Stage(
        name="annotations",
        version=4,
        reads=("data.source", "data.world", "data.faults"),
        files=("data.root", "data.annotations"),
        says="images, pairs and classes as Parquet",
    ),
    Stage(
        name="detections",
        version=3,
        reads=(
            "detections.source",
            "detections.weights",
            "detections.revision",
            "detections.jitter",
            "detections.miss",
            "detections.false_boxes",
            "images.unreadable",
            "seed",
        ),
        files=("detections.path", "detections.weights"),
        inputs=(Input("annotations", ("images.parquet", "pairs.parquet", "objects.parquet", "classes.parquet")),),
        shards=True,
        says="boxes, labels and scores of every image",
    ),
    Stage(
        name="descriptions",
        version=2,
        source="descriptions.source",
        reads=(
            "descriptions.source",
            "descriptions.template",
            "descriptions.missing",
            "descriptions.pictures_per_class",
            "descriptions.actions",
            "descriptions.action_template",
            "descriptions.tolerated",
            "llm",
        ),
        files=(
            "descriptions.source",
            "descriptions.edits",
            "descriptions.file",
            "descriptions.pictures",
            "descriptions.template",
            "descriptions.action_template",
        ),
        inputs=(Input("annotations", ("classes.parquet",)),),
        says="one visual description a class, with provenance",
    ),
    Stage(
        name="text_embeddings",
        version=2,
        reads=("clip.architecture", "clip.weights", "setting"),
        files=("clip.weights",),
        inputs=(
            Input("descriptions", ("descriptions.parquet", "actions.parquet")),
            Input("annotations", ("classes.parquet",)),
        ),
        says="CLIP embeddings of phrases, descriptions and object names",
        embeds=True,
    ),
    Stage(
        name="image_embeddings",
        version=2,
        reads=(*CLIP, "clip.resize", "clip.tokens", "images.unreadable"),
        files=("clip.weights",),
        inputs=(Input("annotations", ("images.parquet", "pixels-*")),),
        shards=True,
        says="frozen CLIP image tokens",
    ),
    Stage(
        name="disparities",
        version=2,
        source="disparities.source",
        reads=(
            "disparities.source",
            "disparities.template",
            "disparities.tolerated",
            "llm",
            "clip.architecture",
            "clip.weights",
        ),
        files=("clip.weights", "disparities.source", "disparities.template", "disparities.file"),
        inputs=(Input("text_embeddings", TEXTS), Input("descriptions", ("descriptions.parquet",))),
        says="how each unseen class differs from its nearest seen class, embedded",
        embeds=True,
    ),
    Stage(
        name="seen",
        version=4,
        reads=(*CLIP, "pairing", "model", "seen", "detections.weights", "detections.revision", "setting", "seed"),
        files=("clip.weights", "seen.weights", "detections.weights"),
        inputs=(
            Input("annotations", ("images.parquet", "pairs.parquet", "classes.parquet", "pixels-train-*")),
            Input("detections", ("train.parquet",)),
            Input("image_embeddings", ("train-*",)),
            Input("text_embeddings", ("seen-*", "objects.parquet"), loose=True),
        ),
        joint=(
            Input("text_embeddings", TEXTS, loose=True),
            Input("disparities", ("embeddings.parquet",), loose=True),
        ),
        says="prompts, guidance, adapters and fusion trained on the seen classes",
        trains=True,
    ),
    Stage(
        name="pair_features",
        version=2,
        reads=(*CLIP, "pairing", "model", "images.unreadable"),
        files=("clip.weights",),
        inputs=(
            Input("seen", ("model.safetensors",)),
            Input("annotations", ("images.parquet", "pairs.parquet", "pixels-*")),
            Input("detections", ("train.parquet", "test.parquet", "detector.json")),
            Input("image_embeddings"),
            Input("text_embeddings", ("objects.parquet",), loose=True),
        ),
        shards=True,
        says="fused features of all pairs, train and test",
    ),
    Stage(
        name="utpl",
        version=5,
        reads=(
            *("clip.architecture", "clip.weights", "model", "utpl"),
            *("seen.tau", "seen.focal", "seen.joint", "setting", "seed"),
        ),
        files=("clip.weights",),
        inputs=(
            Input("seen", ("model.safetensors", "phrases.parquet", "unseen.safetensors")),
            Input("pair_features", ("train-*",)),
            Input("text_embeddings", TEXTS),
            Input("disparities", ("embeddings.parquet",)),
        ),
        says="unseen classes adapted from seen ones, text only",
        trains=True,
    ),
    Stage(
        name="evaluation",
        version=4,
        reads=("evaluation", "utpl.scope", "setting", "data.source", "model.preset"),
        inputs=(
            Input("utpl", ("text.parquet", "scale.json")),
            Input("pair_features", ("test-*", "detector.json")),
            Input(
                "annotations",
                (
                    "images.parquet",
                    "pairs.parquet",
                    "classes.parquet",
                    "presence.parquet",
                    "leakage.json",
                    "pixels-test-*",
                ),
            ),
            Input("text_embeddings", ("seen-phrases.parquet", "unseen-phrases.parquet")),
        ),
        says="predictions, mAP and the report",
    ),
)
NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)


def source_digest(key: str, path: Path) -> str:
    """Digest of the file or folder that a config key names, as it enters fingerprints and manifests."""
    return FINGERPRINTS.get(key, digest.of_path)(path)


def stage(name: str) -> Stage:
    """The stage of that name; EzhoiError naming the valid ones otherwise."""
    for candidate in STAGES:
        if candidate.name == name:
            return candidate
    raise EzhoiError(f"no stage {name!r}; stages: {', '.join(NAMES)}")


def needed_for(
    targets: tuple[str, ...], *, given: Collection[str] = (), config: Config | None = None
) -> tuple[Stage, ...]:
    """`targets` and everything upstream of them, in running order; what only `given` stages need is left out.

    With a configuration, the stages have the inputs that it gives them.
    """
    every = {s.name: s if config is None else s.resolved(config) for s in STAGES}
    wanted = set()
    pending = [stage(name).name for name in targets]
    while pending:
        current = pending.pop()
        if current not in wanted:
            wanted.add(current)
            pending += [edge.stage for edge in every[current].inputs if current not in given]
    return tuple(s for s in every.values() if s.name in wanted)
