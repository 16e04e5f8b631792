"""What every head owes: a file, a class, and a state from which it comes back."""

import dataclasses
from typing import Any

import pytest
import torch
from made_heads import EXAMPLES, OPTIONS, TEXTS

from models.heads import kinds
from models.heads.head import FittedHead, fitted

FITTED = [name for name in kinds.KINDS if name != "ezhoi"]


def made(name: Any) -> FittedHead:
    torch.manual_seed(0)
    return fitted(name).fresh(
        texts=TEXTS, examples=EXAMPLES, options=OPTIONS[name], generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("name", FITTED)
def test_a_head_has_a_logit_and_a_probability_for_every_verb(name: Any) -> None:
    head = made(name).eval()
    logits, scores = head.logits(EXAMPLES.pairs), head.scores(EXAMPLES.pairs)
    assert logits.shape == scores.shape == (len(EXAMPLES.pairs), TEXTS.verb_count)
    assert logits.isfinite().all() and ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", FITTED)
def test_a_head_comes_back_from_its_state(name: Any) -> None:
    head = made(name).eval()
    again = fitted(name).restored(head.state_dict()).eval()
    assert torch.equal(again.scores(EXAMPLES.pairs), head.scores(EXAMPLES.pairs))


@pytest.mark.parametrize("name", FITTED)
def test_a_head_reads_what_it_declares_and_no_more(name: Any) -> None:
    columns = ("human", "object", "union", "geometry")
    left_out: Any = dict.fromkeys(c for c in columns if c not in kinds.KINDS[name].reads)
    pairs = dataclasses.replace(EXAMPLES.pairs, **left_out)
    head = made(name).eval()
    assert torch.equal(head.scores(pairs), head.scores(EXAMPLES.pairs))


@pytest.mark.parametrize("name", FITTED)
def test_what_trains_has_losses_with_gradients_and_what_does_not_has_no_parameters(name: Any) -> None:
    head = made(name).train()
    parameters = [p for p in head.parameters() if p.requires_grad]
    assert bool(parameters) == kinds.KINDS[name].trains
    if parameters:
        logits = head.logits(EXAMPLES.pairs)
        (logits.square().mean() + sum(head.losses(EXAMPLES, logits).values())).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)
        assert any(p.grad.any() for p in parameters if p.grad is not None)
