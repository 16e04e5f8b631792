"""Losses against values computed by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.losses import class_relation, focal, with_prior


def test_prior_multiplies_the_probability() -> None:
    logits, prior = torch.tensor([0.0, 2.0, -3.0]), torch.tensor([0.5, 0.9, 0.25])
    torch.testing.assert_close(
        torch.sigmoid(with_prior(logits, prior)), prior * torch.sigmoid(logits), atol=1e-6, rtol=1e-4
    )


@given(st.floats(-1000, 1000), st.floats(0, 1))
def test_prior_logit_and_its_gradient_are_finite(logit: float, prior: float) -> None:
    z = torch.tensor([logit], requires_grad=True)
    x = with_prior(z, torch.tensor([prior]))
    focal(x, torch.tensor([1.0]), alpha=0.5, gamma=0.2).sum().backward()
    assert x.isfinite().all()
    assert z.grad is not None and z.grad.isfinite().all()


def test_focal_by_hand() -> None:
    # x = 0, y = 1: |1 - 1 - .5| = .5; |1 - .5|^.2 = .5^.2; BCE = ln 2.
    expected = 0.5 * 0.5**0.2 * math.log(2)
    assert focal(torch.zeros(1), torch.ones(1), alpha=0.5, gamma=0.2).item() == pytest.approx(expected, rel=1e-5)
    # x = ln 3, y = 0: sigmoid = .75; |1 - 0 - .25| = .75; BCE = ln 4.
    expected = 0.75 * 0.75**2 * math.log(4)
    found = focal(torch.tensor([math.log(3)]), torch.zeros(1), alpha=0.25, gamma=2.0).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_class_relation_is_zero_for_equal_relations_and_scale_free() -> None:
    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    assert class_relation(rows * 7, rows, temperature=0.1).item() == pytest.approx(0, abs=1e-6)


def test_class_relation_by_hand() -> None:
    learned, described = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    # Described rows are uniform; learned rows are softmax(1, 0) at temperature 1.
    p = math.e / (1 + math.e)
    expected = (0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p))) / 2
    assert class_relation(learned, described, temperature=1.0).item() == pytest.approx(expected, rel=1e-5)


def test_class_relation_falls_when_followed() -> None:
    described = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    learned = torch.randn(6, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    first = class_relation(learned, described, temperature=0.1)
    optimiser = torch.optim.Adam([learned], lr=0.05)
    for _ in range(50):
        optimiser.zero_grad()
        class_relation(learned, described, temperature=0.1).backward()
        optimiser.step()
    assert class_relation(learned, described, temperature=0.1) < 0.5 * first
