"""Detections that name their classes, as the predictions of several zero-shot methods are published (CrossHOI-Bench).

    {"HICO_test2015_00000001.jpg": {"h_boxes": [[x1, y1, x2, y2], ...], "o_boxes": [...], "ho_scores": [...],
                                    "ao_names": ["ride a horse", ...]}, ...}

A row is a scored pair and class, and the four lists have the same length. A name is a verb, "a" or "an" and an object, with
blanks or underscores; "no_interaction a horse" is one. Boxes are in continuous pixels.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside import pixels, reading
from pipeline.outside.parsing import shown
from pipeline.tables.boxes import Floats
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

LISTS = ("h_boxes", "o_boxes", "ho_scores", "ao_names")
CUT = 0.2
"""If this share of the images has exactly as many rows as the fullest one, the file is taken for truncated to so many."""


class Image(NamedTuple):
    """One image's rows, or what is wrong with them."""

    boxes: Floats
    """`[n, 8]`"""
    scores: Floats
    names: list[str]
    fault: str = ""


def packed(entry: dict[str, Any]) -> Any:
    """An image's lists as arrays, which take a tenth of the memory; any other object of the JSON unchanged."""
    if not set(LISTS) <= entry.keys():
        return entry
    nothing = Image(np.empty((0, 8)), np.empty(0), [])
    lists = [entry[key] for key in LISTS]
    if not all(isinstance(values, list) for values in lists) or len({len(values) for values in lists}) > 1:
        return nothing._replace(fault=f"{', '.join(LISTS)} must be lists of equal length")
    names = entry["ao_names"]
    if not all(isinstance(name, str) for name in names):
        return nothing._replace(fault="ao_names must be texts")
    try:
        if _true_or_false(itertools.chain(entry["ho_scores"], *entry["h_boxes"], *entry["o_boxes"])):
            return nothing._replace(fault="true and false are no numbers")
        human, thing = (np.array(entry[key], dtype=np.float64).reshape(len(names), 4) for key in LISTS[:2])
        return Image(
            np.hstack([human, thing]), np.array(entry["ho_scores"], dtype=np.float64).reshape(len(names)), names
        )
    except (ValueError, TypeError, OverflowError):  # the last of a whole number of hundreds of digits
        return nothing._replace(fault="a box needs four numbers, a score one")


def _true_or_false(values: Iterable[Any]) -> bool:
    """Whether one of the values is true or false, which numpy takes for 1 and 0."""
    return bool in set(map(type, values))


def matches(content: Any) -> bool:
    """Whether parsed JSON, its objects packed, is of this layout."""
    return isinstance(content, dict) and any(isinstance(value, Image) for value in content.values())


def read(path: Path, content: Mapping[str, Any], vocabulary: Vocabulary | None) -> tuple[pd.DataFrame, list[str]]:
    """The detections of the parsed file, with `file_name`, and remarks: the number of images, and whether they look truncated.

    Raises:
        DataError: an image's lists do not fit, or a name is no class (the message names the image and near names).
    """
    if vocabulary is None:
        raise DataError(f"{path}: it names its classes, so the vocabulary that they are of has to be known")
    ids = _Ids(vocabulary)
    hois: list[NDArray[np.int64]] = []
    for name, image in content.items():
        _demand_sound(name, image, path)
        try:
            hois.append(np.array([ids[phrase] for phrase in image.names], dtype=np.int64))
        except ValueError as error:
            raise DataError(f"{path}, image {shown(name)}: {error}") from None
    counts = np.array([len(image.scores) for image in content.values()], dtype=np.int64)
    boxes = np.concatenate([np.empty((0, 8)), *(image.boxes for image in content.values())])
    codes = np.repeat(np.arange(len(content)), counts)
    frame = pd.DataFrame(
        {
            "file_name": pd.Categorical.from_codes(codes, categories=pd.Index(content)),
            "hoi_id": np.concatenate([np.empty(0, np.int64), *hois]),
            "score": np.concatenate([np.empty(0), *(image.scores for image in content.values())]),
            **dict(zip((*HUMAN_BOX, *OBJECT_BOX), boxes.T, strict=True)),
        }
    )
    return frame, [_of_counts(counts)]


def by_image(path: Path) -> dict[str, Image]:
    """The rows of a file by image, with its own names.

    Raises:
        DataError: the file is not of this layout, an image's lists do not fit, a score or a box is none (the message names the
            image), or all boxes are fractions of their images.
    """
    content = reading.json_value(path, largest=reading.LARGEST_DATA, each=packed)
    if not matches(content):
        raise DataError(
            f"{path}: a JSON object of images with {', '.join(LISTS)} is needed; `ezhoi evaluate export --to named` makes one "
            "of detections in other formats"
        )
    for name, image in content.items():
        _demand_sound(name, image, path)
        _demand_measured(name, image, path)
    boxes = np.concatenate([np.empty((0, 8)), *(image.boxes for image in content.values())])
    pixels.demand(boxes.reshape(-1, 4), None, table=str(path))
    return dict(content)


def _demand_measured(name: str, image: Image, path: Path) -> None:
    """DataError naming the first row of an image whose score or box is none; it would compare with nothing."""
    boxes = image.boxes.reshape(-1, 2, 4)
    sound = np.isfinite(image.scores) & np.isfinite(image.boxes).all(axis=1)
    sound &= (boxes[..., :2] <= boxes[..., 2:]).all(axis=(1, 2))
    if not sound.all():
        row = int(sound.argmin())
        raise DataError(
            f"{path}, image {shown(name)}, row {row}: score {image.scores[row]}, boxes {image.boxes[row].tolist()}; a finite "
            "score and finite boxes x1, y1, x2, y2 are needed"
        )


def _demand_sound(name: str, image: Any, path: Path) -> None:
    if not isinstance(image, Image) or image.fault:
        fault = image.fault if isinstance(image, Image) else f"needs {', '.join(LISTS)}"
        raise DataError(f"{path}, image {shown(name)}: {fault}")


def write(path: Path, detections: pd.DataFrame, *, images: Sequence[str], vocabulary: Vocabulary) -> None:
    """Write detections (with `file_name`) of these images, including images without any."""
    phrase_of = {c.hoi_id: " ".join(filter(None, (c.verb, c.article or "a", c.object))) for c in vocabulary.classes}
    place = pd.Index(images).get_indexer(pd.Index(detections["file_name"]))
    order = np.argsort(place, kind="stable")
    human, thing, score, hoi = (
        detections[column].to_numpy()[order] for column in (list(HUMAN_BOX), list(OBJECT_BOX), "score", "hoi_id")
    )
    ends = np.searchsorted(place[order], np.arange(len(images) + 1))
    content = {}
    for name, (start, end) in zip(images, itertools.pairwise(ends), strict=True):
        lists = [values[start:end].tolist() for values in (human, thing, score, hoi)]
        content[name] = dict(zip(LISTS, [*lists[:3], [phrase_of[one] for one in lists[3]]], strict=True))
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def _of_counts(counts: NDArray[np.int64]) -> str:
    """A remark on how many rows the images have, and whether these look like the best so many of each."""
    most = int(counts.max(initial=0))
    full = int((counts == most).sum())
    cut = (
        f": cut to the best {most:,} an image, it seems" if full > max(1, CUT * len(counts)) else ": not cut, it seems"
    )
    return (
        f"{len(counts):,} images, {counts.sum():,} rows, at most {most:,} an image, which {full:,} images have{cut}; "
        f"{(counts == 0).sum():,} images are empty"
    )


class _Ids(dict[str, int]):
    """Class ids by the names that a file gives them; a name is looked up once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.known = {
            comparable(f"{hoi.verb} {article} {hoi.object}"): hoi.hoi_id
            for hoi in vocabulary.classes
            for article in ("a", "an", "")
        }

    def __missing__(self, name: str) -> int:
        found = self.known.get(comparable(name))
        if found is None:
            verb, _, thing = comparable(name).replace(" an ", " a ").partition(" a ")
            found = self.vocabulary.find(f"{verb} {thing}").hoi_id  # ValueError with near names
        self[name] = found
        return found
