"""RoI-Align as a matrix product: by hand, and against torchvision's own, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import roi_align as sampled

from models import roi_align


def boxes(count: int) -> Tensor:
    """Boxes of all sizes, the whole map and its corners, a line and a point."""
    draw = torch.Generator().manual_seed(0)
    ends = torch.rand(count, 2, 2, generator=draw).sort(dim=1).values
    special = [[0.0, 0, 1, 1], [0, 0, 0.01, 0.01], [0.99, 0.99, 1, 1], [0.2, 0.3, 0.2, 0.9], [0.5, 0.5, 0.5, 0.5]]
    return torch.cat([ends.flatten(1), torch.tensor(special)])


def test_by_hand() -> None:
    column, row = roi_align.bins(torch.tensor([0.0, 0, 0.75, 1]), grid=2, size=2)
    # 1.5 patches wide: bins of 0.75, sampled at -0.5 + 0.375 = -0.125 (the first patch) and -0.5 + 1.125 = 0.625.
    torch.testing.assert_close(column, torch.tensor([[1.0, 0.0], [0.375, 0.625]]))
    torch.testing.assert_close(row, torch.eye(2))
    mean = roi_align.means(torch.tensor([0.0, 0, 0.75, 1]), grid=2, size=2)
    torch.testing.assert_close(mean, 0.5 * torch.tensor([0.6875, 0.3125, 0.6875, 0.3125]))


@pytest.mark.parametrize(("grid", "size"), [(7, 7), (8, 7), (24, 7), (3, 7), (14, 1)])
def test_as_torchvisions(grid: int, size: int) -> None:
    found, width = boxes(60), 3
    maps = torch.randn(1, width, grid, grid, generator=torch.Generator().manual_seed(1), requires_grad=True)
    rois = torch.cat([torch.zeros(len(found), 1), found * grid], dim=1)
    expected = sampled(maps, rois, output_size=size, aligned=True).flatten(2).transpose(1, 2)
    patches = maps.flatten(2)[0].T
    of_bins = roi_align.of_each_bin(found, grid=grid, size=size) @ patches
    torch.testing.assert_close(of_bins, expected, atol=1e-5, rtol=1e-4)
    mean = roi_align.means(found, grid=grid, size=size) @ patches
    torch.testing.assert_close(mean, expected.mean(dim=1), atol=1e-5, rtol=1e-4)

    pull = torch.randn(mean.shape, generator=torch.Generator().manual_seed(2))
    (by_sampling,) = torch.autograd.grad(expected.mean(dim=1), maps, pull, retain_graph=True)
    (by_product,) = torch.autograd.grad(mean, maps, pull)
    torch.testing.assert_close(by_product, by_sampling, atol=1e-5, rtol=1e-4)
