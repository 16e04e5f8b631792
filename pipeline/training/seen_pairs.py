"""The cached training pairs that match an annotated seen class: what unseen classes learn from without any label of theirs.

A pair without an annotated seen class is left out: it may truly show an unseen one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.scoring import Scope, speaks
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Vocabulary


@dataclass(frozen=True)
class SeenPairs:
    """Features (n, d_a), detection priors (n,), and for which of the U unseen classes a pair is an example (n, U).

    A pair is negative for u = (verb, object) if it is annotated with other verbs only and u's phrase speaks for it
    (`models.scoring.speaks`). It is positive for u's verb if it is annotated with it, on another object.
    """

    features: Tensor
    priors: Tensor
    negative: Tensor
    positive: Tensor

    def draw(self, wanted: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """`size` positions, with repeats, of pairs that are an example for some class; none if there is no such pair."""
        usable = wanted.any(dim=1).nonzero().flatten()
        if not len(usable):
            return usable
        return usable[torch.randint(len(usable), (size,), generator=generator).to(usable.device)]


def read(
    pair_features: Artifact, *, vocabulary: Vocabulary, unseen: Sequence[int], seen: Sequence[int], scope: Scope
) -> SeenPairs:
    """From the artifact's `train-*` files; `unseen` and `seen` are HOI ids, `scope` is `utpl.scope`."""
    features, priors, objects, verbs = [], [], [], []
    for feature, prior, thing, mine in _matched(pair_features, frozenset(seen)):
        features.append(feature)
        priors.append(prior)
        objects.append(thing)
        verbs.append({vocabulary.hoi(h).verb_id for h in mine})
    classes = [vocabulary.hoi(h) for h in unseen]
    shape = (len(features), len(classes))
    positive = torch.tensor([[c.verb_id in own for c in classes] for own in verbs], dtype=torch.bool).reshape(shape)
    shown, own = (torch.tensor(ids, dtype=torch.long) for ids in (objects, [c.object_id for c in classes]))
    return SeenPairs(
        features=torch.from_numpy(np.array(features, dtype=np.float32)),
        priors=torch.tensor(np.array(priors, dtype=np.float32)),
        negative=~positive & speaks(shown, own, scope=scope),
        positive=positive,
    )


def _matched(artifact: Artifact, seen: frozenset[int]) -> Iterator[tuple[np.ndarray, float, int, list[int]]]:
    """(feature, prior, object, annotated seen classes) of every pair that has one."""
    for name in artifact.names("train-*"):
        data = arrays.read(artifact.path(name), ["feature", "prior", "object_id", "hois"])
        for feature, prior, thing, hois in zip(
            data["feature"], data["prior"], data["object_id"], data["hois"], strict=True
        ):
            if mine := [h for h in hois if h in seen]:
                yield feature, float(prior), int(thing), mine
