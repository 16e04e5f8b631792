"""Texts in tables: CSV, JSON and Parquet, read and written.

A row names its class in one of three ways, and for disparities what it is compared with in the same way:

    class (or name)            ride horse             other (or seen)
    hoi_id                     160                    other_hoi_id (or seen_hoi_id)
    verb and object            ride, horse            other_verb and other_object

Its text is in the column `text`. JSON is a list of such rows, or a mapping {"ride horse": "text"}. In a CSV file a cell that
a spreadsheet would take for a formula begins with ', which is not part of the text.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.outside import columns, csv_rows, parsing, reading
from pipeline.outside.columns import whole_number
from pipeline.outside.escaping import from_cell, to_cell
from pipeline.outside.parsing import shown
from pipeline.texts.given.rows import Row
from pipeline.vocabulary.vocabulary import Vocabulary

log = logging.getLogger("ezhoi.given")

COLUMNS = "class (or hoi_id, or verb and object) and text"
"""The columns that a table needs, in words."""
CLASS = (("class", "name"), ("hoi_id",), ("verb", "object"))
"""Columns that say what a text is about: by name, by number, by parts."""
OTHER = (("other", "seen"), ("other_hoi_id", "seen_hoi_id"), ("other_verb", "other_object"))
"""Columns that say what a class is compared with."""
KNOWN = {"text", *(column for names in (*CLASS, *OTHER) for column in names)}
"""The columns that are read."""
FOREIGN = -1
"""Stands for a class that the vocabulary lacks, though it has its verb and its object."""


def read(path: Path, vocabulary: Vocabulary) -> list[Row]:
    """The rows of a table; DataError naming the file, the row and what is wrong.

    A row about a verb and an object that the vocabulary has, but not as a class, is left out and logged
    (`Vocabulary.may_be_elsewhere`).
    """
    found: list[Row] = []
    foreign: list[str] = []
    for place, entry in READERS[path.suffix.lower()](path):
        origin = f"{path.name}, {place}"
        hoi_id = _class(entry, origin, vocabulary, *CLASS)
        if hoi_id is None or "text" not in entry:
            raise DataError(f"{origin}: expected the columns {COLUMNS}; found {', '.join(map(str, entry))[:200]}")
        other = _class(entry, origin, vocabulary, *OTHER)
        text = entry["text"]
        if not isinstance(text, str):
            raise DataError(f"{origin}: the text is {repr(text)[:80]}; expected a text")
        if FOREIGN in (hoi_id, other):
            foreign.append(_named(entry))
            continue
        found.append(Row(hoi_id=hoi_id, other_id=other, text=" ".join(text.split()), origin=origin))
    say_foreign(foreign, vocabulary)
    return found


def say_foreign(names: Sequence[str], vocabulary: Vocabulary) -> None:
    """Log that some texts are of classes that the dataset does not have."""
    if names:
        some = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        log.warning(
            "%s does not have %d of the classes that texts are given for, and they are left out: %s",
            vocabulary.name, len(names), some,
        )  # fmt: skip


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of equal keys as CSV, JSON or Parquet, by the file's ending; DataError for another ending."""
    kind = path.suffix.lower()
    if kind not in (".csv", ".json", ".parquet"):
        raise DataError(f"{path}: no format ends in {shown(kind)}; valid: {', '.join(READERS)} and .txt")
    with atomic(path) as temporary:
        if kind == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["class", "text"])
                writer.writeheader()
                for row in rows:
                    writer.writerow(
                        {key: to_cell(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
                    )
        elif kind == ".json":
            temporary.write_text(json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), temporary)


def _class(
    entry: Mapping[str, Any],
    origin: str,
    vocabulary: Vocabulary,
    names: Sequence[str],
    numbers: Sequence[str],
    parts: Sequence[str],
) -> int | None:
    """The class of a row by its name, its number or its parts, which have to agree.

    `FOREIGN` where it is no class of the vocabulary but could be one, None where the row has no such column.
    """
    found: dict[str, int] = {}
    for key in numbers:
        if entry.get(key) not in (None, ""):
            found[f"{key} {entry[key]}"] = _number(entry[key], f"{origin}, {key}", vocabulary)
    if name := next((str(entry[key]) for key in names if entry.get(key)), ""):
        found[parsing.shown(name)] = _called(name, origin, vocabulary)
    if all(entry.get(key) for key in parts):
        name = " ".join(str(entry[key]) for key in parts)
        found[f"{' and '.join(parts)} {parsing.shown(name)}"] = _called(name, origin, vocabulary)
    if len(set(found.values())) > 1:
        raise DataError(
            f"{origin}: {', '.join(found)} are not one class of {vocabulary.name}: was the table made for other classes? "
            "Leave one of these columns out"
        )
    return next(iter(found.values()), None)


def _called(name: str, origin: str, vocabulary: Vocabulary) -> int:
    try:
        return vocabulary.find(name).hoi_id
    except ValueError as error:
        if vocabulary.may_be_elsewhere(name):
            return FOREIGN
        raise DataError(f"{origin}: {error}") from None


def _named(entry: Mapping[str, Any]) -> str:
    """The class of a row in the row's own words."""
    return next((str(entry[key]) for keys in CLASS for key in keys if entry.get(key)), "?")


def _number(value: Any, where: str, vocabulary: Vocabulary) -> int:
    try:
        number = whole_number(value)
    except ValueError:
        number = -1
    if not 0 <= number < len(vocabulary.object_of):
        raise DataError(
            f"{where}: {parsing.shown(value)} is no class of {vocabulary.name}; they are numbered from {vocabulary.span}"
        )
    return number if number in vocabulary.ids else FOREIGN


def _csv(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    rows = csv_rows.read(path)
    return [(f"line {line}", {name: from_cell(cell) for name, cell in row.items()}) for line, row in rows]


def _json(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    value = reading.json_value(path)
    if isinstance(value, dict):
        value = [{"class": key, "text": text} for key, text in value.items()]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise DataError(f"{path}: expected a list of rows with {COLUMNS}, or a mapping of class names to texts")
    return [(f"row {number}", row) for number, row in enumerate(value, start=1)]


def _parquet(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows, a few at a time, as a small file may unpack to a large one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[Mapping[str, Any]] = []
    size = 0
    try:
        reading.demand_no_pipe(path)
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > reading.MOST_ROWS:
                raise DataError(f"{path}: has {file.metadata.num_rows:,} rows; a file of texts has few")
            names = [name for name in file.schema_arrow.names if name in KNOWN]
            columns.demand_once(names, path)
            for batch in file.iter_batches(batch_size=64, columns=names):
                size += batch.nbytes
                if size > reading.LARGEST_FILE:
                    raise DataError(
                        f"{path}: unpacks to more than {reading.LARGEST_FILE >> 20} MiB, the most that is read"
                    )
                rows += batch.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {reading.why(error)}") from None
    return [(f"row {number}", row) for number, row in enumerate(rows, start=1)]


READERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
"""Readers by a file's ending."""
