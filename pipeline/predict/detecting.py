"""The detector that a predictor asks for boxes: which one it is, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from pipeline.boxes import detector
from pipeline.config.tree import Config
from pipeline.errors import DataError
from pipeline.predict.boxes import Boxes
from pipeline.predict.bundle import Detector as Identity
from pipeline.predict.bundle import Header
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.detector import Detector as Net

RUN = ("detr", "hub")
"""Sources of boxes that are a detector which can be run again."""


class HubDetector:
    """A detector of transformers as a predictor wants it (`pipeline.predict.boxes.Detector`)."""

    def __init__(self, net: Net, identity: Mapping[str, Any]) -> None:
        self._net, self.identity = net, identity

    def detect(self, pictures: Sequence[Image]) -> list[Boxes]:
        """The boxes of each RGB picture, in its pixels; nothing is filtered."""
        found = self._net.detect([self._net.prepare(picture) for picture in pictures])
        return [Boxes(corners.numpy(), scores.numpy(), labels.numpy()) for corners, scores, labels in found]


def opened(name: str, vocabulary: Vocabulary, *, revision: str | None = None, device: str = "auto") -> HubDetector:
    """A detector by its name on the hub or its folder; DataError or ConfigError saying what is wrong with it."""
    from pipeline.config.tree import load

    settings = ["detections.source=detr", f"detections.weights={name}", f"device={device}"]
    config: Config = load(
        overrides=settings + ([f"detections.revision={revision}"] if revision else []), environment={}
    )
    net = detector.load(config, vocabulary.objects)
    return HubDetector(net, detector.identity(config, net))


def of_bundle(header: Header) -> tuple[str, str | None]:
    """Name and revision of the detector that a bundle was evaluated with; DataError if it names none that can be run."""
    whose: Identity = header.detector
    if whose.source not in RUN:
        says = whose.note or f"boxes of a file, {whose.name}"
        raise DataError(
            f"the bundle was evaluated with boxes that no detector made here ({says}), so somebody has to say where the "
            "objects are: --boxes FILE (Parquet, or COCO's results as JSON), or --detector NAME|FOLDER"
        )
    return whose.name, whose.revision
