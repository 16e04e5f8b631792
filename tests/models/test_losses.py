"""Losses against values computed by hand, and their behaviour on everything finite."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.losses import class_relation, consistency, focal, negative_learning, with_prior
from models.unseen import alignment

ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCORE = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32))


def finite(loss: Tensor, *leaves: Tensor) -> None:
    """The loss and all gradients."""
    assert loss.isfinite().all()
    loss.sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None and leaf.grad.isfinite().all()


# --- the prior ---------------------------------------------------------------------------------------------------


def test_prior_multiplies_the_probability() -> None:
    logits, prior = torch.tensor([0.0, 2.0, -3.0]), torch.tensor([0.5, 0.9, 0.25])
    torch.testing.assert_close(
        torch.sigmoid(with_prior(logits, prior)), prior * torch.sigmoid(logits), atol=1e-6, rtol=1e-4
    )


def test_prior_is_the_released_expression_where_that_is_exact() -> None:
    logits = torch.linspace(-8, 8, 33, dtype=torch.float64)
    for p in (0.01, 0.3, 0.7, 0.99):
        prior = torch.full_like(logits, p)
        expected = torch.log(prior / (1 + torch.exp(-logits) - prior) + 1e-8)
        torch.testing.assert_close(with_prior(logits, prior).double(), expected, atol=2e-6, rtol=2e-6)


def test_prior_by_hand() -> None:
    # prior 1 leaves the logit as it is; prior 0 leaves the epsilon alone.
    assert with_prior(torch.tensor([1.5]), torch.ones(1)).item() == pytest.approx(1.5, abs=1e-6)
    assert with_prior(torch.tensor([1.5]), torch.zeros(1)).item() == pytest.approx(math.log(1e-8), rel=1e-6)
    # prior 1/2, logit 0: log(.5 / 1.5).
    assert with_prior(torch.zeros(1), torch.tensor([0.5])).item() == pytest.approx(-math.log(3), rel=1e-6)


@pytest.mark.parametrize("logit", [44.5, 47.0, 49.9])
def test_a_sure_detection_and_a_sure_verb_have_a_finite_gradient(logit: float) -> None:
    """The quotient of the released expression has an infinite one here."""
    z = torch.tensor([logit], requires_grad=True)
    finite(with_prior(z, torch.ones(1)), z)
    assert z.grad is not None and z.grad.item() == pytest.approx(1.0, rel=1e-4)


@given(ANY, SCORE, st.sampled_from([0.0, 1.0]))
def test_focal_under_the_prior_is_finite(logit: float, prior: float, label: float) -> None:
    z = torch.tensor([logit], requires_grad=True)
    finite(focal(with_prior(z, torch.tensor([prior])), torch.tensor([label]), alpha=0.5, gamma=0.2), z)


# --- focal loss --------------------------------------------------------------------------------------------------


def test_focal_by_hand() -> None:
    # x = 0, y = 1: |1 - 1 - .5| = .5; |1 - .5|^.2 = .5^.2; BCE = ln 2.
    expected = 0.5 * 0.5**0.2 * math.log(2)
    assert focal(torch.zeros(1), torch.ones(1), alpha=0.5, gamma=0.2).item() == pytest.approx(expected, rel=1e-5)
    # x = ln 3, y = 0: sigmoid = .75; |1 - 0 - .25| = .75; BCE = ln 4.
    expected = 0.75 * 0.75**2 * math.log(4)
    found = focal(torch.tensor([math.log(3)]), torch.zeros(1), alpha=0.25, gamma=2.0).item()
    assert found == pytest.approx(expected, rel=1e-5)


@given(st.lists(ANY, max_size=4), st.floats(0.01, 0.99), st.floats(0, 5))
def test_focal_is_finite_for_any_logits_and_for_none(logits: list[float], alpha: float, gamma: float) -> None:
    x = torch.tensor(logits, requires_grad=True)
    for label in (torch.zeros_like(x), torch.ones_like(x)):
        x.grad = None
        finite(focal(x, label, alpha=alpha, gamma=gamma), x)


def test_focal_is_fp32_whatever_it_is_given() -> None:
    x = torch.tensor([0.3, -2.0])
    assert focal(x.bfloat16(), torch.ones(2).bfloat16(), alpha=0.5, gamma=0.2).dtype == torch.float32
    assert with_prior(x.half(), torch.ones(2).half()).dtype == torch.float32


# --- negative learning -------------------------------------------------------------------------------------------


def test_negative_learning_by_hand() -> None:
    # Prior 1 leaves the logits: x = ln 3 and 0, label 0, alpha .5, gamma 2: .5 * .75^2 * ln 4 and .5 * .5^2 * ln 2.
    logits, prior = torch.tensor([[math.log(3), 9.0], [9.0, 0.0]]), torch.ones(2)
    negative = torch.tensor([[True, False], [False, True]])
    expected = 0.5 * 0.75**2 * math.log(4) + 0.5 * 0.5**2 * math.log(2)
    found = negative_learning(logits, prior, negative, alpha=0.5, gamma=2.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_negative_learning_pushes_down_what_it_is_told_and_nothing_else() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    negative = torch.tensor([[True, False], [False, False]])
    negative_learning(logits, torch.tensor([0.9, 0.9]), negative, alpha=0.5, gamma=0.2).backward()
    assert logits.grad is not None and logits.grad[0, 0] > 0
    assert logits.grad.flatten()[1:].abs().max() == 0


@given(st.integers(0, 3), st.integers(0, 3), st.data())
def test_negative_learning_is_finite(pairs: int, unseen: int, data: st.DataObject) -> None:
    """No pair, one pair, no unseen class, no negative."""
    numbers = data.draw(st.lists(ANY, min_size=pairs * unseen, max_size=pairs * unseen))
    logits = torch.tensor(numbers).reshape(pairs, unseen).requires_grad_()
    prior = torch.tensor(data.draw(st.lists(SCORE, min_size=pairs, max_size=pairs)))
    wanted = data.draw(st.lists(st.booleans(), min_size=pairs * unseen, max_size=pairs * unseen))
    negative = torch.tensor(wanted, dtype=torch.bool).reshape(pairs, unseen)
    finite(negative_learning(logits, prior, negative, alpha=0.5, gamma=0.2), logits)


# --- class relation ----------------------------------------------------------------------------------------------


def test_class_relation_is_zero_for_equal_relations_and_scale_free() -> None:
    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    for scale in (7.0, 1e-10, 1e37):
        assert class_relation(rows * scale, rows, temperature=0.1).item() == pytest.approx(0, abs=1e-6)


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


@settings(max_examples=60)
@given(st.integers(0, 3), st.data())
def test_class_relation_is_finite(count: int, data: st.DataObject) -> None:
    """No class, one class, rows of zeros, rows at the ends of fp32."""
    numbers = [data.draw(st.lists(ANY, min_size=2 * count, max_size=2 * count)) for _ in range(2)]
    learned, described = (torch.tensor(n).reshape(count, 2) for n in numbers)
    finite(class_relation(learned.requires_grad_(), described, temperature=0.1), learned)


def test_consistency_by_hand() -> None:
    """Cosines 1, 0 in the first row and 0.6, 0.8 in the second, whatever the lengths; the second row's own is the second."""
    learned, plain = torch.tensor([[2.0, 0.0], [3.0, 4.0]]), torch.tensor([[5.0, 0.0], [0.0, 0.1]])
    rows = [math.log(math.exp(1) + math.exp(0)) - 1, math.log(math.exp(0.6) + math.exp(0.8)) - 0.8]
    assert consistency(learned, plain).item() == pytest.approx(sum(rows) / 2, rel=1e-5)


def test_consistency_pulls_each_row_to_its_own() -> None:
    plain = torch.eye(4)
    learned = torch.randn(4, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    optimiser = torch.optim.Adam([learned], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        consistency(learned, plain).backward()
        optimiser.step()
    cosines = torch.nn.functional.cosine_similarity(learned[:, None], plain[None], dim=2)
    assert (cosines.argmax(dim=1) == torch.arange(4)).all() and cosines.diagonal().min() > 0.8


@settings(max_examples=60)
@given(st.integers(0, 3), st.data())
def test_consistency_is_finite(count: int, data: st.DataObject) -> None:
    numbers = [data.draw(st.lists(ANY, min_size=2 * count, max_size=2 * count)) for _ in range(2)]
    learned, plain = (torch.tensor(n).reshape(count, 2) for n in numbers)
    finite(consistency(learned.requires_grad_(), plain), learned)


def test_class_relation_is_fp32_under_autocast() -> None:
    rows = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(0))
    plain = class_relation(rows[0], rows[1], temperature=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(class_relation(rows[0], rows[1], temperature=0.1), plain)


# --- alignment of UTPL -------------------------------------------------------------------------------------------


def test_alignment_by_hand() -> None:
    # Cosines 0 and 1/sqrt(2), wanted .5 and .5: shortfalls .5 and 0, mean .25.
    learned, partner = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert alignment(learned, partner, torch.tensor([0.5, 0.5])).item() == pytest.approx(0.25, rel=1e-5)
    assert alignment(partner * 3, partner, torch.tensor([1.0, 1.0])).item() == pytest.approx(0, abs=1e-6)
