"""Columns of tables that others wrote, as numbers: a fraction, a boolean or a missing value never becomes a whole number.

    frame = columns.read(path, ["hoi_id", "score"])     a Parquet file, whatever pandas kept as its index
    columns.whole(frame, "hoi_id", str(path))           int64, one a row
    columns.numbers(frame, "score", str(path))          float64, one a row

Whole numbers may come as integers of any width, as floats, decimals, texts or categories, as long as every one is whole.
Errors are ValueErrors that name the table, the row (counted from 0), the column and the value.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.parsing import shown

_LEAST, _MOST = -(2**63), 2**63 - 1
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
MOST_ROWS = 50_000_000
"""The most rows of a foreign table: over 5,000 for each of HICO-DET's test images."""
_DIGITS = 400
"""The most letters of a text that may be a number."""


def read(path: Path, wanted: Iterable[str], *, repeated: Iterable[str] = ()) -> pd.DataFrame:
    """Read those of the wanted columns that a Parquet file (or a folder of parts) has, in the wanted order.

    Other columns are not read. Texts of the `repeated` columns become categories, which keep each of them once.
    A column that pandas kept as the table's index (`set_index`, `groupby`) is a column like the others.

    Raises DataError naming the file if it cannot be read, if a row has several values in one of these columns, if there are
    more rows or texts than are read, or if a folder has something that is no part of one table.
    """
    wanted, repeated = list(wanted), set(repeated)
    try:
        reading.demand_no_pipe(path)
        if path.is_dir():
            parts(path)
        dataset = pq.ParquetDataset(path)
        schema = dataset.schema
        there = [name for name in wanted if name in schema.names]
        _demand_bounded(dataset, there, path)
        demand_once([name for name in schema.names if name in there], path)
        _demand_plain(schema, there, path)
        table = pq.read_table(path, columns=there, read_dictionary=there)
        for place, name in enumerate(table.column_names):
            if name not in repeated:
                table = table.set_column(place, name, _unpacked(table[name], schema.field(name).type, path))
        frame = table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({reading.why(error)})") from error
    counted = {name: count for name, count in _counted(schema).items() if name in wanted and name not in frame}
    kept = {name: np.array(count, dtype=np.int64) for name, count in counted.items() if len(count) == len(table)}
    return frame.assign(**kept)[[name for name in wanted if name in frame or name in kept]] if kept else frame


def parts(folder: Path) -> list[Path]:
    """The Parquet files of a folder that is one table: its own, and those of folders that a column names, as `split=test`.

    What begins with a dot or an underscore is passed over, as pyarrow does. DataError for any other folder: what is in it may
    be another table.
    """
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in folders:
            if "=" not in name:
                raise DataError(
                    f"{folder}: {Path(here) / name} is no part of one table, as a folder split=test is; name a file, or a "
                    "folder with nothing but the parts of one"
                )
        found += [Path(here) / name for name in sorted(names) if name.endswith(".parquet") and name[0] not in "._"]
    return found


def demand_once(names: Iterable[str], path: Path) -> None:
    """DataError for a column that is in the file twice: nobody can tell which of them is meant."""
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{path}: the column {shown(name)} is there twice; leave one of them")


def _demand_plain(schema: pa.Schema, names: Iterable[str], path: Path) -> None:
    """DataError for a column of lists, which cannot be compared, sorted or counted, or of bytes, which nothing here is."""
    for name in names:
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind):
            raise DataError(
                f"{path}, row 0: {name} is of the type {str(kind)[:80]}, and one number or text a row is needed"
            )


def _demand_bounded(dataset: pq.ParquetDataset, names: Iterable[str], path: Path) -> None:
    """DataError for too many rows or texts: equal values are packed so well that a small file can hold any number of them."""
    parts = [part.metadata for part in dataset.fragments]
    if (rows := sum(part.num_rows for part in parts)) > MOST_ROWS:
        raise DataError(f"{path}: has {rows:,} rows, more than the {MOST_ROWS:,} that are read")
    wanted = set(names)
    groups = [part.row_group(number) for part in parts for number in range(part.num_row_groups)]
    found = [group.column(place) for group in groups for place in range(group.num_columns)]
    texts = [column for column in found if column.physical_type == "BYTE_ARRAY" and column.path_in_schema in wanted]
    _demand_small(sum(column.total_uncompressed_size for column in texts), path)


def _unpacked(column: pa.ChunkedArray, kind: pa.DataType, path: Path) -> pa.ChunkedArray:
    """A column that was read with each of its texts once, as its type says; DataError if that takes more than is read.

    One of categories stays as it was read, and may have as many rows as any.
    """
    if pa.types.is_dictionary(kind) or not pa.types.is_dictionary(column.type):
        return column
    if pa.types.is_string(column.type.value_type) or pa.types.is_binary(column.type.value_type):
        lengths = (pc.take(pc.binary_length(chunk.dictionary), chunk.indices) for chunk in column.chunks)
        _demand_small(sum(pc.sum(of_rows).as_py() or 0 for of_rows in lengths), path)
    return column.cast(column.type.value_type)


def _demand_small(size: int, path: Path) -> None:
    if size > reading.LARGEST_DATA:
        raise DataError(
            f"{path}: its texts unpack to more than {reading.LARGEST_DATA >> 20:,} MiB, the most that is read"
        )


def names(path: Path) -> list[str]:
    """The names of a Parquet file's columns; DataError naming the file if it cannot be read."""
    try:
        reading.demand_no_pipe(path)
        schema = pq.ParquetDataset(path).schema
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({reading.why(error)})") from error
    return [*schema.names, *(name for name in _counted(schema) if name not in schema.names)]


def _counted(schema: pa.Schema) -> dict[str, range]:
    """Index columns of consecutive numbers, of which pandas stores only the first and the last."""
    try:
        kept = (schema.pandas_metadata or {}).get("index_columns", ())
        ranges = [
            e for e in kept if isinstance(e, dict) and e.get("kind") == "range" and isinstance(e.get("name"), str)
        ]
        found = {e["name"]: range(e["start"], e["stop"], e["step"]) for e in ranges}
        return {name: count for name, count in found.items() if len(count) <= MOST_ROWS}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # metadata that others wrote
        return {}


def whole_number(value: Any) -> int:
    """A whole number within 64 bits, given as an integer, or as a float, decimal or text that is whole; else ValueError."""
    if type(value) is int and _LEAST <= value <= _MOST:
        return value  # nearly all are, and a real file has millions
    given, number = value, None
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        number = int(value)
    elif isinstance(value, str) and len(value) < _DIGITS and _DECIMAL.fullmatch(value.strip()):
        value = Decimal(value.strip())
    elif isinstance(value, float | np.floating) and math.isfinite(value):
        value = Decimal(float(value))
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and value.adjusted() < 20
        and value == value.to_integral_value()
    ):
        number = int(value)
    if number is None or not _LEAST <= number <= _MOST:
        raise ValueError(f"{shown(given)}, a whole number is needed")
    return number


def number(value: Any) -> float:
    """A number, given as such or as a text; nan and infinity are numbers here. ValueError for a boolean, or for no number."""
    if type(value) is float or (type(value) is int and _LEAST <= value <= _MOST):
        return float(value)
    given = value
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    try:
        if isinstance(value, str) and value.isascii() and "_" not in value:
            return float(value)
        if isinstance(value, int | float | Decimal | np.number) and not isinstance(value, bool):
            return float(value)  # a complex number is a TypeError
    except (ValueError, TypeError, OverflowError):
        pass
    raise ValueError(f"{shown(given)}, a number is needed")


def whole(frame: pd.DataFrame, column: str, where: str) -> NDArray[np.int64]:
    """A column's whole numbers.

    Args:
        where: the name of the table in errors.

    Raises ValueError for the first row whose value is no such number.
    """
    plain = _plain(frame[column])
    if plain is not None and (plain.dtype.kind == "i" or (plain.dtype.kind == "u" and plain.dtype.itemsize < 8)):
        return plain.astype(np.int64)
    if plain is not None and plain.dtype.kind == "f":
        numbers = plain.astype(np.float64)
        bad = ~(np.isfinite(numbers) & (numbers == np.round(numbers)) & (numbers >= _LEAST) & (numbers < float(_MOST)))
        if not bad.any():
            return numbers.astype(np.int64)
    return np.array(_each(frame[column], whole_number, column, where), dtype=np.int64)


def numbers(frame: pd.DataFrame, column: str, where: str, *, missing: bool = False) -> NDArray[np.float64]:
    """A column's numbers; nan and infinity are for the caller to judge.

    Args:
        where: the name of the table in errors.
        missing: whether a missing value (null) becomes nan; otherwise it is an error.

    Raises ValueError for the first row whose value is no number.
    """
    plain = _plain(frame[column])
    if plain is not None and plain.dtype.kind in "iuf":
        return plain.astype(np.float64)

    def read(value: Any) -> float:
        if missing and (value is None or value is pd.NA):
            return math.nan
        return number(value)

    return np.array(_each(frame[column], read, column, where), dtype=np.float64)


def booleans(frame: pd.DataFrame, column: str, where: str) -> NDArray[np.bool_]:
    """A column's booleans; ValueError for the first row whose value is neither true nor false, such as 1 or nothing."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{shown(value)}, true or false is needed")
        return bool(value)

    plain = _plain(frame[column])
    if plain is not None and plain.dtype.kind == "b":
        return plain.astype(np.bool_)
    return np.array(_each(frame[column], read, column, where), dtype=np.bool_)


def _plain(values: pd.Series[Any]) -> NDArray[Any] | None:
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else None


def _each(values: pd.Series[Any], read: Callable[[Any], Any], column: str, where: str) -> list[Any]:
    """Every value as `read` reads it; a repeated value is read once."""
    if isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype):
        codes, distinct = pd.factorize(values)
        known = [*_read(list(distinct), read), *_read([None], read)]
        found = [known[code] for code in codes]  # -1, where there is nothing, is the last
    else:
        found = _read(values.tolist(), read)
    for row, value in enumerate(found):
        if isinstance(value, ValueError):
            raise ValueError(f"{where} row {row}: {column} is {value}")
    return found


def _read(values: list[Any], read: Callable[[Any], Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        try:
            found.append(read(value))
        except ValueError as error:
            found.append(error)
    return found
