"""The detector that a predictor asks for boxes: which one it is, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL.Image import Image
from pydantic import ValidationError

from pipeline.boxes import configured_detector
from pipeline.boxes.configured_detector import OpenDetector
from pipeline.config.detections import Detections
from pipeline.config.loading import load
from pipeline.errors import ConfigError, DataError
from pipeline.outside.parsing import shown
from pipeline.predict.boxes import Boxes
from pipeline.predict.bundle import Header
from pipeline.vocabulary.vocabulary import Vocabulary

RUN = ("hub", "detr")
"""Sources of boxes that are a detector which can be run again; `detr` is the former name of `hub`."""
LIKE = 1.1
"""The largest ratio of the aspect ratios of two pictures that share a batch."""


class ConfiguredDetector:
    """The configured detector as a `pipeline.predict.boxes.Detector`."""

    def __init__(self, found: OpenDetector) -> None:
        self._found = found

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose boxes they are."""
        return self._found.identity

    def detect(self, pictures: Sequence[Image]) -> list[Boxes]:
        """The boxes of each RGB picture, in its pixels; nothing is filtered.

        Pictures of similar shape share a batch: the padding of an upright one on the canvas of a wide one would cost as much as
        the picture itself.
        """
        found: dict[int, Boxes] = {}
        for places in alike([picture.width / picture.height for picture in pictures]):
            for place, (corners, scores, objects) in zip(
                places, self._found.detect([pictures[place] for place in places]), strict=True
            ):
                found[place] = Boxes(corners.numpy(), scores.numpy(), objects.numpy())
        return [found[place] for place in range(len(pictures))]


def alike(shapes: Sequence[float]) -> list[list[int]]:
    """The places of pictures in groups whose shapes (width over height) differ by at most `LIKE`, the most upright first."""
    groups: list[list[int]] = []
    for place in sorted(range(len(shapes)), key=lambda place: (shapes[place], place)):
        if groups and shapes[place] <= LIKE * shapes[groups[-1][0]]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def opened(
    name: str, vocabulary: Vocabulary, *, revision: str | None = None, device: str = "auto"
) -> ConfiguredDetector:
    """Open a detector by its name on the hub, its folder, or `tiny`; DataError or ConfigError saying what is wrong with it."""
    called = f"--detector {shown(name)}"
    try:
        section = Detections.model_validate({"source": "hub", "weights": name, "revision": revision})
    except ValidationError as error:
        raise ConfigError(f"{called}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    config = load(environment={}).model_copy(update={"detections": section, "device": device})
    return ConfiguredDetector(configured_detector.open_detector(config, vocabulary, called=called))


def of_bundle(header: Header) -> tuple[str, str | None]:
    """The name and revision of the detector for a bundle's model; DataError if there is none that can be run.

    It is the detector with which the model was evaluated. A model of the rendered world, evaluated with annotated boxes, gets
    the detector that comes with the project.
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
