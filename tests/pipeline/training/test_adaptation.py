"""The losses of UTPL by hand: what a class learns from pairs, and what is left without them."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.scoring import phrase_logits
from pipeline.config.training import Focal, Utpl
from pipeline.training.adaptation import Adaptation
from pipeline.training.seen_pairs import SeenPairs


class ByHand(nn.Module):
    """A model whose text features are the prompts, or where there are none, what stands in the place of the phrases."""

    def class_prompts(self, phrases: Tensor, own: Tensor | None = None) -> Tensor:
        return phrases if own is None else own

    def text(self, phrases: Tensor, prompts: Tensor | None = None) -> Tensor:
        return phrases if prompts is None else prompts

    def phrase_logits(self, pairs: Tensor, text: Tensor) -> Tensor:
        return phrase_logits(pairs, text, 10.0)


class Learned(nn.Module):
    """Prompts that are set, and that nothing else changes."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.zeros(1, 2))

    def forward(self, guided: Tensor, *rest: Tensor) -> Tensor:
        return guided


def task(pairs: SeenPairs | None, **settings: Any) -> Adaptation:
    """One unseen class whose partner lies along the first axis."""
    seen = SimpleNamespace(phrases=torch.eye(2)[:1], hois=[0], descriptions=torch.eye(2)[:1])
    unseen = SimpleNamespace(phrases=torch.eye(2)[1:], hois=[1], descriptions=torch.eye(2)[1:])
    return Adaptation(
        ByHand(),  # type: ignore[arg-type]
        Learned(),  # type: ignore[arg-type]
        seen=seen,  # type: ignore[arg-type]
        unseen=unseen,  # type: ignore[arg-type]
        partners=SimpleNamespace(classes=seen, disparities=None, absent=None),  # type: ignore[arg-type]
        pairs=pairs,
        section=Utpl(batch_size=5, **settings),
        focal=Focal(),
        tau=1.0,
        seed=0,
    )


@pytest.mark.parametrize(
    ("positive_weight", "like_the_negative", "like_the_positive"),
    [
        # focal of logits 10 and 0 with label 0: 0.5 sigmoid(x)^0.2 ln(1 + e^x)
        (0.0, 0.5 * 10.0, 0.5 * 0.5**0.2 * math.log(2)),
        # and of the same with label 1 on the other example
        (1.0, 0.5 * 10.0 + 0.5 * 0.5**0.2 * math.log(2), 0.5 * 0.5**0.2 * math.log(2)),
    ],
)
def test_an_unseen_class_goes_away_from_its_negatives_and_to_its_positives(
    positive_weight: float, like_the_negative: float, like_the_positive: float
) -> None:
    """A negative example lies along the first axis, a positive one along the second."""
    pairs = SeenPairs(
        features=torch.eye(2),
        priors=torch.ones(2),
        negative=torch.tensor([[True], [False]]),
        positive=torch.tensor([[False], [True]]),
    )
    adaptation = task(pairs, positive_weight=positive_weight, negative_weight=1)
    for axis, wanted in enumerate((like_the_negative, like_the_positive)):
        adaptation.module.own.data = torch.eye(2)[axis : axis + 1]
        assert adaptation.losses(0)["negative"].item() == pytest.approx(wanted, rel=1e-3)


def test_without_pairs_the_other_losses_are_the_same() -> None:
    none = torch.zeros(2, 1, dtype=torch.bool)
    nothing = SeenPairs(features=torch.eye(2), priors=torch.ones(2), negative=none, positive=none)
    with_pairs, without = task(nothing).losses(0), task(None).losses(0)
    assert set(without) == {"align", "relation"} == set(with_pairs) - {"negative"}
    assert all(without[name].item() == with_pairs[name].item() for name in without)
    # What the module made of the prompts is what is told: 0 of both axes, and so no cosine with the partner.
    assert task(None).after().tolist() == [[0.0, 0.0]]
