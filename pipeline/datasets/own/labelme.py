"""Reading LabelMe's files, one JSON a picture; interactions as `pipeline/datasets/own/groups.py` takes them from shapes.

A verb is a flag that is true, or a word of the description (`hold@B; push`); `#A` there is the person's name.
"""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets.own import groups
from pipeline.datasets.own.groups import Shape
from pipeline.datasets.own.problems import Problems, listed
from pipeline.datasets.own.raw import Collected, Images, Raw
from pipeline.datasets.own.words import Words
from pipeline.errors import DataError
from pipeline.outside import json_rows, reading

LAYOUT = "labelme"
BOX_SHAPES = ("rectangle", "oriented_rectangle", "polygon")
Corners = tuple[float, float, float, float]
NO_CORNERS: Corners = (math.nan, math.nan, math.nan, math.nan)


def matches(keys: Collection[str], lists: Collection[str]) -> bool:
    """Whether an object with these keys, of which some have lists, is a file of LabelMe's; it may have any others, which
    LabelMe keeps, but not both lists of COCO's."""
    return "imagePath" in keys and "shapes" in lists and not {"images", "annotations"}.issubset(lists)


def is_file(value: Any) -> bool:
    """Whether a file's JSON value is LabelMe's (`matches`)."""
    return isinstance(value, dict) and matches(value, [key for key, part in value.items() if isinstance(part, list)])


def read(root: Path, files: Sequence[Path], words: Words, problems: Problems) -> Raw:
    """Read what the files say; their names in messages are relative to `root`."""
    found = Collected(Images())
    for path in files:
        value = reading.json_value(path, largest=reading.LARGEST_DATA)
        if not is_file(value):
            raise DataError(f"{path}: is no file of LabelMe's (shapes, imagePath)")
        _picture(value, path.relative_to(root).as_posix(), found, words, problems)
    return found.raw(str(root), LAYOUT)


def _picture(value: Mapping[str, Any], name: str, found: Collected, words: Words, problems: Problems) -> None:
    written = json_rows.text(value.get("imagePath")).replace("\\", "/")
    size = [max(0, json_rows.whole(value.get(key, 0))) for key in ("imageWidth", "imageHeight")]
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), written)) if written else ""
    image = found.images.add(beside, *size, where=name)
    flags = value.get("flags")
    flags = [flag for flag, ticked in flags.items() if ticked is True] if isinstance(flags, dict) else []
    if verbs := [flag for flag in flags if words.verb_id(flag) is not None]:
        problems.add(
            "N", name, f"flags of the picture as a whole say {listed(verbs)}; verbs are flags of shapes", "not used"
        )
    shapes = [shape for shape in value["shapes"] if isinstance(shape, dict)]
    called = numbered([json_rows.text(shape.get("label")) for shape in shapes])
    kept = []
    for shape, label in zip(shapes, called, strict=True):
        where = f"{name}, {label}"
        if shape.get("shape_type", "polygon") not in BOX_SHAPES:
            problems.add("N", where, f"a {shape.get('shape_type')}, which is no box", "not used")
            continue
        kept.append(_shape(shape, image, where, found, words))
    groups.relations(kept, image, found, problems)


def _shape(given: Mapping[str, Any], image: int, where: str, found: Collected, words: Words) -> Shape:
    label = json_rows.text(given.get("label"))
    kind = given.get("shape_type", "polygon")
    corners = _around(given.get("points"), least=2 if kind == "rectangle" else 3)
    box = found.box(image, label, corners, where)
    if math.isnan(corners[0]):
        count = len(given["points"]) if isinstance(given.get("points"), list) else 0
        found.box_faults[box] = f"a {kind} with {count} point{'s' * (count != 1)} that can be read"
    flags = given.get("flags") if isinstance(given.get("flags"), dict) else {}
    written = groups.words(json_rows.text(given.get("description")))
    group = given.get("group_id")
    return Shape(
        box=box,
        person=words.is_person(label),
        group=group if isinstance(group, int) and not isinstance(group, bool) else None,
        name=next((part[1:].strip() for part in written if part.startswith("#")), ""),
        words=(
            *(flag for flag, value in (flags or {}).items() if value is True),
            *(part for part in written if not part.startswith("#")),
        ),
        where=where,
    )


def _around(points: Any, *, least: int) -> Corners:
    """The upright box around points; NaN unless there are at least `least` points of two finite numbers."""
    if not isinstance(points, list) or len(points) < least:
        return NO_CORNERS
    if set(map(type, points)) != {list} or set(map(len, points)) != {2}:
        return NO_CORNERS
    xs, ys = ([json_rows.number(point[side]) for point in points] for side in (0, 1))
    return (min(xs), min(ys), max(xs), max(ys)) if all(map(math.isfinite, xs + ys)) else NO_CORNERS


def numbered(labels: Sequence[str]) -> list[str]:
    """Labels as messages call them: "goose 2" for the second of several."""
    total, seen = Counter(labels), Counter[str]()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(f"{label} {seen[label]}" if total[label] > 1 else label)
    return found
