"""Rows of CSV files: each with its line, and no cell lost in silence."""

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.outside import csv_rows


def written(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text)
    return path


def test_each_row_has_its_line_and_blank_lines_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, '\n\na,b\n\n1,"two\nlines"\n3,\n')
    assert csv_rows.read(path) == [(6, {"a": "1", "b": "two\nlines"}), (7, {"a": "3", "b": ""})]


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    """A spreadsheet leaves some between others, and at the end up to its widest row."""
    ((line, row),) = csv_rows.read(written(tmp_path, "a,,,b,,\n1,x,y,2,,\n"))
    assert (line, row["a"], row["b"]) == (2, "1", "2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b,a\n1,2,3\n", "t.csv: the column 'a' is there twice"),
        ("a,b\n1,2\n1,2,3\n", r"t.csv, line 3: 3 cells, but 2 columns\. Put a text that has commas in quotes"),
    ],
    ids=["twice", "comma"],
)
def test_what_would_be_lost_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        csv_rows.read(written(tmp_path, text))
