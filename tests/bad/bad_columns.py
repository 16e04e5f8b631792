"""Columns of every type that Parquet has, of which few are what a table needs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa

ROWS = 3
"""How many rows a column has."""
COLUMNS: dict[str, pa.Array] = {
    "nothing": pa.nulls(ROWS),
    "booleans": pa.array([True, False, None]),
    "dates": pa.array([dt.date(2020, 1, 1)] * ROWS),
    "moments": pa.array([dt.datetime(2020, 1, 1)] * ROWS),
    "moments of a zone": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * ROWS),
    "durations": pa.array([dt.timedelta(days=1)] * ROWS),
    "times": pa.array([dt.time(1)] * ROWS),
    "decimals": pa.array([Decimal("1.5")] * ROWS),
    "long decimals": pa.array([Decimal(10) ** 37] * ROWS),
    "more than 63 bits": pa.array([2**64 - 1] * ROWS, pa.uint64()),
    "16 bits": pa.array(np.array([1, 2, 3], np.float16)),
    "nan": pa.array([float("nan")] * ROWS),
    "infinite": pa.array([float("inf")] * ROWS),
    "huge": pa.array([1e308] * ROWS),
    "texts and nothing": pa.array(["a", "b", None]),
    "long texts": pa.array(["x"] * ROWS, pa.large_string()),
    "bytes": pa.array([b"\xff\xfe"] * ROWS),
    "categories": pa.array(["1", "2", "1"]).dictionary_encode(),
    "categories of numbers": pa.array([1, 2, 1]).dictionary_encode(),
    "lists": pa.array([[1]] * ROWS),
    "structures": pa.array([{"a": 1}] * ROWS),
    "below 0": pa.array([-1] * ROWS),
    "large numbers": pa.array([2**62] * ROWS),
}
