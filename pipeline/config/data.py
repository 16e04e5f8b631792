"""Configuration of the dataset."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline.config.section import Section
from pipeline.config.sources import DatasetName, File, HicoFolder, Source

MOST_SCENES = 10_000_000
"""The most rendered scenes of a split; drawing them would take weeks."""


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
