"""What a manifest shows of a table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.store import preview

ROWS = {
    "number": [1.23456789, None],
    "few": [[1, 2], []],
    "many": [[0.5, 1.25, 2.0, 3.0], None],
    "nested": [[["a"], None, ["b", "c", "d", "e"], []], [[]]],
    "bytes": [b"12345", b""],
    "struct": [{"a": 1}, None],
    "text": ["x" * 200, "y"],
    "truth": [True, False],
}


def test_values_are_shortened(tmp_path: Path) -> None:
    pq.write_table(pa.table(ROWS), tmp_path / "t.parquet")
    first, second = preview.head(tmp_path / "t.parquet") or ()
    assert first == {
        "number": "1.235",
        "few": "[1, 2]",
        "many": "[0.5, 1.25, 2, … 4 in all]",
        "nested": "[[a], None, [b, c, d, … 4 in all], … 4 in all]",
        "bytes": "<5 bytes>",
        "struct": "{'a': 1}",
        "text": "x" * 157 + "…",
        "truth": "True",
    }
    assert second["many"] == second["number"] == "None" and second["few"] == "[]"


def test_of_a_wide_column_only_what_is_shown_becomes_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = pa.FixedSizeListArray.from_arrays(pa.array(range(8_000), pa.float32()), 1_000)
    pq.write_table(pa.table({"wide": wide}), tmp_path / "t.parquet")
    made: list[object] = []
    shorten = preview.short
    monkeypatch.setattr(preview, "short", lambda value: made.append(value) or shorten(value))
    rows = preview.head(tmp_path / "t.parquet") or ()
    assert [row["wide"] for row in rows][:2] == ["[0, 1, 2, … 1000 in all]", "[1000, 1001, 1002, … 1000 in all]"]
    assert len(made) == preview.ROWS * preview.ITEMS


def test_an_empty_table_has_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.parquet")
    assert preview.head(tmp_path / "t.parquet") is None
