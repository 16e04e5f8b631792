"""Configuration of the boxes: a detector, a file of boxes, or annotated boxes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline.config.section import Section
from pipeline.config.sources import DetectorWeights, FileOrFolder, detector_weights


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
