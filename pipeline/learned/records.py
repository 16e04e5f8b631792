"""The record of a pair (`models.heads.record.PairRecord`) from detections and cached tokens, and from a table.

columns    makes what a table holds beside the fused feature: the columns that the configuration's head reads
record     makes a record of a table of pairs
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from models.clip import Clip
from models.fusion import box_features, union_features
from models.geometry import numbers
from models.heads.kinds import REGION_COLUMNS, Column
from models.heads.record import PairRecord
from models.instances import Instances
from pipeline.errors import DataError

Resize = Literal["shortest", "squash"]


def columns(
    wanted: Collection[Column],
    *,
    found: Instances,
    sizes: Sequence[tuple[int, int]],
    tokens: Tensor,
    clip: Clip,
    roi_size: int,
) -> dict[str, np.ndarray]:
    """The wanted columns of every pair of a batch: regions in half precision, geometry as floats.

    Args:
        found: the detections; sizes: width and height of each image.
        tokens: (B, 1 + D, d_a), the frozen CLIP's, all patches where regions are wanted.
        roi_size: RoI-Align's output, pixels a side.
    """
    image, human, thing = found.pairs.unbind(dim=1)
    columns: dict[str, Tensor] = {}
    if set(wanted) & set(REGION_COLUMNS):
        resize: Resize = clip.net.visual.preprocess_cfg["resize_mode"]
        shown = dataclasses.replace(found, boxes=as_shown(found.boxes, sizes, resize))
        rois: dict[str, int] = {"grid": clip.grid, "size": roi_size}
        boxes = box_features(tokens, shown, **rois)
        columns |= {"human": boxes[image, human], "object": boxes[image, thing]}
        if "union" in wanted:
            columns["union"] = union_features(tokens, shown, **rois)
        columns = {name: values.half() for name, values in columns.items()}
    if "geometry" in wanted:
        columns["geometry"] = numbers(found.boxes[image, human], found.boxes[image, thing])
    return {name: columns[name].cpu().numpy() for name in wanted}


def as_shown(boxes: Tensor, sizes: Sequence[tuple[int, int]], resize: Resize) -> Tensor:
    """Boxes (B, I, 4) in fractions of their images, made fractions of the part that the frozen CLIP saw.

    With `shortest` that part is the square in the middle; what lies outside of it shrinks to its edge.
    """
    if resize == "squash":
        return boxes
    size = torch.tensor(sizes, dtype=boxes.dtype, device=boxes.device).reshape(-1, 1, 2)
    side = size.amin(dim=2, keepdim=True)
    corners = (boxes * size.repeat(1, 1, 2) - ((size - side) / 2).repeat(1, 1, 2)) / side
    return corners.clamp(0, 1)


def record(table: Mapping[str, Any], wanted: Collection[Column] = ()) -> PairRecord:
    """The pairs of a table as a record with the wanted columns.

    Raises:
        DataError: a wanted column is not there, because the pairs were computed for another head.
    """
    if missing := [name for name in wanted if name not in table]:
        raise DataError(
            f"the pairs have no {missing[0]}: they were computed for a head that does not read it. "
            "Compute them again: ezhoi run --force pair_features"
        )
    objects, prior, feature = (_tensor(table[name]) for name in ("object_id", "prior", "feature"))
    further = {str(name): _tensor(table[name]) for name in wanted}
    return PairRecord(objects=objects, prior=prior, feature=feature, **further)


def _tensor(values: np.ndarray) -> Tensor:
    """The values as a tensor, without a copy unless they lie in a file that is mapped read-only."""
    return torch.from_numpy(np.require(values, requirements="W"))
