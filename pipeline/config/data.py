"""Configuration of the store, the dataset, its images and boxes, and the frozen CLIP."""

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
"""The most rendered scenes of a split; drawing them would take weeks."""


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
    """The user's own pictures (`pipeline/datasets/own`): what holds where the annotation does not say it itself."""

    test_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of the pictures that become the test split, where the annotation gives no splits",
    )
    seed: NonNegativeInt = Field(0, lt=1 << 63, description="seed of the random splits")
    annotator: str | None = Field(
        None,
        description="Label Studio: id or email of the annotator whose annotation is used; null: the newest annotation",
    )


class Data(Section):
    source: DatasetName = Field(
        "world", description="the rendered world, HICO-DET or V-COCO on disk, or pictures of your own"
    )
    root: HicoFolder | None = Field(
        None, description="folder of HICO-DET (source: hico), V-COCO (vcoco), or of your own pictures (own)"
    )
    annotations: HicoFolder | None = Field(
        None, description="file or folder of the annotation, if it is not under data.root"
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
        "images a detector trained on COCO has learned from (hico, vcoco, own); an image is COCO's if it is called "
        "COCO_val2014_<12 digits>.jpg, or <12 digits>.jpg in a folder val2017 (or train)",
    )
    faults: Literal["error", "skip"] = Field(
        "error", description="what to do about faulty rows and missing images: fail, or leave them out and report them"
    )
    world: World = World()
    own: Own = Own()

    def refined(self, key: str, source: Source) -> Source:
        """What a key names where that depends on another key: of a folder of one's own pictures other files count."""
        own = self.source == "own" and key in ("root", "annotations")
        return replace(source, content="own") if own else source


class ImagesRuntime(Section):
    workers: PositiveInt = Field(
        1,
        le=1_024,
        description="processes that compute an image stage on one machine; several GPUs are assigned to them in turn",
    )
    helpers: NonNegativeInt = Field(
        16,
        le=1_024,
        description="the most other workers of its Prefect pool that a run asks to help with an image stage",
    )
    readers: PositiveInt = Field(4, le=1_024, description="threads in a process that decode the next images")


class Images(Section):
    """How the stages that open images go through them."""

    unreadable: Literal["error", "skip"] = Field(
        "error",
        description="what to do about images that cannot be read: fail once all others are done, or leave them out and report "
        "them",
    )
    precision: Precision = Field(
        "fp32",
        description="precision of passes that train nothing (embeddings, crops of pairs, pair features; not the detector): "
        "fp32, tf32 (on a GPU) or bf16",
    )
    runtime: ImagesRuntime = ImagesRuntime()

    @model_validator(mode="before")
    @classmethod
    def _formerly_runtime(cls, given: object) -> object:
        """Accept `images.runtime.unreadable`, the former name of `images.unreadable`."""
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
        description="where boxes come from: annotated boxes with simulated errors, annotated boxes, a detector of "
        "transformers, or another detector's boxes in a Parquet table or in COCO's results",
    )
    weights: DetectorWeights = Field(
        detector_weights("facebook/detr-resnet-50"),
        description="hub: 'tiny' (the rendered world's), a detector's name on the hub, or its folder, for example one made by "
        "`ezhoi detector convert`",
    )
    revision: str | None = Field(None, description="hub: commit, tag or branch of a model on the hub")
    trained_on: str | None = Field(
        None,
        description="hub, parquet, coco: what the detector was trained on, in words, for reports; null: what it says itself",
    )
    path: FileOrFolder | None = Field(None, description="the file to import (sources parquet and coco)")
    jitter: float = Field(
        0.06,
        ge=0,
        le=0.5,
        description="noisy_truth: standard deviation of the shift of an edge, as a share of the box's size",
    )
    miss: float = Field(0.05, ge=0, lt=1, description="noisy_truth: probability that a box is missed")
    false_boxes: float = Field(0.6, ge=0, le=1_000, description="noisy_truth: mean number of false boxes an image")

    @field_validator("source", mode="before")
    @classmethod
    def _formerly_detr(cls, given: object) -> object:
        """Accept `detr`, the name of `hub` while DETR was the only detector."""
        return "hub" if given == "detr" else given


@cache
def architectures() -> tuple[str, ...]:
    """The names of open_clip's architectures, found without importing it (it imports torch); none where it is not installed."""
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
    image_size: PositiveInt = Field(112, le=4_096, description="side of the square input image, in pixels")
    mean: tuple[float, float, float] | None = Field(
        None,
        description="mean of red, green and blue, in 0..1, in its training; null: that of the tag, or OpenAI's for a file",
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="standard deviation, as clip.mean"
    )
    resize: Literal["shortest", "squash"] | None = Field(
        None, description="how an image becomes a square: its centre is cut out, or it is squashed; null: as clip.mean"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check that the names of architecture and weights fit; the content of a file is checked when it is read."""
        if self.architecture == "tiny" and self.weights.path is None:
            raise ValueError(
                f"clip.weights = {self.weights} does not belong to clip.architecture = tiny; "
                "set clip.architecture to its name in open_clip too, such as ViT-B-16-quickgelu"
            )
        if self.architecture != "tiny" and self.weights.packaged:
            raise ValueError(
                f"clip.weights = tiny does not belong to clip.architecture = {self.architecture}; "
                "set clip.weights too, such as openai"
            )
        known = ("tiny", *architectures())
        if len(known) > 1 and self.architecture not in known:
            near = difflib.get_close_matches(self.architecture[:80], known, n=3, cutoff=0.4)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise ValueError(f"clip.architecture = {self.architecture}: open_clip has none of that name{hint}")
        return self

    tokens: Literal["all", "cls"] = Field(
        "all", description="which frozen image tokens are kept: all (CLS and patches) or CLS alone"
    )
