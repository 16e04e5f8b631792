"""Reading predictions and annotations from data frames, with errors that name the row and the class."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics.matching import Pairs
from pipeline.outside import columns
from pipeline.tables.boxes import Floats

HUMAN_BOX = ("hx1", "hy1", "hx2", "hy2")
OBJECT_BOX = ("ox1", "oy1", "ox2", "oy2")


def class_ids(classes: Sequence[int]) -> NDArray[np.int64]:
    """The classes to evaluate, as given.

    Raises:
        ValueError: there is no class, or one comes twice.
    """
    ids = np.asarray(list(classes), dtype=np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if len(ids) == 0 or (counts > 1).any():
        fault = f"class {values[counts > 1][0]} comes twice" if len(ids) else "none given"
        raise ValueError(f"classes to evaluate: {fault}; give every hoi_id once")
    return ids


def read_pairs(frame: pd.DataFrame, classes: NDArray[np.int64], *, table: str) -> Pairs:
    """The pairs of a table with ``image_id``, ``hoi_id`` and the eight box columns.

    Arguments:
        frame: the table; other columns are ignored.
        classes: the ``hoi_id`` that may occur.
        table: the name of the table in error messages.

    Raises:
        ValueError: a column is missing or not of whole numbers, a class is unknown, or a box is not finite or has
            x2 < x1 or y2 < y1. A box without area is taken; it overlaps nothing.
    """
    missing = [column for column in ("image_id", "hoi_id", *HUMAN_BOX, *OBJECT_BOX) if column not in frame]
    if missing:
        raise ValueError(f"{table}: no column {', '.join(missing)}; columns are {', '.join(map(str, frame.columns))}")
    hoi = columns.whole(frame, "hoi_id", table)
    known = f"known are {len(classes)} classes from {classes.min()} to {classes.max()}"
    _refuse(~np.isin(hoi, classes), hoi, table, lambda row: f"unknown class, {known}")
    human = _boxes(frame, HUMAN_BOX, hoi, table, "human")
    thing = _boxes(frame, OBJECT_BOX, hoi, table, "object")
    return Pairs(image=columns.whole(frame, "image_id", table), hoi=hoi, human=human, object=thing)


def read_scores(frame: pd.DataFrame, pairs: Pairs, *, table: str) -> Floats:
    """``[n]`` scores of the pairs that :func:`read_pairs` found.

    Raises:
        ValueError: the column is missing, or a score is nan or infinite.
    """
    if "score" not in frame:
        raise ValueError(f"{table}: no column score; columns are {', '.join(map(str, frame.columns))}")
    scores = columns.numbers(frame, "score", table, missing=True)
    _refuse(~np.isfinite(scores), pairs.hoi, table, lambda row: f"score is {scores[row]}")
    return scores


def repeated(pairs: Pairs, *others: Floats) -> int:
    """How many pairs repeat another one exactly, in `others` too, which have a value a pair each."""
    # A hash a row: sorting whole rows would take longer than the evaluation.
    mixed = np.zeros(len(pairs), dtype=np.uint64)
    for place, column in enumerate((pairs.image, pairs.hoi, *pairs.human.T, *pairs.object.T, *others)):
        values = np.ascontiguousarray(column, dtype=np.float64).view(np.uint64)
        mixed += pd.util.hash_array(values) * np.uint64(2 * place + 1)
    mixed.sort()  # numpy's `unique` keeps a table of hashes of all rows, at twenty times the cost
    return int((mixed[1:] == mixed[:-1]).sum())


def _boxes(frame: pd.DataFrame, corners: Sequence[str], hoi: NDArray[np.int64], table: str, kind: str) -> Floats:
    """``[n, 4]`` boxes, all finite, with x1 <= x2 and y1 <= y2."""
    boxes = np.stack([columns.numbers(frame, corner, table, missing=True) for corner in corners], axis=1)
    # Asked this way round, nan counts as malformed; infinite corners are caught by the second half.
    sound = (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1]) & np.isfinite(boxes).all(axis=1)
    need = "finite x1 <= x2 and y1 <= y2 are needed, and no width or height"
    _refuse(~sound, hoi, table, lambda row: f"{kind} box {boxes[row].tolist()}, {need}")
    return boxes


def _refuse(bad: NDArray[np.bool_], hoi: NDArray[np.int64], table: str, fault: Callable[[int], str]) -> None:
    """Raises for the first bad row (counted from 0), and says how many there are."""
    rows = np.flatnonzero(bad)
    if len(rows) == 0:
        return
    others = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
    raise ValueError(f"{table} row {rows[0]}, hoi_id {hoi[rows[0]]}: {fault(int(rows[0]))}{others}")
