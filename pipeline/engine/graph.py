"""Every stage of the pipeline: what it reads, how it is computed, and what its version is.

A key that is read only under some configurations stands in `when`, with the condition: with a detector that draws nothing, for
example, the seed is not read. The stages ask the configuration in the same way. What several declarations name
stands in `terms.py`.

`pipeline/stages/<name>.py` holds the stage's `run(work) -> metrics`. Raise a stage's version when its code changes what it
makes from the same inputs.
"""

from __future__ import annotations

from collections.abc import Collection

from models.heads.kinds import KINDS
from pipeline.config.heads import Heads
from pipeline.config.tree import Config
from pipeline.engine.stage import Input, Stage, When, always
from pipeline.engine.terms import (
    BOX_TABLES,
    CLIP,
    DETECTOR,
    IMAGES,
    MODEL,
    NAMES_OF_ALL,
    REDUCED,
    TEXTS,
    TRAINED_HEAD,
    VOCABULARY,
    other_machines,
    pairs_kept,
    parts_of_a_batch,
    with_head,
)
from pipeline.errors import EzhoiError

STAGES: tuple[Stage, ...] = (
    Stage(
        name="vocabulary",
        version=1,
        reads=("data.source", "data.settings", "data.classes"),
        when=(When(lambda config: config.data.source == "own", ("data.root", "data.annotations", "data.own")),),
        says="verbs, objects and classes with their phrases, and the zero-shot settings",
    ),
    Stage(
        name="annotations",
        version=9,
        reads=(),
        names=("data.source",),
        when=(
            When(lambda config: config.data.source == "world", ("data.world",)),
            When(
                lambda config: config.data.source in ("hico", "vcoco"), ("data.root", "data.annotations", "data.faults")
            ),
            When(
                lambda config: config.data.source == "own",
                ("data.root", "data.annotations", "data.faults", "data.own"),
            ),
            When(lambda config: config.data.source != "world", ("data.val2017",)),
        ),
        inputs=(Input("vocabulary", ("vocabulary.json", "settings.json")),),
        pictures=lambda _: ("train", "test"),
        says="images, pairs and classes as Parquet",
    ),
    Stage(
        name="detections",
        version=3,
        reads=("detections.source",),
        when=(
            When(
                lambda config: config.detections.source == "hub",
                (*DETECTOR, "detections.trained_on", "images.unreadable"),
            ),
            When(
                lambda config: config.detections.source in ("parquet", "coco"),
                ("detections.path", "detections.trained_on"),
            ),
            When(
                lambda config: config.detections.source == "noisy_truth",
                ("detections.jitter", "detections.miss", "detections.false_boxes", "seed"),
            ),
        ),
        inputs=(
            Input("annotations", BOX_TABLES),
            Input("annotations", (*BOX_TABLES, "pixels-*"), when=lambda config: config.detections.source == "hub"),
            Input("vocabulary", ("objects.json",)),
        ),
        sharded=lambda config: config.detections.source == "hub",
        pictures=lambda _: ("train", "test"),
        says="boxes, labels and scores of every image",
    ),
    Stage(
        name="descriptions",
        version=2,
        asks=lambda config: config.descriptions.asks_model,
        reads=("descriptions.source", "descriptions.edits", "descriptions.actions"),
        when=(
            When(lambda config: config.descriptions.source == "file", ("descriptions.file", "descriptions.missing")),
            When(lambda config: config.descriptions.source != "lexicon", ("descriptions.tolerated",)),
            When(lambda config: config.descriptions.own_wording, names=("descriptions.template",)),
            When(
                lambda config: config.descriptions.asks_model,
                ("llm", "descriptions.template", "descriptions.pictures", "descriptions.pictures_per_class"),
            ),
            When(
                lambda config: config.descriptions.asks_model and config.descriptions.actions,
                ("descriptions.action_template",),
            ),
            When(lambda config: config.reads_concepts, names=("model.head",)),
            When(
                lambda config: config.descriptions.asks_model and config.reads_concepts,
                ("descriptions.concept_template",),
            ),
        ),
        inputs=(Input("vocabulary", NAMES_OF_ALL),),
        says="one visual description of each class, with provenance",
    ),
    Stage(
        name="text_embeddings",
        version=2,
        reads=("clip.architecture", "clip.weights", "setting"),
        inputs=(
            Input("descriptions", ("descriptions.parquet", "actions.parquet", "concepts.parquet")),
            Input("vocabulary", VOCABULARY),
        ),
        says="CLIP embeddings of phrases, descriptions and object names",
        embeds=True,
    ),
    Stage(
        name="image_embeddings",
        version=2,
        reads=(*CLIP, "clip.resize", "clip.tokens", "images.unreadable"),
        when=(REDUCED,),
        inputs=(Input("annotations", (*IMAGES, "pixels-*")),),
        sharded=always,
        pictures=lambda _: ("train", "test"),
        says="frozen CLIP image tokens",
    ),
    Stage(
        name="disparities",
        version=2,
        asks=lambda config: config.disparities.asks_model,
        reads=("disparities.source", "clip.architecture", "clip.weights"),
        when=(
            When(lambda config: config.disparities.source == "file", ("disparities.file",)),
            When(lambda config: config.disparities.source == "lexicon", names=("disparities.template",)),
            When(
                lambda config: config.disparities.asks_model,
                ("llm", "disparities.template", "disparities.tolerated"),
            ),
        ),
        inputs=(
            Input("text_embeddings", TEXTS),
            Input("descriptions", ("descriptions.parquet",)),
            Input("vocabulary", NAMES_OF_ALL),
        ),
        says="how each unseen class differs from its nearest seen class, as text and embedding",
        embeds=True,
    ),
    Stage(
        name="seen",
        version=5,
        reads=(*CLIP, "pairing", *MODEL, "seen", "setting", "seed"),
        when=(When(lambda config: config.seen.augment.detector == "online", DETECTOR),),
        inputs=(
            Input("annotations", ("train-images.parquet", "train-pairs.parquet", "pixels-train-*")),
            Input("detections", ("train.parquet",)),
            Input("image_embeddings", ("train-*",)),
            Input("text_embeddings", ("seen-*", "objects.parquet"), loose=True),
            Input("vocabulary", ("vocabulary.json",)),
        ),
        joint=(
            Input("text_embeddings", TEXTS, loose=True),
            Input("disparities", ("embeddings.parquet",), loose=True),
        ),
        pictures=lambda _: ("train",),
        says="prompts, guidance, adapters and fusion trained on the seen classes",
        trains=True,
        processes=lambda config: config.seen.runtime.processes,
        joined_by=other_machines,
        derived=parts_of_a_batch,
    ),
    Stage(
        name="pair_features",
        version=4,
        reads=(*CLIP, "pairing", *MODEL, "seen.joint", "images.unreadable"),
        when=(
            REDUCED,
            When(
                lambda config: config.evaluation.memory or config.model.head != "ezhoi", ("clip.resize", "clip.tokens")
            ),
        ),
        inputs=(
            Input("seen", ("model.safetensors",)),
            Input("annotations", ("test-images.parquet", "test-pairs.parquet", "pixels-test-*")),
            Input(
                "annotations",
                (*IMAGES, "train-pairs.parquet", "test-pairs.parquet", "pixels-*"),
                when=lambda config: config.utpl_trains,
            ),
            Input("detections", ("test.parquet", "detector.json")),
            Input(
                "detections",
                ("train.parquet", "test.parquet", "detector.json"),
                when=lambda config: config.utpl_trains,
            ),
            Input("image_embeddings", ("test-*",)),
            Input("image_embeddings", when=lambda config: config.utpl_trains),
            Input("text_embeddings", ("objects.parquet",), loose=True),
        ),
        sharded=always,
        pictures=lambda config: config.pair_splits,
        derived=pairs_kept,
        says="fused features of all test pairs, and of the training pairs that match an annotated one",
    ),
    Stage(
        name="utpl",
        version=6,
        reads=(
            *("clip.architecture", "clip.weights", "model"),
            *("seen.tau", "seen.focal", "seen.joint", "setting", "seed"),
        ),
        when=(
            When(with_head("ezhoi"), ("utpl",)),
            When(
                lambda config: config.model.head != "ezhoi" and KINDS[config.model.head].trains,
                ("heads.steps", "heads.batch_size", "heads.optimiser"),
            ),
            *(When(with_head(name), (f"heads.{name}",)) for name in KINDS if name in Heads.model_fields),
        ),
        inputs=(
            Input("seen", ("model.safetensors", "phrases.parquet", "unseen.safetensors")),
            Input("pair_features", ("train-*",), when=lambda config: config.utpl_trains),
            Input("text_embeddings", TEXTS),
            Input("text_embeddings", (*TEXTS, "concepts.parquet"), when=lambda config: config.reads_concepts),
            Input("disparities", ("embeddings.parquet",)),
            Input("vocabulary", NAMES_OF_ALL),
        ),
        says="unseen classes adapted from seen ones, text only",
        trains=True,
    ),
    Stage(
        name="untrained",
        version=2,
        reads=(*CLIP, "pairing", "evaluation.untrained", "images.unreadable"),
        when=(
            When(lambda config: config.evaluation.untrained == "regions", ("clip.tokens",)),
            When(
                lambda config: config.evaluation.untrained == "crops" and REDUCED.holds(config), ("images.precision",)
            ),
        ),
        inputs=(
            Input("annotations", ("test-images.parquet", "pixels-test-*")),
            Input("detections", ("test.parquet",)),
            Input("image_embeddings", ("test-*",), when=lambda config: config.evaluation.untrained == "regions"),
        ),
        sharded=always,
        pictures=lambda _: ("test",),
        says="the frozen CLIP's own features of the test pairs",
    ),
    Stage(
        name="predictions",
        version=3,
        reads=(
            *("evaluation.tau", "evaluation.untrained", "evaluation.memory", "utpl.scope", "setting"),
            *("model.preset", "model.head", "seen.joint"),
        ),
        when=(When(lambda config: config.evaluation.memory, ("heads.memory", "seed", "clip.tokens")),),
        inputs=(
            Input("utpl", ("text.parquet", "scale.json")),
            Input("utpl", TRAINED_HEAD, when=lambda config: config.model.head != "ezhoi"),
            Input("pair_features", ("test-*",)),
            Input("pair_features", ("test-*", "train-*"), when=lambda config: config.remembers),
            Input("untrained", when=lambda config: config.evaluation.untrained != "off"),
            Input("text_embeddings", ("seen-phrases.parquet", "unseen-phrases.parquet")),
            Input("vocabulary", NAMES_OF_ALL),
            Input("vocabulary", VOCABULARY, when=lambda config: config.remembers),
        ),
        pictures=lambda _: ("test",),
        says="scored interactions of the test images, by the adapted model and by what it is compared with",
    ),
    Stage(
        name="evaluation",
        version=10,
        reads=("evaluation.protocol", "setting", "model.head"),
        names=("data.source",),
        inputs=(
            Input("predictions"),
            Input("untrained", ("kind.json",), when=lambda config: config.evaluation.untrained != "off"),
            Input("pair_features", ("detector.json",)),
            Input("seen", ("start.json",), when=lambda config: config.seen.init is not None),
            Input(
                "annotations",
                (
                    *("test-images.parquet", "test-pairs.parquet", "test-presence.parquet", "pixels-test-*"),
                    *("classes.parquet", "leakage.json", "train-pairs.parquet"),
                ),
            ),
            Input("vocabulary", VOCABULARY),
        ),
        pictures=lambda _: ("test",),
        says="mAP and the report",
    ),
    Stage(
        name="bundle",
        version=4,
        reads=(
            *(*CLIP, "clip.resize", "clip.tokens", "pairing", "model"),
            *("utpl.scope", "seen.joint", "evaluation.tau", "setting"),
        ),
        names=("data.source", "data.world.evaluated"),
        inputs=(
            Input("evaluation", ("report.json",)),
            Input("seen", ("model.safetensors", "start.json")),
            Input("utpl", ("text.parquet", "scale.json")),
            Input("utpl", TRAINED_HEAD, when=lambda config: config.model.head != "ezhoi"),
            Input("pair_features", ("detector.json",)),
            Input("text_embeddings", ("objects.parquet",)),
            Input("descriptions", ("descriptions.parquet", "actions.parquet")),
            Input("vocabulary", VOCABULARY),
        ),
        says="the trained model as one file that predicts anywhere, and its model card",
    ),
)
NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
WHOLE: tuple[str, ...] = ("evaluation", "bundle")
"""The default targets of a run; it makes them and everything that they need."""


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
