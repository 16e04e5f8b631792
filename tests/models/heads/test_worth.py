"""What the training of a head is worth, in a made world that can tell: pairs of verbs and objects that the texts know.

A pair of class (v, o) shows a_v and b_o. Texts say a_v + b_o; of the pictures, the fused feature says it faintly, and the
frozen features of both boxes say it turned by a rotation that only labelled pairs can undo. A class is unseen though both its
verb and its object are seen, so whoever learns what a verb looks like ranks it too. Held-out pairs are ranked among those of
their object, where only the verb can tell.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from made_heads import OPTIONS
from torch import Tensor, nn

from models.geometry import numbers
from models.heads.head import Examples, FittedHead, Texts, fitted
from models.heads.kinds import KINDS
from models.heads.record import PairRecord
from pipeline.config.loading import load
from pipeline.training import fitting

TRAINED = [name for name, kind in KINDS.items() if kind.trains]
WIDTH, VERBS, OBJECTS = 24, 5, 6  # object 0 is the person, whom no class is with
UNSEEN = {(v, 1 + v) for v in range(VERBS)}
CLASSES = [(v, o) for v in range(VERBS) for o in range(1, OBJECTS)]
A_CLASS, STEPS, BATCH = 16, 150, 128
DRAWN = torch.Generator().manual_seed(7)


def _unit(x: Tensor) -> Tensor:
    return nn.functional.normalize(x, dim=-1)


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=DRAWN) / WIDTH**0.5


_verb, _object = _unit(_noise(VERBS, WIDTH)), _unit(_noise(OBJECTS, WIDTH))
_turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=DRAWN)).Q
_v, _o = (torch.tensor(ids) for ids in zip(*CLASSES, strict=True))
_unseen = torch.tensor([one in UNSEEN for one in CLASSES])
_order = torch.argsort(_unseen.long(), stable=True)
V, O, HIDDEN = _v[_order], _o[_order], _unseen[_order]  # noqa: E741
TEXTS = Texts(
    verb_count=VERBS,
    object_count=OBJECTS,
    verbs=V,
    objects=O,
    unseen=HIDDEN,
    phrases=_unit(_verb[V] + _object[O]),
    descriptions=_unit(_verb[V] + _object[O] + 0.2 * _noise(len(V), WIDTH)),
    guided=_unit(_verb[V] + _object[O] + 0.2 * _noise(len(V), WIDTH)),
    scale=10.0,
    concepts={region: _unit(_verb[:, None] + _noise(VERBS, 3, WIDTH)) for region in ("human", "object", "context")},
)


def pairs_of(classes: Tensor) -> tuple[PairRecord, Tensor]:
    """Pairs of these classes (positions), and their verbs (P, V)."""
    verb, thing = V[classes], O[classes]
    shown = _verb[verb] + 0.5 * _object[thing]
    corners = torch.rand(2, len(classes), 2, 2, generator=DRAWN).sort(dim=2).values.flatten(2)
    record = PairRecord(
        objects=thing,
        prior=0.8 + 0.2 * torch.rand(len(classes), generator=DRAWN),
        feature=_unit(0.3 * shown + _noise(len(classes), WIDTH)),
        human=_unit(shown @ _turn + 0.8 * _noise(len(classes), WIDTH)),
        object=_unit(shown @ _turn + 0.8 * _noise(len(classes), WIDTH)),
        union=_unit(shown @ _turn + 0.8 * _noise(len(classes), WIDTH)),
        geometry=numbers(corners[0], corners[1]),
    )
    return record, nn.functional.one_hot(verb, VERBS).bool()


def training() -> Examples:
    """Labelled pairs of the seen classes."""
    pairs, shown = pairs_of((~HIDDEN).nonzero().flatten().repeat(A_CLASS))
    counted = torch.zeros(OBJECTS, VERBS, dtype=torch.bool)
    counted[O[~HIDDEN], V[~HIDDEN]] = True
    return Examples(pairs=pairs, shown=shown, counted=counted[pairs.objects], absent=torch.zeros_like(shown))


KNOWN = training()
HELD_OUT = torch.arange(len(V)).repeat(A_CLASS)
ASKED, TRUTH = pairs_of(HELD_OUT)


def ranked(head: FittedHead) -> dict[str, float]:
    """Mean average precision over the seen and over the unseen classes, each among the held-out pairs of its object."""
    with torch.no_grad():
        logits = head.eval().logits(ASKED)
    found: dict[str, list[float]] = {"seen": [], "unseen": []}
    for verb, thing, hidden in zip(V.tolist(), O.tolist(), HIDDEN.tolist(), strict=True):
        rows = ASKED.objects == thing
        hits = TRUTH[rows, verb][logits[rows, verb].argsort(descending=True)]
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        found["unseen" if hidden else "seen"].append(float(precision[hits].mean()))
    return {group: sum(values) / len(values) for group, values in found.items()}


def fresh(name: str, known: Examples = KNOWN) -> FittedHead:
    drawn = torch.Generator().manual_seed(0)
    return fitted(name).fresh(texts=TEXTS, examples=known, options=OPTIONS[name], generator=drawn)  # type: ignore[arg-type]


def trained(name: str, known: Examples = KNOWN) -> FittedHead:
    """The head after a short training by the losses of the stage."""
    config = load(overrides=[f"model.head={name}", f"heads.batch_size={BATCH}"], environment={})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = fresh(name, known).train()
        optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3)
        for step in range(STEPS):
            optimiser.zero_grad()
            losses = fitting.losses(head, fitting.drawn(known, config, step), config)
            sum(losses.values(), torch.zeros(())).backward()
            optimiser.step()
    return head


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_head_ranks_what_an_untrained_one_does_not_seen_and_unseen(name: str) -> None:
    before, after = ranked(fresh(name)), ranked(trained(name))
    assert all(after[group] > before[group] + 0.25 for group in before), (before, after)


@pytest.mark.parametrize("name", TRAINED)
def test_wrong_labels_teach_nothing_so_it_is_the_labels_that_are_learned(name: str) -> None:
    mixed = KNOWN.shown[torch.randperm(len(KNOWN.shown), generator=torch.Generator().manual_seed(0))]
    after = ranked(trained(name, dataclasses.replace(KNOWN, shown=mixed)))
    assert all(value < 0.45 for value in after.values()), after
