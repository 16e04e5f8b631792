"""The report of detections that came as a file."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from pipeline.errors import ConfigError, DataError
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.floor import detector_only
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.metrics.results import Result, class_table, results
from pipeline.outside import pictures
from pipeline.outside.file_names import base_name
from pipeline.outside.pictures import Unreadable
from pipeline.report.content import SIDE_BY_SIDE, Content, Origin, Row, published_rows


def content(
    evaluated: Sequence[Result],
    *,
    report: Mapping[str, Any],
    detections: Detections,
    annotations: Annotations,
    curves: Sequence[str] = (),
    pictures: Path | None = None,
) -> Content:
    """Make the report; the protocols that it shows side by side are evaluated if they were not.

    Arguments:
        curves: names of the classes whose curves are drawn, such as ``ride horse``.
        pictures: folder with the image files; of a missing one only boxes are drawn.

    Raises:
        ConfigError: a name of ``curves`` is no class.
    """
    setting = report["setting"]
    means = {r.protocol.name: r.summary for r in evaluated if r.mode == "default"}
    means |= _means(detections, annotations, setting, [name for name in SIDE_BY_SIDE if name not in means])
    rows = [Row(label="these detections", means=means)]
    if detections.prior is not None:
        floor = detector_only(detections, detections.prior, annotations)
        floor_means = _means(floor, annotations, setting, SIDE_BY_SIDE)
        rows.append(Row(label="boxes alone, all verbs alike", means=floor_means, reference=True))
    return Content(
        title="HOI detections, evaluated",
        report=report,
        classes=class_table(evaluated, annotations, setting),
        first=evaluated[0],
        rows=[*rows, *(published_rows(setting) if annotations.groups.hico else [])],
        annotations=annotations,
        detections=detections,
        origins=[Origin(name=name, digest=digest) for name, digest in report["digests"].items()],
        open_image=None if pictures is None else _opener(pictures, annotations),
        curves=[class_named(name, annotations) for name in curves],
    )


def _means(
    detections: Detections, annotations: Annotations, setting: str, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    protocols = [PROTOCOLS[name] for name in names]
    found = results(detections, annotations, protocols=protocols, modes=("default",), setting=setting)
    return {r.protocol.name: r.summary for r in found}


def class_named(name: str, annotations: Annotations) -> int:
    """The id of a class by its name; ConfigError with the nearest names if there is none."""
    try:
        return annotations.groups.vocabulary.find(name).hoi_id
    except (KeyError, ValueError) as error:
        raise ConfigError(f"--curve {name}: {error.args[0]}") from None


def picture_files(folder: Path, annotations: Annotations) -> dict[int, Path]:
    """{place of an image: its file}, found by its whole name, or by the last part of it if no other image has the same.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"--pictures {folder}: no such folder")
    names = annotations.images.get("file_name", pd.Series(dtype=object)).tolist()
    shared = Counter(map(base_name, names))
    found = {}
    for place, name in enumerate(names):
        last = [base_name(name)] if shared[base_name(name)] == 1 else []
        file = next((folder / n for n in (name, *last) if isinstance(n, str) and _is_within(folder, n)), None)
        if file is not None:
            found[place] = file
    return found


def _is_within(folder: Path, name: str) -> bool:
    """Whether the file is in the folder. Names come from the annotations, and files elsewhere must not enter a report."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return False
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        return (folder / name).is_file()
    return False


def _opener(folder: Path, annotations: Annotations) -> Callable[[int], Image.Image | None]:
    files = picture_files(folder, annotations)

    def opened(place: int) -> Image.Image | None:
        if place not in files:
            return None
        try:
            with pictures.opened(files[place]) as picture:
                return picture.convert("RGB")
        except (DataError, Unreadable):
            return None

    return opened
