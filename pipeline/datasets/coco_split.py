"""Which of COCO's images a detector trained on train2017 has not learned: those of val2017.

COCO's 2017 splits have the pictures of 2014 under the same ids: train2017 is train2014 and val2014 without val2017. A picture
is known as COCO's by its file's name; in 2017 that is the id alone, so its folder has to be named train2017 or val2017 too.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.errors import DataError
from pipeline.outside import json_rows, reading
from pipeline.outside.parsing import shown

FILE = r"(?:^|/)(?:COCO_(?:train|val)2014_|(?:train|val)2017/)([0-9]{12})\.jpg$"
"""A path of one of COCO's images, with its id: `COCO_val2014_000000000139.jpg` or `val2017/000000000139.jpg`."""


def tested(files: pd.Series, val2017: Path | None) -> dict[str, int]:
    """How many test images are COCO's by their names, and, where val2017 is known, how many of these are in train2017.

    Args:
        files: the test images' files.
        val2017: a file with the ids of val2017 (`ids`).
    """
    found = files.str.extract(FILE, expand=False).dropna().astype("int64")
    counts = {"of_coco": len(found)}
    return counts if val2017 is None else counts | {"of_train2017": int((~found.isin(ids(val2017))).sum())}


def ids(path: Path) -> frozenset[int]:
    """The image ids of COCO's `instances_val2017.json`, or of a text file with one a line.

    Raises:
        DataError: it cannot be read, or an entry is no id.
    """
    if path.name.lower().endswith((".json", ".json.gz")):
        value = reading.json_value(path, largest=reading.LARGEST_DATA)
        if not isinstance(value, dict) or "images" not in value:
            raise DataError(f"{path}: has no images; expected COCO's instances_val2017.json")
        written = [row.get("id") for row in json_rows.rows(value, "images", str(path))]
        places = [f"images, entry {place}" for place in range(1, len(written) + 1)]
    else:
        lines = [line.strip() for line in reading.text(path).splitlines()]
        places = [f"line {place}" for place, line in enumerate(lines, start=1) if line]
        written = [int(line) if line.isdecimal() and len(line) < 19 else line for line in lines if line]
    found = json_rows.ids(written)
    for place, number in enumerate(found.tolist()):
        if number == json_rows.NONE:
            raise DataError(
                f"{path}: {places[place]} is {shown(written[place])}; expected an image's id, a whole number"
            )
    if not len(found):
        raise DataError(f"{path}: has no image; expected COCO's instances_val2017.json, or its images' ids, one a line")
    return frozenset(found.tolist())
