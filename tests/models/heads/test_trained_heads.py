"""Proof of life of the heads that learn: whatever learns has gradients, moves, is heard, and brings the loss down; B moves by
its own losses alone; noise is of the training; and what is labelled with unseen classes says nothing."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from made_heads import EXAMPLES, OPTIONS, TEXTS
from torch import Tensor, nn

from models.heads.head import Examples, FittedHead, fitted
from models.heads.kinds import KINDS, LowrankOptions, RegionsOptions
from models.heads.lowrank import LowrankHead
from models.heads.regions import RegionsHead
from models.losses import focal

TRAINED = [name for name, kind in KINDS.items() if kind.trains]


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def made(name: str, examples: Examples = EXAMPLES) -> FittedHead:
    drawn = torch.Generator().manual_seed(0)
    return fitted(name).fresh(texts=TEXTS, examples=examples, options=OPTIONS[name], generator=drawn)  # type: ignore[arg-type]


def loss(head: FittedHead) -> Tensor:
    logits = head.logits(EXAMPLES.pairs)
    terms = focal(logits, EXAMPLES.shown.float(), alpha=0.5, gamma=0.2)[EXAMPLES.counted].mean()
    return terms + sum(head.losses(EXAMPLES, logits).values(), torch.zeros(()))


@pytest.mark.parametrize("name", TRAINED)
def test_all_that_learns_has_gradients_moves_is_heard_and_brings_the_loss_down(name: str) -> None:
    head = made(name).train()
    before = {n: p.detach().clone() for n, p in head.named_parameters()}
    optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.0)
    moved: dict[str, bool] = dict.fromkeys(before, False)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        (now := loss(head)).backward()
        for n, p in head.named_parameters():
            moved[n] |= p.grad is not None and bool(p.grad.any())
        optimiser.step()
        losses.append(float(now.detach()))
    assert all(moved.values()), [n for n, there in moved.items() if not there]
    assert not [n for n, p in head.named_parameters() if torch.equal(p, before[n])]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    head.eval()
    whole = head.logits(EXAMPLES.pairs)
    for n, p in head.named_parameters():
        with torch.no_grad():
            kept, step = p.clone(), 0.3 * torch.randn_like(p)
            heard = []
            for moved_by in (step, -step):  # one of the two may shut a ReLU of the few that so narrow a head has
                p.copy_(kept + moved_by)
                heard.append(not torch.equal(head.logits(EXAMPLES.pairs), whole))
            assert any(heard), n
            p.copy_(kept)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_makes_the_same_head_and_its_logits_are_repeatable(name: str) -> None:
    one, other = made(name), made(name)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    one.eval()
    assert torch.equal(one.logits(EXAMPLES.pairs), one.logits(EXAMPLES.pairs))
    with pytest.raises((KeyError, ValueError)):
        fitted(name).restored({k: v[:1] if v.ndim else v for k, v in one.state_dict().items()})  # type: ignore[arg-type]


def test_the_texts_of_regions_are_noisy_while_training_alone_and_are_heard() -> None:
    head = made("regions")
    assert isinstance(head, RegionsHead)
    head.train()
    assert not torch.equal(head.texts(), head.texts())
    head.eval()
    assert torch.equal(head.texts(), head.texts())
    assert not torch.allclose(head.texts(), head.text), "the variance moves the text"
    quiet = RegionsHead.fresh(
        texts=TEXTS, examples=EXAMPLES, options=RegionsOptions(noise=0), generator=torch.Generator().manual_seed(0)
    ).train()
    assert torch.equal(quiet.texts(), head.texts())
    for region in ("human", "object", "context"):
        before = head.logits(EXAMPLES.pairs)
        getattr(head, region).neg_()
        assert not torch.allclose(head.logits(EXAMPLES.pairs), before), region


def test_variances_of_regions_are_of_labelled_pairs_alone() -> None:
    unlabelled = (~EXAMPLES.shown.any(dim=1)).nonzero().flatten()
    assert len(unlabelled), "the examples have pairs that no seen class matches"
    union = EXAMPLES.pairs.union
    assert union is not None
    changed = union.clone()
    changed[unlabelled] = nn.functional.normalize(torch.randn(len(unlabelled), union.shape[1]), dim=-1)
    other = dataclasses.replace(EXAMPLES, pairs=dataclasses.replace(EXAMPLES.pairs, union=changed))
    first, second = made("regions"), made("regions", other)
    assert isinstance(first, RegionsHead) and isinstance(second, RegionsHead)
    assert torch.equal(first.variances, second.variances)


def test_regions_without_phrases_says_what_it_lacks() -> None:
    bare = dataclasses.replace(TEXTS, concepts=None)
    with pytest.raises(ValueError, match="phrases on each verb's regions"):
        RegionsHead.fresh(texts=bare, examples=EXAMPLES, options=RegionsOptions(), generator=torch.Generator())


def low_rank(rank: int | None = None) -> LowrankHead:
    drawn = torch.Generator().manual_seed(0)
    return LowrankHead.fresh(texts=TEXTS, examples=EXAMPLES, options=LowrankOptions(rank=rank), generator=drawn)


def test_the_task_reaches_the_loadings_and_not_the_basis() -> None:
    head = low_rank().train()
    head.logits(EXAMPLES.pairs).square().mean().backward()
    assert head.rows.grad is None
    for own in (head.loadings, head.action_loadings):
        assert own.grad is not None and own.grad.any()
    assert head.loadings.grad is not None and not head.loadings.grad[TEXTS.unseen].any(), "unseen phrases are left out"
    head.zero_grad()
    own = head.losses(EXAMPLES, head.logits(EXAMPLES.pairs).detach())
    (own["relation"] + own["action"]).backward()
    assert head.loadings.grad is not None and head.loadings.grad[TEXTS.unseen].any(), "and learn by these two"


def test_at_full_rank_low_rank_texts_start_as_the_guided_ones() -> None:
    head = low_rank(99).eval()
    assert torch.allclose(head.texts(), TEXTS.guided, atol=1e-5)
    assert low_rank(2).rows.shape[0] == 2 and not torch.allclose(low_rank(2).texts(), TEXTS.guided, atol=1e-3)
