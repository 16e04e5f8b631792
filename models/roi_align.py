"""RoI-Align as one matrix product: which patches a box reads, and by how much, is known before the patches are.

RoI-Align (He et al. 2017, as `torchvision.ops.roi_align` with `aligned=True`) divides a box into size x size bins, takes
bilinear samples of the map in each, and averages them. That is linear in the map, and its weights are a product of one weight
of the row and one of the column. So the mean under a box is weights times patches, forwards and backwards, which needs no
kernel of its own, is deterministic on every device, and costs a tenth and less of the sampling on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bins(boxes: Tensor, *, grid: int, size: int) -> Tensor:
    """How much each bin of each box reads of every column and every row of the map: (..., 2, size, grid).

    Args:
        boxes: (..., 4) left, top, right, bottom in fractions of the map, between 0 and 1.
        grid: patches a side of the map.
        size: bins a side of a box.
    """
    edges = boxes * grid - 0.5  # a patch's value stands in its middle
    start, bin_side = edges[..., :2, None, None], ((edges[..., 2:] - edges[..., :2]) / size)[..., None, None]
    most = -(-grid // size)
    samples = bin_side.ceil().clamp(0, most)
    sample = torch.arange(most, device=boxes.device)
    inside_bin = (sample + 0.5) / samples.clamp(min=1)
    places = start + bin_side * (torch.arange(size, device=boxes.device)[:, None] + inside_bin)
    patches = torch.arange(grid, device=boxes.device)
    hat = (1 - (places.clamp(0, grid - 1)[..., None] - patches).abs()).clamp(min=0)
    return (hat * (sample < samples)[..., None]).sum(dim=-2) / samples.clamp(min=1)


def means(boxes: Tensor, *, grid: int, size: int) -> Tensor:
    """How much the mean of a box's RoI-Align reads of every patch: (..., grid * grid), rows of the map one after another."""
    column, row = bins(boxes, grid=grid, size=size).mean(dim=-2).unbind(dim=-2)
    return (row[..., :, None] * column[..., None, :]).flatten(-2)


def of_each_bin(boxes: Tensor, *, grid: int, size: int) -> Tensor:
    """How much every bin of a box's RoI-Align reads of every patch: (..., size * size, grid * grid)."""
    column, row = bins(boxes, grid=grid, size=size).unbind(dim=-3)
    weights = row[..., :, None, :, None] * column[..., None, :, None, :]
    return weights.flatten(-2).flatten(-3, -2)
