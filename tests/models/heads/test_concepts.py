"""Sparsemax and the lookup of phrases, against values by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.heads.concepts import retrieved, sparsemax


def test_sparsemax_by_hand() -> None:
    assert torch.allclose(sparsemax(torch.tensor([0.0, 0.0])), torch.tensor([0.5, 0.5]))
    assert torch.allclose(sparsemax(torch.tensor([3.0, 1.0, 0.1])), torch.tensor([1.0, 0.0, 0.0]))
    # Sorted 1.2, 0.8, 0.2: 1 + 2 * 0.8 = 2.6 > 2.0, 1 + 3 * 0.2 = 1.6 < 2.2; tau = (2.0 - 1) / 2 = 0.5.
    assert torch.allclose(sparsemax(torch.tensor([0.2, 1.2, 0.8])), torch.tensor([0.0, 0.7, 0.3]))


def test_sparsemax_leaves_out_what_is_not_there() -> None:
    none = -torch.inf
    found = sparsemax(torch.tensor([[0.2, none, 0.8], [none, none, none], [-4.0, none, none]]))
    assert torch.allclose(found, torch.tensor([[0.2, 0.0, 0.8], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(-3, 3))
def test_sparsemax_is_a_distribution_in_the_order_of_its_scores(scores: list[float], shift: float) -> None:
    x = torch.tensor(scores, dtype=torch.float64)
    found = sparsemax(x)
    assert (found >= 0).all() and abs(float(found.sum()) - 1) < 1e-9
    assert torch.allclose(found, sparsemax(x + shift), atol=1e-9)
    assert (found[x.argsort()].diff() >= -1e-12).all()


def test_what_is_looked_up_by_hand() -> None:
    features = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    concepts = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    # Pair 0, verb 0: scores 10, 0, so the first phrase alone: 1. Verb 1 has one phrase: 0. Verb 2 has none: 0.
    # Pair 1, verb 0: scores 6, 8: the second alone, 0.8. Verb 1: 0.8.
    assert torch.allclose(retrieved(features, concepts), torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.8, 0.0]]))


def test_gradients_reach_the_features_and_are_finite() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 4), dim=-1).requires_grad_()
    concepts = torch.nn.functional.normalize(torch.randn(3, 2, 4), dim=-1)
    concepts[1, 1] = 0.0
    concepts[2] = 0.0
    retrieved(features, concepts).sum().backward()
    assert features.grad is not None and features.grad.isfinite().all() and features.grad.any()
