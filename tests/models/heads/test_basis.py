"""The factors of class texts and their losses, against values by hand."""

import math

import pytest
import torch

from models.heads import basis


def test_factors_by_hand() -> None:
    features = torch.tensor([[3.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    loadings, rows = basis.factorise(features, rank=2)
    assert torch.allclose(rows, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), atol=1e-6)
    assert torch.allclose(loadings, torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), atol=1e-6)
    # 25 of 26 parts of the variance are 96 %: one row is enough.
    assert basis.factorise(features)[1].shape == (1, 3)


def test_at_full_rank_nothing_is_lost_and_the_basis_is_orthonormal() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    loadings, rows = basis.factorise(features, rank=99)
    assert torch.allclose(loadings @ rows, features, atol=1e-5)
    assert torch.allclose(rows @ rows.T, torch.eye(5), atol=1e-5)
    assert basis.orthogonality(rows) < 1e-5 and basis.reconstruction(loadings, rows, features) < 1e-9


@pytest.mark.parametrize(("rank", "first"), [(71, 24), (3, 1), (4, 2), (2, 1), (1, 0)])
def test_the_rows_of_actions_are_the_last_two_thirds(rank: int, first: int) -> None:
    assert list(range(rank))[basis.action_rows(rank)][0] == first


def test_losses_by_hand() -> None:
    loadings = torch.tensor([[1.0, -2.0], [0.0, 3.0]], requires_grad=True)
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]], requires_grad=True)
    # W B = [-0.2, -1.6], [1.8, 2.4]; differences from F: [-1.2, -1.6], [1.8, 2.4] - [1.8, 1.4] = [0, 1].
    found = basis.reconstruction(loadings, rows, torch.tensor([[1.0, 0.0], [1.8, 1.4]]))
    assert float(found.detach()) == pytest.approx((1.44 + 2.56 + 1.0) / 2)
    found.backward()
    assert loadings.grad is None and rows.grad is not None and rows.grad.any()
    loadings, rows = loadings.detach(), rows.detach()
    assert float(basis.sparsity(loadings)) == pytest.approx((3 + 3) / 2)
    assert float(basis.decorrelation(loadings)) == pytest.approx(2 * 2 / math.sqrt(13))
    # S = [[0, 0.6], [0.6, 0]], S S^T = 0.36 I.
    assert float(basis.orthogonality(rows)) == pytest.approx(0.72)


def test_the_divergence_of_actions_by_hand() -> None:
    wanted, found = torch.tensor([[0.1, 0.0]]), torch.tensor([[0.0, 0.0]])
    p = math.e / (1 + math.e)
    kl = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert float(basis.action_divergence(found, wanted, torch.tensor([0.6]))) == pytest.approx(0.6 * kl, rel=1e-5)
    assert float(basis.action_divergence(wanted, wanted, torch.ones(1))) == pytest.approx(0.0, abs=1e-7)
    two = basis.action_divergence(found.expand(2, 2), wanted.expand(2, 2), torch.tensor([1.0, 0.0]))
    assert float(two) == pytest.approx(kl / 2, rel=1e-5)
