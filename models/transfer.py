"""How tensors reach the device: to a GPU from pinned memory, so that the host goes on while they are copied.

A copy from ordinary memory holds the host up until it is through. torch keeps pinned memory that was let go until the copy
has read it, so nobody has to wait for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; as it is if it lies there."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # pinned already, it is not copied for that


def stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """Equal tensors as a batch (B, ...) on the device; they are put side by side where the copy starts from."""
    if device.type != "cuda" or tensors[0].device.type != "cpu":
        return torch.stack(list(tensors)).to(device)
    first = tensors[0]
    side_by_side = torch.empty((len(tensors), *first.shape), dtype=first.dtype, pin_memory=True)
    return torch.stack(list(tensors), out=side_by_side).to(device, non_blocking=True)
