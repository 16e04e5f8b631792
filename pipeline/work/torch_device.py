"""The configured device as torch knows it."""

from __future__ import annotations

import torch

from pipeline.config.tree import Config
from pipeline.errors import ConfigError


def device(config: Config) -> torch.device:
    """The configured device; 'auto' is the first GPU if there is one. ConfigError if it is not there."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if config.device == "auto":
        return torch.device("cuda" if count else "cpu")
    chosen = torch.device(config.device)
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        there = f"the GPUs are numbered from 0 to {count - 1}" if count else "no GPU is seen; set device=cpu or auto"
        raise ConfigError(f"device = {config.device}: {there}")
    return chosen
