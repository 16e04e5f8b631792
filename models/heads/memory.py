"""ADA-CM's training-free memory (Lei et al., ICCV 2023): a pair is scored by how much it looks like annotated pairs.

    choose      chooses the annotated pairs that are remembered, a few for each verb
    compose     composes rows of unseen classes: the human of one seen pair, the object of another
    remember    averages the rows of each verb
    affinity    tells how similar a pair is to the rows of each verb
    logits      adds what the texts say
    MemoryHead  all of it as a head, which learns nothing

The paper keeps the rows M and their multi-hot labels L, and weighs row n of verb v by L_nv / n_v, n_v = rows of v:
phi = x M^T L / n. That is the product of x with the mean of v's rows, so only the means are kept: the numbers are the same,
and a memory of any length costs one row for each verb.

A column of labels may be a verb or a class: the row `memory` of a report remembers verbs; a user's own classes with a few
example pairs are remembered as classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from models.heads.head import Examples, FittedHead, Texts
from models.heads.kinds import MemoryOptions
from models.heads.record import PairRecord

TEMPERATURE = 0.05
"""Temperature of the softmax over the verbs that a pair's object can have."""
WEIGHTS: Mapping[str, float] = {"human": 0.25, "object": 0.25, "union": 0.5}
"""0.5 phi_HO + 0.5 phi_U, where phi_HO halves the product with [human; object], two features of unit length."""


@dataclass(frozen=True)
class Memory:
    """What is remembered of C verbs (or classes), by name of the feature: means (C, d) of unit rows, and numbers of rows (C,).

    A verb without a row has zeros.
    """

    means: Mapping[str, Tensor]
    counts: Mapping[str, Tensor]

    def __add__(self, other: Memory) -> Memory:
        """The memory of the rows of both, which have the same columns; a feature that only one has stays as it is."""
        means, counts = dict(self.means), dict(self.counts)
        for name, count in other.counts.items():
            if name in counts:
                sums = means[name] * counts[name][:, None] + other.means[name] * count[:, None]
                counts[name] = counts[name] + count
                means[name] = sums / counts[name].clamp(min=1)[:, None]
            else:
                means[name], counts[name] = other.means[name], count
        return Memory(means, counts)


def choose(labels: Tensor, *, generator: torch.Generator, per_verb: int) -> Tensor:
    """The positions (N,), rising, of the rows to remember: at most `per_verb` rows of each verb, drawn at random.

    A row that is drawn for one verb is remembered with all its labels, so a verb may have more.

    Args:
        labels: (P, V) bool.
    """
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    among_first = (shuffled.cumsum(dim=0) <= per_verb) & shuffled
    return order[among_first.any(dim=1)].sort().values


def compose(
    labels: Tensor,
    objects: Tensor,
    classes: Sequence[tuple[int, int]],
    *,
    generator: torch.Generator,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compose rows of unseen classes of seen pairs: whose human, whose object, and which verb, (M,) each.

    The human is from a pair with the class's verb and another object, the object from a pair with the class's object and
    another verb. For each class `most` such combinations are drawn and repeats dropped, so a class with few combinations
    has fewer rows, and none where one half is missing.

    Args:
        labels: (P, V) bool; objects: (P,) object ids of the pairs.
        classes: verb and object id of each unseen class.
    """
    humans, things, verbs = [], [], []
    for verb, thing in classes:
        with_verb = (labels[:, verb] & (objects != thing)).nonzero().flatten()
        with_object = (~labels[:, verb] & (objects == thing)).nonzero().flatten()
        combinations = len(with_verb) * len(with_object)
        if combinations:
            drawn = torch.randint(combinations, (most,), generator=generator).unique()
            humans.append(with_verb[drawn // len(with_object)])
            things.append(with_object[drawn % len(with_object)])
            verbs.append(torch.full_like(drawn, verb))
    none = torch.zeros(0, dtype=torch.long)
    return tuple(torch.cat([none, *found]) for found in (humans, things, verbs))  # type: ignore[return-value]


def remember(features: Mapping[str, Tensor], labels: Tensor) -> Memory:
    """Make the memory of the given rows.

    Args:
        features: (N, d) each, of any length; by name, such as `human`, `object` and `union`.
        labels: (N, C), multi-hot: a row counts for every verb that it shows.
    """
    count = labels.sum(dim=0)
    share = labels.float() / count.clamp(min=1)
    means = {name: share.T @ nn.functional.normalize(rows.float(), dim=-1) for name, rows in features.items()}
    return Memory(means, dict.fromkeys(means, count))


def affinity(memory: Memory, queries: Mapping[str, Tensor], weights: Mapping[str, float] = WEIGHTS) -> Tensor:
    """The weighted mean cosine (P, C) of each pair with the rows of each verb.

    A verb without rows gets the mean of the others: the memory then says nothing for or against it, and the texts decide.
    (The formula's bare sum would give it 0, less than any verb with rows, since pictures are more similar to pictures than
    to texts.) Without any row all are 0.

    Args:
        queries: (P, d) each, of any length, by the names that `weights` has.
    """
    total: Tensor | float = 0.0
    for name, weight in weights.items():
        cosines = nn.functional.normalize(queries[name].float(), dim=-1) @ memory.means[name].T
        there = memory.counts[name] > 0
        others = cosines[:, there].mean(dim=1, keepdim=True) if there.any() else torch.zeros_like(cosines[:, :1])
        total = total + weight * torch.where(there, cosines, others)
    assert isinstance(total, Tensor), "weights name no feature"
    return total


def logits(affinities: Tensor, text: Tensor, *, weight: float = 1.0) -> Tensor:
    """The logits (P, C): (weight * affinity + cosine with the text) / 2; the paper's weight is 1.

    Args:
        affinities: (P, C), of `affinity`; text: (P, C), cosines of the pairs' union features with the verbs' texts.
    """
    return (weight * affinities + text) / 2


class MemoryHead(FittedHead):
    """The memory of the seen classes' training pairs, and of rows composed for the unseen ones; scores as in the paper.

    Args:
        human, object, union: (V, d) means of each verb's rows; pairs, unions: (V,) numbers of these rows.
        text: (V, d) features of the verbs, unit length; valid: (O, V) bool, the verbs that an object can have.
    """

    human: Tensor
    object: Tensor
    union: Tensor
    pairs: Tensor
    unions: Tensor
    text: Tensor
    valid: Tensor

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name in ("human", "object", "union", "pairs", "unions", "text", "valid"):
            self.register_buffer(name, tensors[name])

    @classmethod
    def fresh(cls, *, texts: Texts, examples: Examples, options: MemoryOptions, generator: torch.Generator) -> Self:
        """The memory of some of the examples; there is nothing left to train."""
        unseen = zip(texts.verbs[texts.unseen].tolist(), texts.objects[texts.unseen].tolist(), strict=True)
        return cls.of(
            examples,
            text=texts.of_verbs(texts.phrases),
            valid=texts.valid,
            unseen=list(unseen),
            options=options,
            generator=generator,
        )

    @classmethod
    def of(
        cls,
        examples: Examples,
        *,
        text: Tensor,
        valid: Tensor,
        unseen: Sequence[tuple[int, int]],
        options: MemoryOptions,
        generator: torch.Generator,
    ) -> Self:
        """The memory of some of the examples.

        Args:
            text: (V, d) features of the verbs, unit length; valid: (O, V) bool, the verbs that an object can have.
            unseen: verb and object id of each unseen class.
        """
        annotated = examples.take(examples.shown.any(dim=1).nonzero().flatten())
        labels, regions = annotated.shown, annotated.pairs.regions()
        rows = choose(labels, generator=generator, per_verb=options.pairs)
        memory = remember({name: values[rows] for name, values in regions.items()}, labels[rows])
        human, thing, verb = compose(
            labels, annotated.pairs.objects, unseen, generator=generator, most=options.composed
        )
        halves = {"human": regions["human"][human], "object": regions["object"][thing]}
        memory = memory + remember(halves, nn.functional.one_hot(verb, len(text)))
        counts = {"pairs": memory.counts["human"], "unions": memory.counts["union"]}
        return cls(**memory.means, **counts, text=text, valid=valid)

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The head with stored tensors."""
        return cls(**state)

    def logits(self, pairs: PairRecord) -> Tensor:
        """The logits (P, V): (0.5 phi_HO + 0.5 phi_U + phi_T) / 2."""
        means = {"human": self.human, "object": self.object, "union": self.union}
        counts = {"human": self.pairs, "object": self.pairs, "union": self.unions}
        queries = pairs.regions()
        text = nn.functional.normalize(queries["union"].float(), dim=-1) @ self.text.T
        return logits(affinity(Memory(means, counts), queries), text)

    def scores(self, pairs: PairRecord) -> Tensor:
        """The softmax (P, V) of the logits over the verbs that the pair's object can have; 0 for the others."""
        possible = self.valid[pairs.objects]
        chance = (self.logits(pairs) / TEMPERATURE).masked_fill(~possible, -torch.inf).softmax(dim=1)
        return torch.where(possible, chance, 0.0)


HEAD = MemoryHead
