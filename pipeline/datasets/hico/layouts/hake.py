"""HAKE's instance-level JSON (`hico-det-training-set-instance-level.json`), training images with part states.

    {file name: {labels: [{human_bbox, object_bbox, hoi_id, width, height, ...}], path_prefix, dataset}}

Class ids are 1-based. An image without labels has no size. Part states are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.datasets.hico.rows import Rows
from pipeline.outside.parsing import shown

_KEYS = {"human_bbox", "object_bbox", "hoi_id"}


def matches(value: Any) -> bool:
    """Whether parsed JSON has this layout."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(x, dict) and isinstance(x.get("labels"), list) for x in value.values())
    )


def read(value: dict[str, Any], path: Path) -> Rows:
    """The rows; the size of an image is that of its first label."""
    rows = Rows(path, "hake")
    for name, entry in value.items():
        labels = entry["labels"]
        first = labels[0] if labels and isinstance(labels[0], dict) else {}
        if not rows.image(name, first.get("width", 0), first.get("height", 0)):
            continue
        for position, label in enumerate(labels):
            if not isinstance(label, dict) or not label.keys() >= _KEYS:
                rows.faults.add(f"{name}, pair {position}", f"needs the keys {', '.join(sorted(_KEYS))}")
            elif (label.get("width", first.get("width")), label.get("height", first.get("height"))) != (
                first.get("width"),
                first.get("height"),
            ):
                rows.faults.add(f"{name}, pair {position}", "the image's size differs from that of its first pair")
            elif not isinstance(label["hoi_id"], int) or isinstance(label["hoi_id"], bool):
                rows.faults.add(f"{name}, pair {position}", f"hoi_id {shown(label['hoi_id'])} is not a whole number")
            else:
                rows.pair(name, position, label["hoi_id"] - 1, label["human_bbox"], label["object_bbox"])
    return rows
