"""A few example pairs of a class, remembered beside what the texts say of it (ADA-CM's memory, `models/heads/memory.py`).

A pair is compared with the examples by its fused feature and by the frozen CLIP's features of three crops: of the person, the
object, and both. Its similarity to the examples of a class (a weighted mean cosine) is scaled to the mean and the spread of
the texts' logits, both over pairs that are no examples of the class, and then counts `WEIGHT` times as much:

    logit = (text + WEIGHT * memory) / (1 + WEIGHT)

Features, weights and `WEIGHT` were chosen on validation scenes of the rendered world (docs/open-classes.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.heads.memory import Memory, affinity, remember
from pipeline.vocabulary.vocabulary import Hoi

CROPS = ("crop_human", "crop_object", "crop_union")
"""The columns of CLIP's features of the crops, (P, d_a) each."""
WEIGHTS: Mapping[str, float] = {"fused": 0.5, "crop_human": 0.125, "crop_object": 0.125, "crop_union": 0.25}
"""How much each cosine counts."""
WEIGHT = 4.0
"""How much more the memory counts than the texts."""
LEAST_SPREAD = 0.02
"""The least spread of cosines; pairs that differ less say nothing about the similarity of pairs."""


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """The examples of K classes.

    Attributes:
        verbs, objects: (K,) ids of the classes' verbs and objects.
        middle, slope, level: (K,); slope * (affinity - middle) + level is the memory's logit.
    """

    memory: Memory
    verbs: Tensor
    objects: Tensor
    middle: Tensor
    slope: Tensor
    level: Tensor
    weight: float

    def mixed(self, logits: Tensor, objects: Tensor, queries: Mapping[str, Tensor]) -> Tensor:
        """Mix the memory's logits into those (P, V) of the texts, for pairs with the object of a remembered class.

        Args:
            objects: (P,) object ids of the pairs; queries: their features by the names of `WEIGHTS`, (P, d_a) each.
        """
        pair, known = (objects[:, None] == self.objects[None]).nonzero(as_tuple=True)
        if not len(pair):
            return logits
        likeness = self._likeness({name: rows[pair] for name, rows in queries.items()})
        own = likeness.gather(1, known[:, None])[:, 0]
        remembered = self.slope[known] * (own - self.middle[known]) + self.level[known]
        mixed = logits.clone()
        place = pair, self.verbs[known]
        mixed[place] = (logits[place] + self.weight * remembered) / (1 + self.weight)
        return mixed

    def _likeness(self, queries: Mapping[str, Tensor]) -> Tensor:
        return affinity(self.memory, queries, WEIGHTS)


def learn(
    classes: Sequence[Hoi],
    queries: Mapping[str, Tensor],
    *,
    chosen: Tensor,
    shown: Tensor,
    text: Tensor,
    scale: float,
    weight: float = WEIGHT,
) -> Remembered:
    """Learn the memory of K classes from all P pairs of the pictures with their examples.

    Where every pair is an example of the class, the similarity of others is not known. Then a pair that is as similar as the
    examples are to each other gets their logit by the texts, and the learned scale says how much less other pairs get.

    Args:
        queries: features of the pairs by the names of `WEIGHTS`, (P, d_a) each.
        chosen: (P, K) bool, which pairs are remembered; every class has one.
        shown: (P, K) bool, which pairs are annotated with the class, remembered or not.
        text: (P, K) the texts' logits of the classes' verbs; scale: of their cosines.
    """
    memory = remember(queries, chosen)
    likeness = affinity(memory, queries, WEIGHTS)
    middle, slope, level = (torch.zeros(len(classes)) for _ in range(3))
    for place in range(len(classes)):
        others = ~shown[:, place]
        alike, said = likeness[others, place], text[others, place]
        if len(alike) > 1:
            middle[place], level[place] = alike.mean(), said.mean()
            slope[place] = said.std(correction=0) / alike.std(correction=0).clamp(min=LEAST_SPREAD)
        else:
            middle[place] = likeness[chosen[:, place], place].mean()
            level[place], slope[place] = text[chosen[:, place], place].mean(), scale
    return Remembered(
        memory=memory,
        verbs=torch.tensor([hoi.verb_id for hoi in classes]),
        objects=torch.tensor([hoi.object_id for hoi in classes]),
        middle=middle,
        slope=slope,
        level=level,
        weight=weight,
    )


def looks(table: Mapping[str, Any]) -> dict[str, Tensor]:
    """The features of a table of pairs by the names of `WEIGHTS`."""
    return {"fused": torch.as_tensor(table["feature"])} | {name: torch.as_tensor(table[name]) for name in CROPS}
