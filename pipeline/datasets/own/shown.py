"""Which picture every annotated image is, and how large it is as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.pictures import Match, Pictures, Size, plain
from pipeline.datasets.own.problems import Problems, listed
from pipeline.datasets.own.raw import Boxes, Images, Raw
from pipeline.outside.escaping import half

LEFT_OUT = "left out"
LARGEST_SIDE = 1 << 20
"""The largest side of a picture in pixels; no real picture has a larger one."""
ASPECT = 0.01
"""How far the stated ratio of width to height may be from the picture's, where places are in percent."""
OVER = 1.0
"""How many pixels a box may reach over an edge without a message, since tools round."""


@dataclass
class Shown:
    """The images that can be used.

    Attributes:
        keep: (n,) bool.
        names: file names relative to the folder of the pictures.
        sizes: (n, 2) width and height as shown, 0 where they are not known.
    """

    keep: NDArray[np.bool_]
    names: list[str]
    sizes: NDArray[np.int32]


def find(raw: Raw, pictures: Pictures | None, problems: Problems) -> Shown:
    """Match names with files and sizes with pictures; without pictures, names and sizes are taken as they are written."""
    images = raw.images
    count = len(images.names)
    found = Shown(np.ones(count, dtype=bool), [""] * count, np.zeros((count, 2), dtype=np.int32))
    for image, fault in images.faults.items():
        _drop(found, problems, image, images.called(image), fault)
    _names(images, pictures, found, problems)
    _halves(images, found, problems)
    _once(images, found, problems)
    if pictures:
        unreadable = pictures.read_sizes(filter(None, found.names))
        for image in np.flatnonzero(found.keep).tolist():
            if why := unreadable.get(found.names[image]):
                _drop(found, problems, image, images.called(image), f"{found.names[image]}: {why}")
    _sizes(raw, pictures, found, problems)
    return found


def _drop(found: Shown, problems: Problems, image: int, where: str, what: str) -> None:
    problems.add("E", where, what, LEFT_OUT)
    found.keep[image] = False


def _names(images: Images, pictures: Pictures | None, found: Shown, problems: Problems) -> None:
    for image, written in enumerate(images.names):
        if not found.keep[image]:
            continue
        name = plain(written)
        if not name:
            _drop(found, problems, image, images.called(image), "has no file name")
            continue
        if "\\" in written and images.word == "image":
            problems.add("W", images.called(image), "file_name with a backslash", f"read as {name}")
        if not pictures:
            found.names[image] = name
            continue
        match = pictures.find(name, uploaded=bool(images.uploaded) and images.uploaded[image])
        if match.file is None:
            _drop(found, problems, image, images.called(image), _not_found(name, match))
            continue
        if match.by_case:
            problems.add("W", images.called(image), f"{name} is spelled otherwise", f"read as {match.file}")
        found.names[image] = match.file


def _not_found(name: str, match: Match) -> str:
    if not match.candidates:
        return f"its picture {name} is not in the folder"
    return f"its picture {name} may be {listed(match.candidates)}: write more of the folders before it"


def _halves(images: Images, found: Shown, problems: Problems) -> None:
    """Note names with half of a character: JSON and Python's names of files may have it, no table and no UTF-8 file can."""
    for what, texts in (("file name", found.names), ("split", images.splits)):
        for image, text in enumerate(texts):
            if (sign := half(text)) is not None and found.keep[image]:
                _drop(
                    found, problems, image, images.called(image), f"its {what} {text} has {sign}, half of a character"
                )


def _once(images: Images, found: Shown, problems: Problems) -> None:
    """Note images that mean one picture; all of them are errors, since nobody knows which one counts."""
    hashes = np.fromiter(map(hash, found.names), dtype=np.int64, count=len(found.names))[found.keep]
    hashes.sort()  # eight bytes a name, where a set of them takes sixty
    if (hashes[1:] != hashes[:-1]).all():
        return
    bearers: dict[str, list[int]] = {}
    for image, name in enumerate(found.names):
        if found.keep[image]:
            bearers.setdefault(name, []).append(image)
    for name, same in bearers.items():
        if len(same) > 1:
            called = list(dict.fromkeys(images.where[image] for image in same))
            word = f"{images.word}s" if images.word and len(called) > 1 else images.word
            problems.add(
                "E", f"{word} {listed(called)}".strip(), f"the same picture, {name}, {len(same)} times", "all left out"
            )
            found.keep[same] = False


def _sizes(raw: Raw, pictures: Pictures | None, found: Shown, problems: Problems) -> None:
    images, not_stated, ends = raw.images, [], _Ends(raw.boxes, len(raw.images.names))
    for image in range(len(images.names)):
        stated = (images.widths[image], images.heights[image])
        size = pictures.sizes.get(found.names[image]) if pictures else None
        if not found.keep[image]:
            found.sizes[image] = size.shown if size else (0, 0)
        elif min(stated) <= 0 and size is None:
            what = "its size is not told, and there is no picture to read it from"
            _drop(found, problems, image, images.called(image), what)
        elif max(stated) > LARGEST_SIDE:
            what = f"is {stated[0]:,} x {stated[1]:,} pixels, which no picture is"
            _drop(found, problems, image, images.called(image), what)
        elif size is None:
            found.sizes[image] = stated
        else:
            found.sizes[image] = size.shown
            if min(stated) <= 0:
                not_stated.append(image)
            elif stated != size.shown:
                _other_size(image, stated, size, raw, ends, found, problems)
    if not_stated:
        plural = "s" * (images.word != "" and len(not_stated) > 1)
        where = f"{images.word}{plural} {listed(images.where[i] for i in not_stated)}"
        problems.add("N", where.strip(), "the size is not told", "read from the picture")


class _Ends:
    """The right lower corners of each image's boxes, which are sorted by image once, and not before one is asked for."""

    def __init__(self, boxes: Boxes, images: int) -> None:
        self._boxes, self._images = boxes, images

    def of(self, image: int) -> NDArray[np.float64]:
        """The corners of one image's boxes, (n, 2)."""
        order, starts = self._sorted
        return self._boxes.corners[order[starts[image] : starts[image + 1]], 2:].astype(np.float64)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The boxes' positions, sorted by image, and where those of each image begin."""
        order = np.argsort(self._boxes.image, kind="stable")
        return order, np.searchsorted(self._boxes.image[order], np.arange(self._images + 1))


def _other_size(
    image: int, stated: tuple[int, int], size: Size, raw: Raw, ends: _Ends, found: Shown, problems: Problems
) -> None:
    """Judge a stated size that is not the picture's: it is clear what was meant, or the image cannot be used.

    Places in percent need the same shape alone. Otherwise a size before the EXIF orientation is clear where more boxes fit
    the picture as shown.
    """
    says = f"is {stated[0]} x {stated[1]} in the file, and the picture is shown as {size.shown[0]} x {size.shown[1]}"
    where = raw.images.called(image)
    if raw.boxes.percent:
        aspect = stated[0] * size.shown[1] / (stated[1] * size.shown[0])
        if abs(aspect - 1) > ASPECT:
            _drop(found, problems, image, where, f"{says}: another shape")
        return
    mine = ends.of(image)
    fit_stated, fit_shown = (int((mine <= np.array(limit) + OVER).all(axis=1).sum()) for limit in (stated, size.shown))
    if stated == size.stored and (fit_shown > fit_stated or not len(mine)):
        what = f"{stated[0]} x {stated[1]} is the size before its EXIF orientation, and its boxes fit the shown picture alone"
        problems.add("W", where, what, f"{size.shown[0]} x {size.shown[1]} is used")
    elif stated == size.stored:
        what = (
            f"{says} by its EXIF orientation, and its boxes fit the former too; write {size.shown[0]} x {size.shown[1]} "
            "if they were drawn in what is shown, else store the picture without an orientation"
        )
        _drop(found, problems, image, where, what)
    else:
        _drop(found, problems, image, where, f"{says}; store the picture as it was annotated, or annotate it anew")
