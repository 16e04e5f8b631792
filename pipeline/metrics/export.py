"""Writing checked detections in any of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from pipeline.datasets.hico.vocabulary import demand
from pipeline.errors import ConfigError, DataError
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.formats import coco, matlab, named, qpic, table
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX

Format = Literal["parquet", "mat", "qpic", "coco", "named"]
ENDINGS = {"parquet": ".parquet", "qpic": ".json", "coco": ".json", "named": ".json"}
"""The endings of the names of a format's files, by which programs, also ours, tell the format."""


def demand_fit(path: Path, *, to: Format) -> None:
    """ConfigError if a file of this name would be taken for one of another format; ``mat`` is a folder."""
    ending = ENDINGS.get(to)
    if ending is not None and path.suffix.lower() != ending:
        raise ConfigError(f"{path}: --to {to} writes a file whose name ends in {ending}; choose such a name")
    if ending is None and path.suffix.lower() in (".mat", *ENDINGS.values()):
        raise ConfigError(f"{path}: --to {to} writes a folder of files; give --out the name of a folder")


def write(path: Path, detections: Detections, annotations: Annotations, *, to: Format) -> None:
    """Write checked detections in a format; the annotations tell the names of images.

    Raises:
        DataError: ``mat`` or ``qpic`` for other classes than HICO-DET's, ``mat`` without the complete list of images, or
            ``qpic`` or ``named`` without their file names.
    """
    if to in ("mat", "qpic"):
        demand(annotations.groups.vocabulary, f"--to {to}")
    pairs, images = detections.pairs, annotations.images
    if len(pairs) and pairs.image.max() >= len(images):
        raise DataError("some detections lie in images that the annotations do not list: give the list of all images")
    frame = pd.DataFrame({"hoi_id": pairs.hoi, "score": detections.scores})
    frame[list(HUMAN_BOX)], frame[list(OBJECT_BOX)] = pairs.human, pairs.object
    names = {key: images[key].to_numpy()[pairs.image] for key in ("file_name", "image_id") if key in images}
    if to == "mat":
        if not annotations.complete:
            raise DataError("the official layout has a column for every image: give the list of all images")
        matlab.write(path, frame.assign(image_index=pairs.image), images=len(images))
    elif to == "coco":
        coco.write(path, frame.assign(**{"image_id": pairs.image + 1} | names))
    elif to in ("qpic", "named"):
        if "file_name" not in names:
            raise DataError(f"--to {to}: this layout names image files: annotations with file_name are needed")
        frame = frame.assign(file_name=names["file_name"])
        if to == "qpic":
            qpic.write(path, frame)
        else:
            vocabulary = annotations.groups.vocabulary
            named.write(path, frame, images=images["file_name"].tolist(), vocabulary=vocabulary)
    else:
        table.write(path, frame.assign(**dict([next(iter(names.items()))])))
