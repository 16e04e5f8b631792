"""The configured device as a device of torch."""

from __future__ import annotations

import torch

from pipeline.config.tree import Config, is_device
from pipeline.errors import ConfigError
from pipeline.outside.parsing import shown
from pipeline.work import devices


def device(config: Config) -> torch.device:
    """The configured device; see `named`."""
    return named(config.device)


def named(text: str) -> torch.device:
    """The device of that name; 'auto' is the first GPU, or the CPU without one. ConfigError if there is no such device."""
    devices.number_as_listed()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        return torch.device("cuda" if count else "cpu")
    if not is_device(text):
        raise ConfigError(f"device {shown(text)} is none; there are auto, cpu, cuda and cuda:N")
    chosen = torch.device(text)
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        there = f"the GPUs are numbered from 0 to {count - 1}" if count else "no GPU is seen; choose cpu or auto"
        raise ConfigError(f"device {text}: {there}")
    return chosen
