"""`trainval_hico.json` / `test_hico.json` as PPDM, QPIC, CDN and GEN-VLKT read them.

    [{file_name, img_id, annotations: [{bbox, category_id}], hoi_annotation: [{subject_id, object_id, category_id,
      hoi_category_id}]}]

`category_id` of a box is COCO's 1..90, that of a pair the verb 1..117; `hoi_category_id` is 1..600; `subject_id` and
`object_id` are positions in `annotations`; where `hoi_category_id` is missing, as in HICO-DET-SG's test files, the class is
that of the verb and the object; some copies write "1\\n" for 1. Boxes are x1, y1, x2, y2: the training file's are
HICO-DET's less one (0-based), the test file's are HICO-DET's own. A 0 proves the shift, since HICO-DET's own begin at 1; a
large file without any 0 has none; a small one is taken as documented for its split.

The training file merges boxes that nearly coincide, so its pairs are fewer or differ by some pixels from the official
ones; images without pairs are left out, and the file has no sizes of images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.datasets.hico.rows import UNSTATED, Rows
from pipeline.datasets.hico.tables import split_of
from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO
from pipeline.outside.columns import number, whole_number

ENOUGH = 2000
"""So many boxes that one of them is certain to touch the image's edge (one in a hundred does)."""
_OBJECT_OF = {category: index for index, category in enumerate(COCO_IDS)}


def matches(value: Any) -> bool:
    """Whether parsed JSON has this layout."""
    keys = {"file_name", "annotations", "hoi_annotation"}
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and keys <= value[0].keys()


def read(value: list[Any], path: Path) -> Rows:
    """The rows, boxes shifted to 1-based."""
    rows = Rows(path, "ppdm")
    shift = box_shift(value)
    rows.notes.append(f"boxes {'0-based in the file, 1 added' if shift else '1-based in the file'}")
    for place, entry in enumerate(value):
        if not matches([entry]) or not all(isinstance(entry[k], list) for k in ("annotations", "hoi_annotation")):
            rows.faults.add(
                f"entry {place}", "needs the keys file_name, annotations and hoi_annotation, the latter lists"
            )
        elif rows.image(entry["file_name"]):
            for position, pair in enumerate(entry["hoi_annotation"]):
                _pair(rows, entry, position, pair, shift)
    return rows


def box_shift(value: list[Any]) -> int:
    """What to add to the file's coordinates: 1 if they are 0-based, else 0."""
    boxes = [
        box["bbox"]
        for entry in value
        if isinstance(entry, dict) and isinstance(entry.get("annotations"), list)
        for box in entry["annotations"]
        if isinstance(box, dict) and isinstance(box.get("bbox"), list)
    ]
    if any(0 in box for box in boxes):
        return 1
    if len(boxes) >= ENOUGH:
        return 0
    names = [entry.get("file_name") for entry in value if isinstance(entry, dict)]
    return int(any(isinstance(name, str) and split_of(name) == "train" for name in names))


def _pair(rows: Rows, entry: dict[str, Any], position: int, pair: Any, shift: int) -> None:
    name, boxes = entry["file_name"], entry["annotations"]
    where = f"{name}, pair {position}"
    try:
        ends = [whole_number(pair[key]) for key in ("subject_id", "object_id")]
        needed = "category_id" if "hoi_category_id" not in pair else "hoi_category_id"
        stated, verb = whole_number(pair[needed]) - 1, whole_number(pair.get("category_id", UNSTATED + 1)) - 1
    except (KeyError, TypeError, ValueError) as error:
        rows.faults.add(
            where, f"subject_id, object_id, category_id or hoi_category_id is missing or no number ({error})"
        )
        return
    if not all(0 <= index < len(boxes) for index in ends):
        rows.faults.add(where, f"box index {ends[0]} or {ends[1]} is out of range: the image has {len(boxes)} boxes")
        return
    try:
        human, thing = ([number(x) + shift for x in boxes[index]["bbox"]] for index in ends)
        category = whole_number(boxes[ends[1]]["category_id"])
    except (KeyError, TypeError, ValueError) as error:
        rows.faults.add(where, f"its box lacks bbox or category_id, or they are no numbers ({error})")
        return
    if category not in _OBJECT_OF:
        rows.faults.add(where, f"object category {category} is none of COCO's 80")
        return
    thing_id = _OBJECT_OF[category]
    hoi = stated if needed == "hoi_category_id" else HICO.of(verb, thing_id)
    if hoi is None:
        rows.faults.add(where, f"verb {verb + 1} and object category {category} are no class of HICO-DET")
    else:
        rows.pair(name, position, hoi, human, thing, verb_id=verb, object_id=thing_id)
