"""Arrays come back from Parquet as they went in."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import DataError
from pipeline.tables import arrays

FILES = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@FILES
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 3)),
        elements=st.floats(-9, 9, width=32),
    )
)
def test_shapes_survive(tmp_path: Path, block: np.ndarray) -> None:
    columns = {"id": list(range(len(block))), "block": block, "half": block.astype(np.float16)}
    arrays.write(tmp_path / "a.parquet", columns)
    arrays.put(tmp_path / "once.parquet", columns, read_once=True)
    for name in ("a.parquet", "once.parquet"):
        found = arrays.read(tmp_path / name)
        np.testing.assert_array_equal(found["block"], block)
        np.testing.assert_array_equal(found["half"], block.astype(np.float16))


@FILES
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_ragged_rows_survive(tmp_path: Path, lengths: list[int]) -> None:
    rows = [np.arange(n * 3, dtype=np.float32).reshape(n, 3) for n in lengths]
    arrays.write(tmp_path / "a.parquet", {"rows": rows})
    for before, after in zip(rows, arrays.read(tmp_path / "a.parquet")["rows"], strict=True):
        np.testing.assert_array_equal(before, after)


def test_lists_of_ids_survive(tmp_path: Path) -> None:
    arrays.write(tmp_path / "a.parquet", {"hois": [[1, 2], [], [3]]})
    assert arrays.read(tmp_path / "a.parquet")["hois"] == [[1, 2], [], [3]]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read"):
        arrays.read(path)
