"""The first step of the optimiser, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.config.training import Optimiser
from pipeline.training.optimiser import optimiser


def test_the_weight_decays_apart_from_the_gradient() -> None:
    """AdamW's first step: 1 - 0.1 * 0.01 of the weight stays, and it moves by the learning rate against the gradient's sign."""
    weight = nn.Parameter(torch.tensor(2.0))
    stepper = optimiser(Optimiser(lr=0.1, weight_decay=0.01), [weight])
    weight.grad = torch.tensor(-3.0)
    stepper.step()
    assert weight.item() == pytest.approx(2.0 * 0.999 + 0.1)
