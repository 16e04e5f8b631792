"""UTPL: the unseen module lives, and its losses are what their formulas say."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.unseen import UnseenPrompts, alignment, labelled


def unseen_prompts() -> tuple[UnseenPrompts, Tensor, Tensor]:
    torch.manual_seed(0)
    module = UnseenPrompts(shared=torch.randn(2, 2, 48), count=3, joint_width=32, bottleneck=16, heads=2)
    return module, torch.randn(3, 2, 2, 48, requires_grad=True), torch.randn(3, 4, 32)


def test_utpl_starts_at_the_guided_prompts_and_learns_nothing_into_the_partner() -> None:
    module, partners, disparities = unseen_prompts()
    absent = torch.zeros(3, 4, dtype=torch.bool)
    torch.testing.assert_close(module(module.own, partners, disparities, absent), module.own)
    torch.nn.init.normal_(module.attend.up.weight)
    module(module.own, partners, disparities, absent).square().sum().backward()
    assert partners.grad is None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_utpl_hears_its_partner_and_every_disparity_and_no_padding() -> None:
    module, partners, disparities = unseen_prompts()
    torch.nn.init.normal_(module.attend.up.weight)
    absent = torch.tensor([[False, False, True, True]] * 3)
    still = module(module.own, partners, disparities, absent)
    assert (module(module.own, partners + torch.randn(2, 48), disparities, absent) - still).abs().max() > 1e-5
    for sentence, heard in ((0, True), (1, True), (2, False)):
        moved = disparities.clone()
        moved[:, sentence] += 3
        assert ((module(module.own, partners, moved, absent) - still).abs().max() > 1e-5) == heard


def test_alignment_is_zero_once_as_similar_as_the_descriptions() -> None:
    partner = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    learned = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert alignment(learned, partner, torch.tensor([0.9, 0.6])).item() == pytest.approx(0.3)


def test_a_step_moves_every_parameter_and_all_are_in_the_checkpoint() -> None:
    module, partners, disparities = unseen_prompts()
    torch.nn.init.normal_(module.attend.up.weight)
    absent = torch.zeros(3, 4, dtype=torch.bool)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert set(before) == {name for name, _ in module.named_parameters()}
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-2)
    module(module.own, partners, disparities, absent).square().sum().backward()
    optimiser.step()
    still = [name for name, value in module.state_dict().items() if torch.equal(value, before[name])]
    assert still == []


def test_moving_the_guided_prompts_of_a_class_moves_that_class_only() -> None:
    module, partners, disparities = unseen_prompts()
    torch.nn.init.normal_(module.attend.up.weight)
    absent = torch.zeros(3, 4, dtype=torch.bool)
    guided = module.own.detach().clone()
    still = module(guided, partners, disparities, absent)
    guided[1] += torch.randn(2, 2, 48)
    change = (module(guided, partners, disparities, absent) - still).abs().amax(dim=(1, 2, 3))
    assert change[1] > 1e-3
    assert change[[0, 2]].max() < 1e-6


def test_examples_weigh_the_same_for_every_class() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0], [3.0, 5.0]])
    counted = torch.tensor([[True, True], [False, True], [False, False]])
    # alpha 0.5 and gamma 1: 0.5 * sigmoid(x) * log(1 + exp(x)) for a negative
    negative = [0.5 / (1 + math.exp(-x)) * math.log1p(math.exp(x)) for x in (0.0, 2.0, 0.0)]
    expected = (negative[0] + (negative[1] + negative[2]) / 2) / 2
    assert labelled(logits, 0.0, counted, alpha=0.5, gamma=1.0).item() == pytest.approx(expected, rel=1e-4)
    positive = 0.5 * (1 - 1 / (1 + math.exp(-2.0))) * math.log1p(math.exp(-2.0))
    only = torch.tensor([[False, True], [False, False], [False, False]])
    assert labelled(logits, 1.0, only, alpha=0.5, gamma=1.0).item() == pytest.approx(positive, rel=1e-4)


def test_negatives_push_down_and_positives_up() -> None:
    for label, sign in ((0.0, 1), (1.0, -1)):
        logits = torch.zeros(2, 2, requires_grad=True)
        labelled(logits, label, torch.eye(2).bool(), alpha=0.5, gamma=0.2).backward()
        assert logits.grad is not None
        assert (sign * logits.grad.diagonal() > 0).all()
        assert logits.grad[0, 1] == logits.grad[1, 0] == 0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e4, 1e4), min_size=0, max_size=6), st.sampled_from([0.0, 1.0]), st.booleans())
def test_examples_are_finite_whatever_the_logits(values: list[float], label: float, counted: bool) -> None:
    logits = torch.tensor(values).reshape(-1, 1).requires_grad_()
    loss = labelled(logits, label, torch.full((len(values), 1), counted), alpha=0.5, gamma=0.2)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all()
    if not counted or not values:
        assert loss.item() == 0
