"""The digest that identifies weights, wherever they came from: equal tensors under equal names have equal digests."""

from __future__ import annotations

import hashlib

from torch import nn


def of_weights(net: nn.Module) -> str:
    """Digest, 32 hexadecimal digits, of the parameters and buffers that the module would save."""
    state = hashlib.blake2b(digest_size=16)
    for name, value in sorted(net.state_dict().items()):
        state.update(name.encode())
        state.update(value.cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
