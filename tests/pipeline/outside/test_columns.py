"""Whole numbers and numbers of foreign tables: what is read, what is refused, and that the row is named."""

import decimal
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.outside import columns, reading

INTS = st.integers(-(2**63), 2**63 - 1)


def whole(values: Any, dtype: Any = None) -> list[int]:
    return columns.whole(pd.DataFrame({"n": pd.Series(values, dtype=dtype)}), "n", "t").tolist()


@given(st.lists(INTS, min_size=1, max_size=5))
def test_whole_numbers_are_read_whatever_they_are_written_as(values: list[int]) -> None:
    assert whole(values, "int64") == whole(values, "Int64") == whole(values, object) == values
    with decimal.localcontext(prec=30):
        assert whole([Decimal(v) for v in values]) == values
        assert whole([f" {v}.00\n" for v in values]) == values
    assert whole([str(v) for v in values]) == whole([str(v) for v in values], "category") == values
    assert whole([str(v).encode() for v in values]) == values


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=5))
def test_whole_floats_are_read(values: list[int]) -> None:
    assert whole([float(v) for v in values]) == whole([float(v) for v in values], "Float64") == values
    assert whole([float(v) for v in values], object) == whole([float(v) for v in values], "category") == values


def test_narrow_types_are_read() -> None:
    assert whole([3, 255], "uint8") == whole([3, 255], "float16") == whole([3, 255], "uint64") == [3, 255]
    assert whole([1.5e2, 2], "float32") == [150, 2] and whole(["1e2"]) == [100] and whole([], "float64") == []


NO_WHOLE = [
    *(
        True,
        False,
        None,
        pd.NA,
        math.nan,
        math.inf,
        -math.inf,
        0.5,
        1.7,
        -2.25,
        1e19,
        -1e30,
        2**63,
        -(2**63) - 1,
        10**5000,
    ),
    *("", " ", "1.5", "one", "1_000", "0x10", "nan", "inf", "1e999", "1e-1", "١", "1 2", "9" * 5000),
    *(Decimal("0.5"), Decimal("nan"), Decimal("1e30"), [1], {}, b"x", 1j, pd.Timestamp(0), Fraction(1, 2)),
]


@pytest.mark.parametrize("value", NO_WHOLE, ids=lambda v: repr(v)[:20] if not isinstance(v, int) else f"{v % 97}")
def test_what_is_no_whole_number_is_named_with_its_row(value: Any) -> None:
    for rows in (pd.Series([7, value], dtype=object), pd.Series(["7", value], dtype=object)):
        with pytest.raises(ValueError, match=r"^t row 1: n is .*, a whole number is needed$") as caught:
            columns.whole(pd.DataFrame({"n": rows}), "n", "t")
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, True], "bool"),
        ([None, True], "boolean"),
        ([None, 3], "Int64"),
        ([0.5, 1], "float64"),
        ([0.5, 1], "Float64"),
        ([math.nan, 1], "float32"),
        ([2**63, 1], "uint64"),
        (["1.5", "1"], "category"),
        ([True, 1], "category"),
        ([None, "1"], "category"),
        ([None, "1"], "string"),
    ],
)
def test_typed_columns_are_no_door_for_other_values(values: list[Any], dtype: str) -> None:
    with pytest.raises(ValueError, match=r"^t row 0: n is .*, a whole number is needed$"):
        whole(values, dtype)


@given(st.lists(st.floats() | st.integers(-(10**6), 10**6), max_size=5))
def test_numbers_are_read_whatever_they_are_written_as(values: list[float]) -> None:
    wanted = [float(v) for v in values]
    for dtype in ("float64", "Float64", object, "category"):
        found = columns.numbers(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}), "x", "t", missing=True)
        np.testing.assert_array_equal(found, wanted)
    texts = pd.DataFrame({"x": pd.Series([repr(v) for v in values], dtype=object)})
    np.testing.assert_array_equal(columns.numbers(texts, "x", "t"), wanted)


def test_nothing_is_a_number_only_where_it_may_be_missing() -> None:
    for dtype in ("Float64", object):
        frame = pd.DataFrame({"x": pd.Series([1, None], dtype=dtype)})
        assert columns.numbers(frame, "x", "t", missing=True).tolist()[0] == 1
        with pytest.raises(ValueError, match=r"^t row 1: x is .*, a number is needed$"):
            columns.numbers(frame, "x", "t")
    for value in ("high", [1], "1_0", "", 1j, {}):
        with pytest.raises(ValueError, match=r"row 0: x is .*, a number is needed"):
            columns.numbers(pd.DataFrame({"x": pd.Series([value], dtype=object)}), "x", "t", missing=True)


def test_a_column_kept_as_index_is_read_and_others_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"name": ["a", "b"], "n": [1, 2], "m": [3, 4]})
    for index in ("name", "n", ["name", "n"], ["n", "name", "m"]):
        frame.set_index(index).to_parquet(path)
        found = columns.read(path, ["name", "absent", "n"])
        assert found.columns.tolist() == ["name", "n"] and found.to_numpy().tolist() == [["a", 1], ["b", 2]]
    frame.iloc[::-1].to_parquet(path)
    assert columns.read(path, ["n"])["n"].tolist() == [2, 1]
    far = pa.array([10**12, None], pa.timestamp("s"))
    pq.write_table(pa.table({"n": [1, 2], "far": far, "list": [[1.0], []]}), path)
    assert columns.read(path, ["n"]).to_dict("list") == {"n": [1, 2]}
    path.write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as Parquet"):
        columns.read(path, ["n"])
    with pytest.raises(DataError, match=r"absent\.parquet: cannot be read"):
        columns.read(tmp_path / "absent.parquet", ["n"])


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Arrow would say that there is none, or take the last; one that nobody reads does not count."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([[1], [2], [3], [4]], names=["n", "m", "m", "score"]), path)
    assert columns.read(path, ["n", "score"]).to_dict("list") == {"n": [1], "score": [4]}
    with pytest.raises(DataError, match=r"t\.parquet: the column 'm' is there twice"):
        columns.read(path, ["n", "m"])


def test_rows_without_end_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few megabytes can hold some hundred million equal rows."""
    monkeypatch.setattr(columns, "MOST_ROWS", 1000)
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": [7] * 1001}).to_parquet(path)
    with pytest.raises(DataError, match=r"t\.parquet: has 1,001 rows, more than the 1,000 that are read"):
        columns.read(path, ["n"])
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in "ab":
        pd.DataFrame({"n": [7] * 501}).to_parquet(folder / f"{part}.parquet")
    with pytest.raises(DataError, match="has 1,002 rows"):
        columns.read(folder, ["n"])
    pd.DataFrame({"n": [7] * 1000}).to_parquet(path)
    assert len(columns.read(path, ["n"])) == 1000


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_texts_without_end_are_refused_before_they_are_unpacked(
    compression: str, dictionary: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file holds a long text once, or packs equal ones to nothing, however many rows have it."""
    monkeypatch.setattr(reading, "LARGEST_DATA", 4 << 20)
    path = tmp_path / "t.parquet"
    for rows in (3, 6):  # of a megabyte each, in row groups of two
        table = pa.table({"text": ["x" * (1 << 20)] * rows, "n": range(rows)})
        pq.write_table(
            table, path, row_group_size=2, compression=compression, use_dictionary=dictionary, write_statistics=False
        )
        if rows == 3:
            assert columns.read(path, ["text"])["text"].str.len().tolist() == [1 << 20] * 3
    with pytest.raises(DataError, match=r"t\.parquet: its texts unpack to more than 4 MiB"):
        columns.read(path, ["n", "text"])
    assert columns.read(path, ["n"])["n"].tolist() == list(range(6))


def test_categories_are_not_unpacked_and_so_have_as_many_rows_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_DATA", 4 << 20)
    texts = pa.array(["x" * (1 << 20)] * 6).dictionary_encode()
    pq.write_table(pa.table({"text": texts}), path := tmp_path / "t.parquet")
    found = columns.read(path, ["text"])["text"]
    assert isinstance(found.dtype, pd.CategoricalDtype) and len(found) == 6 and len(found.cat.categories) == 1


def test_bytes_of_a_fixed_length_are_refused(tmp_path: Path) -> None:
    """A small file can hold any number of equal ones."""
    pq.write_table(pa.table({"n": pa.array([b"x" * 999] * 3, pa.binary(999))}), tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r"row 0: n is of the type fixed_size_binary\[999\], and one number or text a row"
    ):
        columns.read(tmp_path / "t.parquet", ["n"])


def test_texts_are_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string()))
    for kind in kinds:
        column = pa.array([b"b", None, b"a", b"b"] if kind == pa.binary() else ["b", None, "a", "b"], kind)
        pq.write_table(pa.table({"text": column}), path, row_group_size=2)
        found = columns.read(path, ["text"])["text"]
        plain = pq.read_table(path).to_pandas(ignore_metadata=True)["text"]
        assert found.dtype == plain.dtype and found.isna().tolist() == [False, True, False, False]
        assert found.dropna().tolist() == plain.dropna().tolist()


def test_a_counted_index_without_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    kept = {"index_columns": [{"kind": "range", "name": "i", "start": 0, "stop": 10**30, "step": 1}]}
    pq.write_table(pa.table({"n": [1]}).replace_schema_metadata({"pandas": json.dumps(kept)}), path)
    assert columns.read(path, ["i", "n"]).to_dict("list") == {"n": [1]}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([True, False], "bool"), ([True, 1.0], object), ([True, None], "boolean"), ([True], "category")],
)
def test_a_truth_is_no_number(values: list[Any], dtype: Any) -> None:
    """A column of scores that are true or false would rank nothing."""
    with pytest.raises(ValueError, match=r"^t row 0: x is True, a number is needed$"):
        columns.numbers(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}), "x", "t", missing=True)


def test_a_number_is_no_truth() -> None:
    for dtype in ("bool", "boolean", object, "category"):
        frame = pd.DataFrame({"x": pd.Series([True, False], dtype=dtype)})
        found = columns.booleans(frame, "x", "t")
        assert found.dtype == np.bool_ and found.tolist() == [True, False]
    for value in (1, 0.0, "true", None, math.nan):
        with pytest.raises(ValueError, match=r"^t row 1: x is .*, true or false is needed$"):
            columns.booleans(pd.DataFrame({"x": pd.Series([True, value], dtype=object)}), "x", "t")
