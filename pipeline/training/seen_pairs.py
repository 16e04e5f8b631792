"""The cached training pairs that match an annotated seen class: unseen classes learn from them without any label of their own.

A pair without an annotated seen class is left out, since it may show an unseen one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models.scoring import in_scope
from models.sizes import Scope
from pipeline.datasets.images import EXHAUSTIVE
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Vocabulary


@dataclass(frozen=True)
class SeenPairs:
    """Features (n, d_a) and detection priors (n,) of pairs, and for which of the U unseen classes each is an example (n, U).

    A pair is negative for u = (verb, object) if it is annotated with other verbs only, u's phrase speaks for it
    (`models.scoring.in_scope`), and the annotation of its picture is exhaustive: else it may show u as well. It is positive for
    u's verb if it is annotated with it, on another object.
    """

    features: Tensor
    priors: Tensor
    negative: Tensor
    positive: Tensor

    def draw(self, wanted: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Draw `size` positions, with repeats, of pairs that are an example for some class; none if there is no such pair."""
        usable = wanted.any(dim=1).nonzero().flatten()
        if not len(usable):
            return usable
        return usable[torch.randint(len(usable), (size,), generator=generator).to(usable.device)]


def read(
    pair_features: Artifact, *, vocabulary: Vocabulary, unseen: Sequence[int], seen: Sequence[int], scope: Scope
) -> SeenPairs:
    """Read the pairs from the artifact's `train-*` files; `unseen` and `seen` are HOI ids, `scope` is `utpl.scope`."""
    verb_of = np.zeros(1 + max(c.hoi_id for c in vocabulary.classes), np.int64)
    verb_of[[c.hoi_id for c in vocabulary.classes]] = [c.verb_id for c in vocabulary.classes]
    verbs = len(vocabulary.verbs)
    features, priors, objects, shown, exhaustive = [], [], [], [], []
    for name in pair_features.names("train-*"):
        path = pair_features.path(name)
        hois, rows = arrays.flat(path, "hois")
        own = np.isin(hois, seen)
        kept, position = np.unique(rows[own], return_inverse=True)
        with_verb = np.zeros((len(kept), verbs), dtype=bool)
        with_verb[position, verb_of[hois[own]]] = True
        telling = [EXHAUSTIVE] if EXHAUSTIVE in pq.read_schema(path).names else []
        data = arrays.read(path, ["feature", "prior", "object_id", *telling])
        exhaustive.append(data[EXHAUSTIVE][kept] if telling else np.ones(len(kept), dtype=bool))
        features.append(data["feature"][kept])  # a copy: the rest of the shard is let go
        priors.append(data["prior"][kept])
        objects.append(data["object_id"][kept])
        shown.append(with_verb)
    classes = [vocabulary.hoi(h) for h in unseen]
    positive = torch.from_numpy(np.concatenate(shown)[:, [c.verb_id for c in classes]])
    own_objects = torch.tensor([c.object_id for c in classes], dtype=torch.long)
    return SeenPairs(
        features=torch.from_numpy(np.concatenate(features).astype(np.float32, copy=False)),
        priors=torch.from_numpy(np.concatenate(priors).astype(np.float32, copy=False)),
        negative=~positive
        & torch.from_numpy(np.concatenate(exhaustive))[:, None]
        & in_scope(torch.from_numpy(np.concatenate(objects)), own_objects, scope=scope),
        positive=positive,
    )
