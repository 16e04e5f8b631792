"""Which rows of a table with all splits are those of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import DataError
from pipeline.outside import columns
from pipeline.outside.parsing import shown


def of(frame: pd.DataFrame, split: str, path: Path) -> pd.DataFrame:
    """The rows of a split by their column `split`, in which "test" also means "test2015"; all rows without such a column.

    DataError naming the row whose split is no name, or if no split, or more than one, may be meant.
    """
    if "split" not in frame:
        return frame
    codes, distinct = pd.factorize(frame["split"])
    texts = [_name(value) for value in distinct]
    if None in texts:
        row = int((codes == texts.index(None)).argmax())
        raise DataError(f"{path} row {row}: split is {shown(frame['split'].iloc[row])}; a text such as test is needed")
    found = sorted({text for text in texts if text is not None})
    meant = [split] if split in found else [name for name in found if name.startswith(split)]
    if not meant and len(frame):
        raise DataError(f"{path}: no row of split {shown(split)}; splits are {', '.join(found)}")
    if len(meant) > 1:
        raise DataError(
            f"{path}: {', '.join(meant)} may each be the split {shown(split)}; keep the rows of one of them"
        )
    mine = [code for code, name in enumerate(texts) if name in meant]
    return frame[np.isin(codes, mine)]  # rows without a split are of none


def _name(value: object) -> str | None:
    """The name of a split that is a text, or the number of a fold; None if it is neither."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, str):
        return value
    try:
        return str(columns.whole_number(value))
    except ValueError:
        return None
