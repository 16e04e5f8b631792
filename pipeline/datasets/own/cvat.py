"""Reading "CVAT for images 1.1" and "CVAT for video 1.1"; interactions as `pipeline/datasets/own/groups.py` takes them.

A verb is the value of an attribute called verb, verbs, action, interaction, hoi or alone, or a ticked box called like a verb;
the attribute `name` or `id` is the person's name. Of a video every frame is a picture, `frame_000012` with any ending.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.own import groups
from pipeline.datasets.own.groups import Shape
from pipeline.datasets.own.labelme import numbered
from pipeline.datasets.own.problems import Problems, listed
from pipeline.datasets.own.raw import Collected, Images, Raw
from pipeline.datasets.own.words import Words
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.parsing import shown
from pipeline.vocabulary.vocabulary import comparable

LAYOUT = "cvat"
VERBS = frozenset({"verb", "verbs", "action", "actions", "interaction", "interactions", "hoi", "alone"})
NAMES = ("name", "id")
BOX_SHAPES = ("box", "polygon")
OUTSIDE = {"0": False, "1": True, "false": False, "true": True}
"""Whether a track's object is out of sight; CVAT itself writes 0 and 1."""
LONGEST_WHOLE = 17
"""The most digits of a whole number."""
PIECE = 1 << 20
Corners = tuple[float, float, float, float]
NOWHERE: Corners = (math.nan, math.nan, math.nan, math.nan)
"""Stands for the corners of a shape that has none."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A shape as its element has it: attributes of the element, and what the annotator wrote."""

    kind: str
    given: Mapping[str, str]
    written: Mapping[str, str]


def read(path: Path, words: Words, problems: Problems) -> Raw:
    """Read what a file says; it is XML, or a zip with `annotations.xml`."""
    found = Collected(Images())
    text = content(path)
    frames: dict[int, list[_Drawn]] = {}
    size = (0, 0)
    for element in _elements(text, str(path), {"image", "original_size", "track"}):
        if element.tag == "image":
            mine = (_whole(element.get("width")), _whole(element.get("height")))
            _picture(element.get("name") or "", mine, [_drawn(shape) for shape in element], found, words, problems)
            element.clear()
        elif element.tag == "original_size":
            size = (_whole(element.findtext("width")), _whole(element.findtext("height")))
        else:
            _track(element, frames, problems)
            element.clear()
    for frame in sorted(frames):
        _picture(f"frame_{frame:06d}", size, frames[frame], found, words, problems)
    return found.raw(str(path), LAYOUT)


def content(path: Path) -> str:
    """The XML of a file, or of the zip that it is; DataError saying what is wrong if it is none of CVAT's."""
    if path.suffix.lower() != ".zip":
        found = reading.text(path, largest=reading.LARGEST_DATA)
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                name = next((n for n in archive.namelist() if n.rsplit("/", 1)[-1] == "annotations.xml"), None)
                if name is None:
                    raise DataError(
                        f'{path}: has no annotations.xml; of CVAT export "CVAT for images 1.1", of Label Studio JSON'
                    )
                with archive.open(name) as file:
                    packed = file.read(reading.LARGEST_DATA + 1)
        except (
            OSError,
            EOFError,
            zlib.error,
            zipfile.BadZipFile,
            RuntimeError,
            NotImplementedError,
            ValueError,
        ) as error:
            raise DataError(f"{path}: cannot be read as a zip ({reading.why(error)})") from None
        if len(packed) > reading.LARGEST_DATA:
            raise DataError(f"{path}: annotations.xml is larger than is read")
        try:
            found = packed.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: annotations.xml is not UTF-8 ({reading.why(error)})") from None
    if "<!DOCTYPE" in found or "<!ENTITY" in found:
        raise DataError(f"{path}: declares a document type, which no export of CVAT's does; it is not read")
    if "<annotations" not in found:
        raise DataError(f'{path}: is no annotation of CVAT\'s; export "CVAT for images 1.1"')
    return found


def _elements(content: str, file: str, names: set[str]) -> Iterator[ET.Element]:
    """Yield the elements of these names, each when it has been read to its end."""
    parser: Any = ET.XMLPullParser(["end"])
    try:
        for start in range(0, len(content), PIECE):
            parser.feed(content[start : start + PIECE])
            for _, element in parser.read_events():
                if element.tag in names:
                    yield element
        parser.close()
    except ET.ParseError as error:
        raise DataError(f"{file}: is no whole XML ({error})") from None


def _drawn(element: ET.Element) -> _Drawn:
    written = {str(a.get("name", "")).strip().lower(): (a.text or "").strip() for a in element.findall("attribute")}
    return _Drawn(element.tag, dict(element.attrib), written)


def _track(track: ET.Element, frames: dict[int, list[_Drawn]], problems: Problems) -> None:
    """Add the shapes of a video's track to those of their frames, but for those that are out of sight there."""
    group = {"label": track.get("label") or "", "group_id": track.get("group_id") or "0"}
    for number, shape in enumerate(track, start=1):
        where = f"track {track.get('id')} ({group['label']}), shape {number}"
        outside, frame = OUTSIDE.get(shape.get("outside", "0").strip().lower()), shape.get("frame", "").strip()
        if outside is None:
            what = f"outside = {shown(shape.get('outside'))}, which is neither 0 nor 1"
            problems.add("E", where, what, "left out")
        elif not frame.isascii() or not frame.isdigit() or len(frame) > LONGEST_WHOLE:
            problems.add("E", where, f"frame = {shown(frame)}, which is no whole number", "left out")
        elif not outside:
            drawn = _drawn(shape)
            frames.setdefault(int(frame), []).append(_Drawn(drawn.kind, {**drawn.given, **group}, drawn.written))


def _picture(
    name: str, size: tuple[int, int], drawn: list[_Drawn], found: Collected, words: Words, problems: Problems
) -> None:
    image = found.images.add(name, *size, where=name)
    called = numbered([shape.given.get("label", "") for shape in drawn])
    kept = []
    for shape, label in zip(drawn, called, strict=True):
        where = f"{name}, {label}"
        if shape.kind not in BOX_SHAPES:
            problems.add("N", where, f"{shape.kind}, a shape that is no box", "not used")
            continue
        kept.append(_shape(shape, image, where, found, words))
        for key, value in shape.written.items():
            if key not in VERBS | set(NAMES) and (verbs := groups.verbs(value, words)):
                what = f"its attribute {key} says {listed(verbs)}; verbs are read from an attribute called verbs"
                problems.add("N", where, what, "not used")
    groups.relations(kept, image, found, problems)


def _shape(drawn: _Drawn, image: int, where: str, found: Collected, words: Words) -> Shape:
    label = drawn.given.get("label", "")
    box = found.box(image, label, _corners(drawn), where)
    left, right = (_number(drawn.given.get(key)) for key in ("xtl", "xbr"))
    if drawn.kind == "box" and left > right:
        found.box_faults[box] = "xtl is greater than xbr"
    group = _whole(drawn.given.get("group_id"))
    return Shape(
        box=box,
        person=words.is_person(label),
        group=group or None,
        name=next((drawn.written[key] for key in NAMES if drawn.written.get(key)), ""),
        words=tuple(
            word
            for key, value in drawn.written.items()
            for word in (groups.words(value) if key in VERBS else _ticked(key, value, words))
        ),
        where=where,
    )


def _ticked(key: str, value: str, words: Words) -> tuple[str, ...]:
    """The attribute's name, where it is a ticked box called like a verb."""
    return (key,) if value.lower() == "true" and comparable(key) in words.verbs else ()


def _corners(drawn: _Drawn) -> Corners:
    """The corners of the shape, or of the upright box around it; `NOWHERE` if one of its numbers is none."""
    if drawn.kind == "polygon":
        points = [[_number(part) for part in point.split(",")] for point in drawn.given.get("points", "").split(";")]
        if any(len(point) != 2 or not all(map(math.isfinite, point)) for point in points):
            return NOWHERE
        xs, ys = zip(*points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)
    x1, y1, x2, y2 = (_number(drawn.given.get(key)) for key in ("xtl", "ytl", "xbr", "ybr"))
    degrees = _number(drawn.given.get("rotation", "0"))
    if not degrees:
        return x1, y1, x2, y2
    if not math.isfinite(degrees):
        return NOWHERE
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    middle_x, middle_y, width, height = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    half = ((width * cos + height * sin) / 2, (width * sin + height * cos) / 2)
    return middle_x - half[0], middle_y - half[1], middle_x + half[0], middle_y + half[1]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _whole(text: str | None) -> int:
    return int(text) if text and text.strip().isascii() and text.strip().isdigit() and len(text) <= LONGEST_WHOLE else 0
