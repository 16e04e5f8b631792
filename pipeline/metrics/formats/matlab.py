"""Detections in HO-RCNN's MATLAB layout, which the official evaluation code of HICO-DET reads.

A folder with ``detections_01.mat`` .. ``detections_80.mat``, one file an object in COCO's order. Each holds ``all_boxes``, a
cell array of as many rows as the object has classes (in order of ``hoi_id``) and a column for every image of the test
list; a cell is ``[m, 9]``: human box, object box, score, or empty. Boxes are 0-based inclusive pixel indices: x2 and y2 are
one less than in continuous coordinates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.hico.layouts.matlab import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.metrics.tables import HUMAN_BOX, OBJECT_BOX

LAST_CORNERS = [2, 3, 6, 7]
NAME = "detections_{:02d}.mat"


def classes_of(object_id: int) -> list[int]:
    """``hoi_id`` of an object's classes, in the order of the rows of its file."""
    return [c.hoi_id for c in HICO.classes if c.object_id == object_id]


def read(path: Path) -> pd.DataFrame:
    """All detections of a folder (or of one file of it), with ``image_index``, the place in the test list.

    Raises:
        DataError: a file is missing, is no MATLAB 5 file, or its cell array has the wrong shape.
    """
    files = sorted(path.glob("detections_*.mat")) if path.is_dir() else [path]
    wanted = {NAME.format(number + 1) for number in range(len(HICO.objects))}
    if path.is_dir() and (missing := sorted(wanted - {file.name for file in files})):
        raise DataError(f"{path}: {missing[0]} is missing ({len(missing)} of {len(wanted)} files are)")
    if unknown := [file.name for file in files if file.name not in wanted]:
        raise DataError(f"{path}: {unknown[0]} is not one of detections_01.mat .. detections_{len(wanted)}.mat")
    parts = [_read_object(file, int(file.stem.split("_")[1]) - 1) for file in files]
    return pd.concat(parts, ignore_index=True)


def _read_object(file: Path, object_id: int) -> pd.DataFrame:
    cells = load(file).get("all_boxes")
    hois = classes_of(object_id)
    if cells is None or cells.dtype != object or cells.ndim != 2 or len(cells) != len(hois):
        shape = "no cell array all_boxes" if cells is None else f"all_boxes is {cells.shape}"
        name = HICO.objects[object_id].name
        raise DataError(f"{file}: {shape}, but {name} (object {object_id + 1} in COCO's order) has {len(hois)} classes")
    sizes = np.array([[len(cell) if cell.size else 0 for cell in row] for row in cells])
    filled = [cell for cell, size in zip(cells.ravel(), sizes.ravel(), strict=True) if size]
    if any(cell.shape[1:] != (9,) for cell in filled):
        raise DataError(f"{file}: a cell of all_boxes is not [m, 9] (human box, object box, score)")
    rows = np.concatenate(filled).astype(np.float64) if filled else np.zeros((0, 9))
    rows[:, LAST_CORNERS] += 1
    row, column = np.divmod(np.repeat(np.arange(sizes.size), sizes.ravel()), sizes.shape[1])
    frame = pd.DataFrame(rows, columns=[*HUMAN_BOX, *OBJECT_BOX, "score"])
    frame.insert(0, "image_index", column)
    frame.insert(1, "hoi_id", np.array(hois)[row])
    return frame


def write(folder: Path, detections: pd.DataFrame, *, images: int) -> None:
    """Write the 80 files.

    Arguments:
        folder: made if absent.
        detections: with ``image_index`` in [0, ``images``).
        images: length of the test list.
    """
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    values = detections[[*HUMAN_BOX, *OBJECT_BOX, "score"]].to_numpy(dtype=np.float64)
    values[:, LAST_CORNERS] -= 1
    hoi, image = detections["hoi_id"].to_numpy(), detections["image_index"].to_numpy()
    order = np.lexsort((image, hoi))
    starts = np.flatnonzero(np.diff(hoi[order] * images + image[order], prepend=-1))
    groups = {(hoi[rows[0]], image[rows[0]]): values[rows] for rows in np.split(order, starts[1:]) if len(rows)}
    for object_id in range(len(HICO.objects)):
        hois = classes_of(object_id)
        cells = np.empty((len(hois), images), dtype=object)
        for row, hoi_id in enumerate(hois):
            for column in range(images):
                cells[row, column] = groups.get((hoi_id, column), _NOTHING)
        savemat(folder / NAME.format(object_id + 1), {"all_boxes": cells}, do_compression=True)


_NOTHING = np.zeros((0, 0))
