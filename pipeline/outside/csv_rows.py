"""Rows of a CSV file that somebody wrote: no cell is lost in silence, by a column that is there twice or by a comma."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pipeline.errors import DataError
from pipeline.outside import columns, reading


def read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows below the line of column names, each with the number of its line. A blank line is no row.

    Raises:
        DataError: naming the file, if it is no CSV, a column is there twice, or a row has more cells than there are columns.
    """
    csv.field_size_limit(reading.LARGEST_FILE)
    reader = csv.reader(io.StringIO(reading.text(path), newline=""))
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        head = next((cells for cells in reader if any(cells)), [])
        while head and not head[-1]:  # a spreadsheet writes empty cells up to its widest row
            head.pop()
        columns.demand_once(filter(None, head), path)
        for cells in reader:
            if any(cells[len(head) :]):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, but {len(head)} columns. "
                    'Put a text that has commas in quotes ("...").'
                )
            if cells:
                rows.append((reader.line_num, dict(zip(head, cells, strict=False))))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read as CSV: {error}") from None
    return rows
