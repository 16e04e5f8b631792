"""Reading Label Studio's JSON export: boxes in percent of the picture as shown, and directed relations with verbs.

A task may have several annotations: skipped ones never count; of the others the one that is marked as ground truth does, else
the newest. Predictions and drafts are no annotation. A task without annotation is no part of the data; one that was submitted
without any box is a picture without interaction.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.datasets.own.addresses import file_name
from pipeline.datasets.own.pictures import SUFFIXES
from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import ALONE, Collected, Images, Raw
from pipeline.errors import DataError
from pipeline.outside import json_rows
from pipeline.outside.parsing import shown

LAYOUT = "label-studio"
LABELS = ("rectanglelabels", "labels")
NOT_USED = (
    "polygonlabels",
    "brushlabels",
    "keypointlabels",
    "ellipselabels",
    "polygon",
    "brush",
    "keypoint",
    "ellipse",
)


def matches(value: Any) -> bool:
    """Whether a JSON value is an export: a list with a task that has annotations, which the first need not have."""
    return isinstance(value, list) and any(
        isinstance(task, dict)
        and isinstance(task.get("data"), dict)
        and not {"annotations", "completions"}.isdisjoint(task)
        for task in value
    )


def is_minimal(value: Any) -> bool:
    """Whether a JSON value is an export of the kind JSON-MIN, which has no relations."""
    return isinstance(value, list) and any(isinstance(entry, dict) and "annotation_id" in entry for entry in value)


def read(value: Sequence[Any], file: str, problems: Problems, *, annotator: str | None = None) -> Raw:
    """Read what an export says.

    Args:
        annotator: the id or the email of the one annotator whose annotations count; None for anybody's.
    """
    found = Collected(Images(word="task"))
    counts: Counter[str] = Counter()
    for place, task in enumerate(value):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError(f"{file}: task {place + 1} is {shown(task)}; expected an object with data and annotations")
        _task(task, task.get("id", place + 1), found, problems, annotator, counts)
    for what, number in counts.items():
        problems.add("N", "the whole file", what.format(n=f"{number:,} task{'s' * (number > 1)}"), "told once for all")
    return found.raw(file, LAYOUT, percent=True)


def _task(
    task: Mapping[str, Any],
    number: Any,
    found: Collected,
    problems: Problems,
    annotator: str | None,
    counts: Counter[str],
) -> None:
    annotation, several = _chosen(task, annotator)
    if several:
        counts["{n} with several annotations, of which one counts: ground truth, else the newest"] += 1
    if annotation is None:
        counts["{n} not annotated, no part of the data"] += 1
        return
    if not isinstance(annotation.get("result") or [], list):
        raise DataError(f"{problems.file}: task {number}: its result is {shown(annotation['result'])}; expected a list")
    result = [entry for entry in annotation.get("result") or [] if isinstance(entry, dict)]
    addresses = _addresses(task["data"])
    sizes = _sizes(result, number, problems)
    images = {}
    for index, address in enumerate(addresses):
        name, uploaded = file_name(address)
        where = str(number) if len(addresses) == 1 else f"{number}, picture {index + 1}"
        images[index] = found.images.add(name, *sizes.get(index, (0, 0)), where=where, uploaded=uploaded)
    boxes = _regions(result, number, found, images, problems)
    _relations(result, number, found, boxes, problems)


def _chosen(task: Mapping[str, Any], annotator: str | None) -> tuple[Mapping[str, Any] | None, bool]:
    """The annotation that counts, and whether it was one of several."""
    given = task.get("annotations") if "annotations" in task else task.get("completions")
    valid = [
        a
        for a in (given if isinstance(given, list) else [])
        if isinstance(a, dict) and not a.get("was_cancelled") and not a.get("skipped")
    ]
    if annotator is not None:
        valid = [a for a in valid if annotator in _who(a.get("completed_by"))]
    if not valid:
        return None, False
    true = [a for a in valid if a.get("ground_truth")]
    newest = max(range(len(true or valid)), key=lambda i: (str((true or valid)[i].get("updated_at") or ""), i))
    return (true or valid)[newest], len(valid) > 1


def _who(by: Any) -> set[str]:
    return {str(by.get("id")), str(by.get("email"))} if isinstance(by, dict) else {str(by)}


def _addresses(data: Mapping[str, Any]) -> list[str]:
    """The addresses of a task's pictures: the value `image`, a list, or the first that ends as a picture's does."""
    for key in ("image", "images", "img", "picture", *data):
        value = data.get(key)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return value
        if isinstance(value, str) and (key in ("image", "img") or file_name(value)[0].lower().endswith(SUFFIXES)):
            return [value]
    return [""]


def _sizes(result: Sequence[Mapping[str, Any]], number: Any, problems: Problems) -> dict[int, tuple[int, int]]:
    """Width and height of each picture of a task, as its regions tell them."""
    found: dict[int, tuple[int, int]] = {}
    for entry in result:
        if entry.get("type") == "relation":
            continue
        size = (json_rows.whole(entry.get("original_width")), json_rows.whole(entry.get("original_height")))
        if min(size) > 0:
            found.setdefault(_index(entry), size)
        elif entry.get("type") in (*LABELS, "rectangle"):
            lacks = "original_width" if size[0] <= 0 else "original_height"
            problems.add("N", f"task {number}, region {entry.get('id')}", f"{lacks} missing", "read from the picture")
    return found


def _index(entry: Mapping[str, Any]) -> int:
    return max(0, json_rows.whole(entry.get("item_index", 0)))


def _regions(
    result: Sequence[Mapping[str, Any]], number: Any, found: Collected, images: Mapping[int, int], problems: Problems
) -> dict[str, int]:
    """Add the boxes of a task, and who acts alone; {region id: box}."""
    boxes: dict[str, int] = {}
    placed: Counter[str] = Counter()
    labels: dict[str, list[str]] = {}
    alone: list[tuple[str, list[str]]] = []
    for entry in result:
        kind, value, name = entry.get("type"), entry.get("value"), str(entry.get("id"))
        where = f"task {number}, region {name}"
        value = value if isinstance(value, dict) else {}
        if kind == "choices":
            alone.append((name, json_rows.texts(value.get("choices"))))
            continue
        if kind in NOT_USED:
            problems.add("N", where, f"a {str(kind).removesuffix('labels')}, which is no box", "not used")
            continue
        if kind not in (*LABELS, "rectangle"):
            continue
        if words := next((value[key] for key in LABELS if value.get(key)), None):
            labels[name] = list(dict.fromkeys(json_rows.texts(words)))
        if kind in ("rectangle", "rectanglelabels") or name not in boxes:
            placed[name] += kind in ("rectangle", "rectanglelabels")
            box = found.box(images.get(_index(entry), -1), "", _percent(value), where)
            if degrees := json_rows.number(value.get("rotation", 0)):
                found.turned[box] = degrees if math.isfinite(degrees) else 0.0
            if name in boxes:
                found.box_faults[box] = ""
            elif json_rows.number(entry.get("image_rotation") or 0) % 360:
                found.box_faults[box] = (
                    f"its picture was turned by {shown(entry['image_rotation'])} degrees there, so its place in the picture as "
                    "it is shown is not known: turn it back in Label Studio and submit again"
                )
            boxes.setdefault(name, box)
    for name, box in boxes.items():
        words = labels.get(name, [])
        found.box_label[box] = words[0] if words else ""
        if not words:
            found.box_faults[box] = "has no label"
        elif len(words) > 1:
            found.box_faults[box] = (
                f"has {len(words)} labels, {' and '.join(map(shown, words))}, and a box is of one object"
            )
        if found.box_image[box] < 0:
            found.box_faults[box] = "its picture is not among those of the task"
        if placed[name] > 1:
            found.box_faults[box] = f"region id given {placed[name]} times, so all are left out"
    for name, words in alone:
        for word in words:
            _alone(number, name, word, found, boxes, problems)
    return boxes


def _percent(value: Mapping[str, Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (json_rows.number(value.get(key)) for key in ("x", "y", "width", "height"))
    return x, y, width, height


def _alone(number: Any, name: str, word: str, found: Collected, boxes: Mapping[str, int], problems: Problems) -> None:
    where = f"task {number}, region {name}"
    if name in boxes:
        found.relation(found.box_image[boxes[name]], boxes[name], ALONE, word, where)
    else:
        problems.add("N", where, f"{word} is chosen for the whole picture and no box", "not used")


def _relations(
    result: Sequence[Mapping[str, Any]], number: Any, found: Collected, boxes: Mapping[str, int], problems: Problems
) -> None:
    for entry in result:
        if entry.get("type") != "relation":
            continue
        ends = [str(entry.get("from_id")), str(entry.get("to_id"))]
        where = f"task {number}, relation {'-'.join(ends)}"
        if lost := [end for end in ends if end not in boxes]:
            problems.add("E", where, f"region {lost[0]} does not exist", "left out")
            continue
        verbs = [word for word in json_rows.texts(entry.get("labels")) if word.strip()]
        if not verbs:
            problems.add("E", where, "a relation without a verb", "left out")
            continue
        if entry.get("direction") == "left":
            ends.reverse()
        subject, thing = boxes[ends[0]], boxes[ends[1]]
        both_ways = entry.get("direction") == "bi" and subject != thing
        for verb in verbs:
            found.relation(
                found.box_image[subject],
                subject,
                ALONE if subject == thing else thing,
                verb,
                where,
                both_ways=both_ways,
            )
