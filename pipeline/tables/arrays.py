"""Arrays in Parquet: one row an item, one fixed-size or ragged list column an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.outside import reading

LARGEST_PAGE = 1 << 30
"""Bytes of a page, more than any row has, so that a row group of one row has one page."""


def write(path: Path, columns: Mapping[str, Any], *, rows_a_group: int | None = None) -> None:
    """Write columns of equal length atomically (see `put`)."""
    with atomic(path) as temporary:
        put(temporary, columns, rows_a_group=rows_a_group)


def put(path: Path, columns: Mapping[str, Any], *, rows_a_group: int | None = None, read_once: bool = False) -> None:
    """Write columns of equal length to the temporary path of another file.

    With `rows_a_group`, for random access, row groups have so many rows and values are plain (no compression, no dictionary).
    With `read_once`, for a file that is joined with others and not kept, writing takes a quarter of the time.

    A 1-d array or a list becomes a plain column; an (n, ...) array a fixed-size list column (its trailing shape is kept
    in the schema's metadata); a list of (m_i, d) arrays a ragged column of lists of d-lists.
    """
    arrays, shapes = {}, {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim > 1:
            arrays[name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.reshape(-1)), int(np.prod(values.shape[1:]))
            )
            shapes[f"shape:{name}"] = ",".join(map(str, values.shape[1:]))
        elif isinstance(values, Sequence) and len(values) and isinstance(values[0], np.ndarray):
            arrays[name] = _ragged(values)
        else:
            arrays[name] = pa.array(values)
    table = pa.table(arrays).replace_schema_metadata(shapes)
    if read_once:
        pq.write_table(table, path, compression="lz4", use_dictionary=False, write_statistics=False)
    elif rows_a_group is None:
        pq.write_table(table, path, compression="zstd")
    else:
        pq.write_table(
            table,
            path,
            row_group_size=rows_a_group,
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            data_page_size=LARGEST_PAGE,
        )


def _ragged(rows: Sequence[np.ndarray]) -> pa.Array:
    width = rows[0].shape[1]
    inner = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(rows).reshape(-1)), width)
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), inner)


def read(path: Path, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Read the columns of a file that `write` made: arrays with their shape, or lists of arrays where they are ragged.

    Raises DataError naming the file if it cannot be read.
    """
    table = _table(path, columns)
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return {name: _column(table[name].combine_chunks(), metadata.get(f"shape:{name}")) for name in table.column_names}


def flat(path: Path, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The items of a column of lists of numbers, and the row of each; errors as in `read`."""
    lists = _table(path, [column])[column].combine_chunks()
    counts = lists.value_lengths().to_numpy(zero_copy_only=False)
    return lists.flatten().to_numpy(zero_copy_only=False), np.repeat(np.arange(len(lists)), counts)


def _table(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({reading.why(error)}). Run again: the stage recomputes it."
        ) from error


def _column(column: pa.Array, shape: str | None) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if shape is not None:
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(column), *map(int, shape.split(",")))
    if pa.types.is_list(column.type) and pa.types.is_fixed_size_list(column.type.value_type):
        width = column.type.value_type.list_size
        flat = column.values.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        offsets = column.offsets.to_numpy()
        return [flat[a:b] for a, b in pairwise(offsets)]
    if pa.types.is_list(column.type):
        return column.to_pylist()
    return column.to_numpy(zero_copy_only=False)
