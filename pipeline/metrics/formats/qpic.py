"""Detections as the JSON that QPIC, CDN, PPDM and similar programs write: one entry for each image.

    [{"file_name": ..., "predictions": [{"bbox": [x1, y1, x2, y2], "category_id": c}, ...],
      "hoi_prediction": [{"subject_id": i, "object_id": j, "category_id": v, "score": s}, ...]}, ...]

Two numberings are in use and are told apart by the category of the people: 1 means COCO's category ids and verbs from 1
(the annotation files' numbering), 0 means COCO-80 indices and verbs from 0 (the programs' own). Verbs are in HICO-DET's
alphabetical order. A verb that does not go with the object is no class, and an `object_id` of -1 is no object: such pairs are
left out, which the reader counts.

GEN-VLKT, HOICLIP and EoID write the same without categories of boxes; `category_id` of a pair is then the class,
0 .. 599. Their whole file may be a text that shows {"preds": [...], "gts": [...]} as Python does; it is read, not run.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO
from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX
from pipeline.outside.columns import number, whole_number
from pipeline.outside.parsing import why_not_read


def unpacked(path: Path, content: Any) -> Any:
    """Unwrap what GEN-VLKT's evaluator writes: the value that a text shows, and what is under `preds`; else the content.

    Raises:
        DataError: the text shows no plain value of Python.
    """
    if isinstance(content, str):
        try:
            content = ast.literal_eval(content)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            why = str(error).partition(" on line")[0].partition(":")[0][:80]
            raise DataError(
                f"{path}: is one text, as GEN-VLKT, HOICLIP and EoID write their results, and cannot be read as plain numbers "
                f"and texts ({why}). Save the list of images as JSON, every number as a plain one"
            ) from None
    return content["preds"] if isinstance(content, dict) and "preds" in content else content


def read(path: Path, content: list[Any]) -> tuple[pd.DataFrame, list[str]]:
    """The detections of the parsed file, with ``file_name``, and remarks on what was left out.

    Raises:
        DataError: an entry lacks a field, or numbers do not fit (the message names the image).
    """
    hoi_of = HICO.lookup(HICO.ids)
    coco_index = {coco_id: object_id for object_id, coco_id in enumerate(COCO_IDS)}
    rows: list[tuple[Any, ...]] = []
    invalid = alone = 0
    numbering: int | None = None
    by_class = _boxes_have_no_category(content)
    for place, entry in enumerate(content):
        name = "?"
        try:
            name = str(entry.get("file_name", entry.get("filename")))
            boxes = entry["predictions"]
            for pair in entry["hoi_prediction"]:
                target = whole_number(pair["object_id"])
                if target == -1:
                    alone += 1
                    continue
                person, thing = (boxes[_index(i, len(boxes))] for i in (pair["subject_id"], target))
                if by_class:
                    hoi = _index(pair["category_id"], len(HICO.ids))
                else:
                    numbering = _numbering(whole_number(person["category_id"]), numbering)
                    category, verb = whole_number(thing["category_id"]), whole_number(pair["category_id"]) - numbering
                    object_id = _index(category, len(HICO.objects)) if numbering == 0 else coco_index.get(category)
                    if object_id is None:
                        raise ValueError(f"no object has COCO's category_id {category}")
                    hoi = hoi_of[object_id, _index(verb, len(HICO.verbs))]
                if hoi < 0:
                    invalid += 1
                else:
                    corners = (number(x) for x in (*person["bbox"], *thing["bbox"]))
                    rows.append((name, hoi, number(pair["score"]), *corners))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path} entry {place}, image {name}: {why_not_read(error)}; needed are file_name, predictions (bbox "
                "[x1, y1, x2, y2], category_id) and hoi_prediction (subject_id, object_id, category_id, score)"
            ) from error
    frame = pd.DataFrame(rows, columns=["file_name", "hoi_id", "score", *HUMAN_BOX, *OBJECT_BOX])
    left_out = ((invalid, "name a verb that does not go with their object"), (alone, "have no object (object_id -1)"))
    notes = [f"{count:,} detections {what}: left out" for count, what in left_out if count]
    if by_class:
        notes.append("the boxes have no category: category_id of a pair is taken for the class, 0..599, as in GEN-VLKT")
    return frame.astype({"file_name": "category"}), notes


def write(path: Path, detections: pd.DataFrame) -> None:
    """Write the detections (with ``file_name``) in the annotation files' numbering; equal boxes of an image are shared."""
    entries = []
    for name, frame in detections.groupby("file_name", sort=False, observed=True):
        boxes: dict[tuple[Any, ...], int] = {}
        pairs = []
        for row in frame.to_dict("records"):
            c = HICO.hoi(int(row["hoi_id"]))
            person = (COCO_IDS[0], *(float(row[k]) for k in HUMAN_BOX))
            thing = (COCO_IDS[c.object_id], *(float(row[k]) for k in OBJECT_BOX))
            subject, target = (boxes.setdefault(box, len(boxes)) for box in (person, thing))
            pairs.append(
                {
                    "subject_id": subject,
                    "object_id": target,
                    "category_id": c.verb_id + 1,
                    "score": float(row["score"]),
                }
            )
        listed = [{"bbox": list(box[1:]), "category_id": box[0]} for box in boxes]
        entries.append({"file_name": str(name), "predictions": listed, "hoi_prediction": pairs})
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(entries), encoding="utf-8")


def _boxes_have_no_category(content: list[Any]) -> bool:
    """Whether there are boxes, none of which has a category."""
    listed = [entry.get("predictions") for entry in content if isinstance(entry, dict)]
    boxes = [box for found in listed if isinstance(found, list) for box in found if isinstance(box, dict)]
    return bool(boxes) and all("category_id" not in box for box in boxes)


def _numbering(person: Any, before: int | None) -> int:
    """Where verbs (and object indices) start; the category of a person decides."""
    if person not in (0, 1) or before not in (None, person):
        raise ValueError(f"a person's category_id is {person}, {before if before is not None else '0 or 1'} is needed")
    return int(person)


def _index(value: Any, count: int) -> int:
    """A place in a list of so many; IndexError for any other number, also one below 0."""
    found = whole_number(value)
    if not 0 <= found < count:
        raise IndexError(f"{found} is not in 0..{count - 1}")
    return found
