"""Configuration of what is looked at: the store, the dataset, its boxes and the frozen CLIP."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from models.precision import Precision
from pipeline.config.section import Here, Place, Section
from pipeline.config.sources import (
    ClipWeights,
    DatasetName,
    DetectorWeights,
    File,
    FileOrFolder,
    HicoFolder,
    Source,
    clip_weights,
    detector_weights,
)

MOST_SCENES = 10_000_000
"""Rendered scenes of a split; drawing them would take weeks."""


class Store(Section):
    root: Place = Field(
        Path("artifacts"), description="the artifact store: a folder, or an address such as s3://bucket/prefix"
    )
    cache: Here = Field(
        Path("~/.cache/ezhoi"), description="local copies of what was read from an object store; may be deleted"
    )


class World(Section):
    """The rendered world (`pipeline/datasets/world`)."""

    train_images: PositiveInt = Field(1200, le=MOST_SCENES, description="scenes of the training split")
    test_images: PositiveInt = Field(600, le=MOST_SCENES, description="scenes of the test split")
    style: Literal["flat", "outlined"] = Field(
        "outlined", description="drawing style; the tiny CLIP learned from 'flat'"
    )
    evaluated: Literal["test", "validation"] = Field(
        "test",
        description="which scenes are evaluated: the test split's, or as many others, drawn alike, to choose options on",
    )


class Own(Section):
    """Pictures of the user's own (`pipeline/datasets/own`), where the annotation does not tell these things itself."""

    test_share: float = Field(
        0.2, gt=0, lt=1, description="part of the pictures that is for testing, where the annotation tells no splits"
    )
    seed: NonNegativeInt = Field(0, lt=1 << 63, description="seed of the drawn splits")
    annotator: str | None = Field(
        None, description="Label Studio: id or email of the one annotator who counts; null: the newest annotation"
    )


class Data(Section):
    source: DatasetName = Field(
        "world", description="the rendered world, HICO-DET or V-COCO on disk, or pictures of your own"
    )
    root: HicoFolder | None = Field(
        None, description="folder of HICO-DET (source: hico), V-COCO (vcoco), or of your own pictures (own)"
    )
    annotations: HicoFolder | None = Field(
        None, description="the annotation, a file or a folder, if it is not under data.root"
    )
    settings: File | None = Field(
        None, description="YAML file of zero-shot settings of your own: {name: [unseen classes]}, beside the dataset's"
    )
    classes: File | None = Field(
        None, description="YAML vocabulary of classes that nobody trains, added to the dataset's (docs/open-classes.md)"
    )
    val2017: File | None = Field(
        None,
        description="COCO's instances_val2017.json, or its image ids one a line: the leakage report then counts how many test "
        "images a detector trained on COCO has learned from (hico, vcoco, own); COCO's are those that are called "
        "COCO_val2014_<12 digits>.jpg or lie as <12 digits>.jpg in a folder val2017 (or train)",
    )
    faults: Literal["error", "skip"] = Field(
        "error", description="faulty rows and missing images: fail at them, or leave them out and report"
    )
    world: World = World()
    own: Own = Own()

    def refined(self, key: str, source: Source) -> Source:
        """What a key names, where it depends on another key: which files count in a folder of one's own pictures."""
        own = self.source == "own" and key in ("root", "annotations")
        return replace(source, content="own") if own else source


class ImagesRuntime(Section):
    workers: PositiveInt = Field(
        1, le=1_024, description="processes of an image stage on one machine; several GPUs are dealt out in turn"
    )
    helpers: NonNegativeInt = Field(
        16, le=1_024, description="most other workers of its Prefect pool that a run asks to help with an image stage"
    )
    readers: PositiveInt = Field(4, le=1_024, description="threads of a process that decode images ahead")


class Images(Section):
    """How the stages that open images go through them."""

    unreadable: Literal["error", "skip"] = Field(
        "error", description="images that cannot be read: fail when all others are done, or leave them out and say so"
    )
    precision: Precision = Field(
        "fp32",
        description="of the passes that only look (embeddings, crops of pairs, pair features; not the detector): fp32, tf32 "
        "(on a GPU) or bf16",
    )
    runtime: ImagesRuntime = ImagesRuntime()

    @model_validator(mode="before")
    @classmethod
    def _formerly_runtime(cls, given: object) -> object:
        """`images.runtime.unreadable` is taken for `images.unreadable`, as which it was known."""
        if not (
            isinstance(given, dict) and isinstance(given.get("runtime"), dict) and "unreadable" in given["runtime"]
        ):
            return given
        runtime = dict(given["runtime"])
        former = runtime.pop("unreadable")
        if given.get("unreadable", former) != former:
            raise ValueError(
                "unreadable is given twice, as images.unreadable and as images.runtime.unreadable; keep the first"
            )
        return given | {"unreadable": former, "runtime": runtime}


class Detections(Section):
    """Boxes, labels and scores of every image."""

    source: Literal["noisy_truth", "ground_truth", "hub", "parquet", "coco"] = Field(
        "noisy_truth",
        description="annotated boxes with a detector's errors, annotated boxes, a detector of transformers, or another "
        "detector's boxes from a Parquet table or COCO results",
    )
    weights: DetectorWeights = Field(
        detector_weights("facebook/detr-resnet-50"),
        description="hub: 'tiny' (the rendered world's), a detector's name on the hub, or its folder, such as one that "
        "`ezhoi detector convert` made",
    )
    revision: str | None = Field(None, description="hub: commit, tag or branch of a model on the hub")
    trained_on: str | None = Field(
        None,
        description="hub, parquet, coco: in words, what the detector was trained on, for reports; null: as it says",
    )
    path: FileOrFolder | None = Field(None, description="the file to import (sources parquet and coco)")
    jitter: float = Field(0.06, ge=0, le=0.5, description="noisy_truth: std of an edge's shift, in box sizes")
    miss: float = Field(0.05, ge=0, lt=1, description="noisy_truth: probability that a box is missed")
    false_boxes: float = Field(0.6, ge=0, le=1_000, description="noisy_truth: mean number of false boxes an image")

    @field_validator("source", mode="before")
    @classmethod
    def _formerly_detr(cls, given: object) -> object:
        """`detr` is taken for `hub`, as which it was known while DETR was the only detector."""
        return "hub" if given == "detr" else given


@cache
def architectures() -> tuple[str, ...]:
    """open_clip's names, found without importing it (it imports torch); none where it is not installed."""
    found = importlib.util.find_spec("open_clip")
    folders = (found.submodule_search_locations or []) if found else []
    return tuple(sorted(path.stem for folder in folders for path in Path(folder).glob("model_configs/*.json")))


class Clip(Section):
    """The frozen vision-language model, an open_clip architecture."""

    architecture: str = Field(
        "tiny", description="'tiny' (the project's own) or an open_clip name such as ViT-B-16-quickgelu"
    )
    weights: ClipWeights = Field(
        clip_weights("tiny"), description="'tiny', an open_clip pretrained tag such as 'openai', or a checkpoint file"
    )
    image_size: PositiveInt = Field(112, le=4_096, description="pixels of the squared input image")
    mean: tuple[float, float, float] | None = Field(
        None,
        description="mean of red, green and blue in 0..1 that it was trained with; null: the tag's, OpenAI's for a file",
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(None, description="deviation, as clip.mean")
    resize: Literal["shortest", "squash"] | None = Field(
        None, description="how whole images become squares for it: centre cut out or squashed; null: as clip.mean"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """The names of architecture and weights belong together; what a file holds is seen when it is read."""
        if self.architecture == "tiny" and self.weights.path is None:
            raise ValueError(
                f"clip.weights = {self.weights} is not of clip.architecture = tiny; "
                "set clip.architecture to its name in open_clip too, such as ViT-B-16-quickgelu"
            )
        if self.architecture != "tiny" and self.weights.packaged:
            raise ValueError(
                f"clip.weights = tiny is not of clip.architecture = {self.architecture}; set clip.weights too, such as openai"
            )
        known = ("tiny", *architectures())
        if len(known) > 1 and self.architecture not in known:
            near = difflib.get_close_matches(self.architecture[:80], known, n=3, cutoff=0.4)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise ValueError(f"clip.architecture = {self.architecture}: open_clip has none of that name{hint}")
        return self

    tokens: Literal["all", "cls"] = Field(
        "all", description="which frozen image tokens are kept: CLS and patches, or CLS"
    )
