"""The optimiser of everything that trains with `seen.optimiser` or `utpl.optimiser`: both stages, and added classes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from pipeline.config.training import Optimiser


def optimiser(section: Optimiser, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of the parameters, at the learning rate of the start; whoever steps lowers it."""
    return torch.optim.AdamW(parameters, lr=section.lr, weight_decay=section.weight_decay)
