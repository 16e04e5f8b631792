"""Digests of tensors, wherever they came from: equal tensors under equal names have equal digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def of_weights(net: nn.Module) -> str:
    """Digest, 32 hexadecimal digits, of the parameters and buffers that the module would save."""
    state = hashlib.blake2b(digest_size=16)
    for name, value in sorted(net.state_dict().items()):
        state.update(name.encode())
        state.update(value.cpu().contiguous().numpy().tobytes())
    return state.hexdigest()


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Digest, 32 hexadecimal digits, of named tensors of any type: of their names, types, shapes and values."""
    state = hashlib.blake2b(digest_size=16)
    for name, value in sorted(tensors.items()):
        state.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        state.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()
