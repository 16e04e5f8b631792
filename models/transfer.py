"""How tensors reach the device: to a GPU they are copied from pinned memory, while the host goes on.

A copy from ordinary memory makes the host wait for its end. torch keeps pinned memory that was released until the copy has
read it, so nobody has to wait for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; unchanged if it is there already."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # pinned already, it is not copied for that


def stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """Tensors of one shape as a batch (B, ...) on the device; they are joined in the memory that the copy starts from."""
    if device.type != "cuda" or tensors[0].device.type != "cpu":
        return torch.stack(list(tensors)).to(device)
    first = tensors[0]
    side_by_side = torch.empty((len(tensors), *first.shape), dtype=first.dtype, pin_memory=True)
    return torch.stack(list(tensors), out=side_by_side).to(device, non_blocking=True)
