"""The detector that a predictor asks for boxes: which one it is, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL.Image import Image

from pipeline.boxes import detector
from pipeline.boxes.detector import OpenDetector
from pipeline.config.tree import load
from pipeline.errors import DataError
from pipeline.predict.boxes import Boxes
from pipeline.predict.bundle import Header
from pipeline.vocabulary.vocabulary import Vocabulary

RUN = ("hub", "detr")
"""Sources of boxes that are a detector which can be run again; `detr` is what `hub` was called."""


class HubDetector:
    """A detector of transformers as a predictor wants it (`pipeline.predict.boxes.Detector`)."""

    def __init__(self, found: OpenDetector) -> None:
        self._found = found

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose boxes they are."""
        return self._found.identity

    def detect(self, pictures: Sequence[Image]) -> list[Boxes]:
        """The boxes of each RGB picture, in its pixels; nothing is filtered."""
        return [
            Boxes(corners.numpy(), scores.numpy(), objects.numpy())
            for corners, scores, objects in self._found.detect(pictures)
        ]


def opened(name: str, vocabulary: Vocabulary, *, revision: str | None = None, device: str = "auto") -> HubDetector:
    """A detector by its name on the hub or its folder, or `tiny`; DataError or ConfigError saying what is wrong with it."""
    settings = ["detections.source=hub", f"detections.weights={name}", f"device={device}"]
    config = load(overrides=settings + ([f"detections.revision={revision}"] if revision else []), environment={})
    return HubDetector(detector.open_detector(config, vocabulary))


def of_bundle(header: Header) -> tuple[str, str | None]:
    """Name and revision of the detector that a bundle's model goes with; DataError if there is none that can be run.

    It is the one that the model was evaluated with. A model of the rendered world, which annotated boxes were drawn for, goes
    with the detector that comes with the project.
    """
    whose = header.detector
    if whose.source in RUN:
        return whose.name, whose.revision
    if header.dataset == "world":
        return "tiny", None
    says = whose.note or f"boxes of a file, {whose.name}"
    raise DataError(
        f"the bundle was evaluated with boxes that no detector made here ({says}), so somebody has to say where the "
        "objects are: --boxes FILE (Parquet, or COCO's results as JSON), or --detector NAME|FOLDER"
    )
