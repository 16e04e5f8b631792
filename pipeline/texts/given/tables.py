"""Texts in tables: CSV, JSON and Parquet, read and written.

A row names its class in one of three ways, and for disparities what it is compared with in the same way:

    class (or name)            ride horse             other (or seen)
    hoi_id                     160                    other_hoi_id (or seen_hoi_id)
    verb and object            ride, horse            other_verb and other_object

Its text is in the column `text`. JSON is a list of such rows, or a mapping {"ride horse": "text"}.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets.hico import vocabulary
from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.texts.given.rows import Row

COLUMNS = "class (or hoi_id, or verb and object) and text"


def read(path: Path) -> list[Row]:
    """The rows of a table; DataError naming the file, the row and what is wrong."""
    found = []
    for place, entry in READERS[path.suffix.lower()](path):
        origin = f"{path.name}, {place}"
        hoi_id = _class(entry, origin, ("class", "name"), ("hoi_id",), ("verb", "object"))
        if hoi_id is None or "text" not in entry:
            raise DataError(f"{origin}: expected the columns {COLUMNS}; found {', '.join(map(str, entry))}")
        other = _class(
            entry, origin, ("other", "seen"), ("other_hoi_id", "seen_hoi_id"), ("other_verb", "other_object")
        )
        text = entry["text"]
        if not isinstance(text, str):
            raise DataError(f"{origin}: the text is {text!r}; expected a text")
        found.append(Row(hoi_id=hoi_id, other_id=other, text=" ".join(text.split()), origin=origin))
    return found


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of equal keys as CSV, JSON or Parquet, by the file's ending; DataError for another ending."""
    kind = path.suffix.lower()
    if kind not in (".csv", ".json", ".parquet"):
        raise DataError(f"{path}: no format ends in {kind!r}; valid: {', '.join(READERS)} and .txt")
    with atomic(path) as temporary:
        if kind == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["class", "text"])
                writer.writeheader()
                writer.writerows(rows)
        elif kind == ".json":
            temporary.write_text(json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), temporary)


def _class(
    entry: Mapping[str, Any], origin: str, names: Sequence[str], numbers: Sequence[str], parts: Sequence[str]
) -> int | None:
    """The class of a row by its name, its number or its parts; None where the row has no such column."""
    for key in numbers:
        if entry.get(key) not in (None, ""):
            return _number(entry[key], f"{origin}, {key}")
    name = next((str(entry[key]) for key in names if entry.get(key)), None)
    if name is None and all(entry.get(key) for key in parts):
        name = " ".join(str(entry[key]) for key in parts)
    if name is None:
        return None
    try:
        return vocabulary.find(name).hoi_id
    except ValueError as error:
        raise DataError(f"{origin}: {error}") from None


def _number(value: Any, where: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < len(vocabulary.hoi_classes()):
        raise DataError(f"{where}: {value!r} is no HICO-DET class; they are numbered from 0 to 599")
    return number


def _csv(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return [(f"line {reader.line_num}", row) for row in reader]


def _json(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from None
    if isinstance(value, dict):
        value = [{"class": key, "text": text} for key, text in value.items()]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise DataError(f"{path}: expected a list of rows with {COLUMNS}, or a mapping of class names to texts")
    return [(f"row {number}", row) for number, row in enumerate(value, start=1)]


def _parquet(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    return [(f"row {number}", row) for number, row in enumerate(rows, start=1)]


READERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
"""By a file's ending."""
