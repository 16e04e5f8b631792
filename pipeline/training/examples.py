"""The cached training pairs with their labels, as heads learn from them (`models.heads.head.Examples`).

Only labels of seen classes are read. Of the pairs of stage `pair_features`, those count that match an annotated pair of a
seen class, and those that were drawn whatever they match; any other pair may show an unseen class. Where the annotation of a
picture is not exhaustive, verbs that it does not name have no label.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch

from models.heads.head import Examples
from models.heads.kinds import Column
from pipeline.datasets.images import EXHAUSTIVE
from pipeline.learned import records
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Vocabulary

DRAWN = "drawn"
"""The column which tells the training pairs that were drawn whatever they match; absent where none were."""
ALWAYS = ("object_id", "prior", "feature")
"""The columns that every record has."""


def read(
    pair_features: Artifact,
    *,
    vocabulary: Vocabulary,
    seen: Sequence[int],
    unseen: Sequence[int],
    columns: Collection[Column] = (),
) -> Examples:
    """Read the examples from the artifact's `train-*` files, shard by shard.

    Args:
        seen, unseen: HOI ids.
        columns: the further columns of the record that are wanted.

    Raises:
        DataError: a wanted column was not computed.
    """
    verb_of, object_of = vocabulary.verb_of, vocabulary.object_of
    parts: dict[str, list[np.ndarray]] = {}
    for name in pair_features.names("train-*"):
        path = pair_features.path(name)
        hois, rows = arrays.flat(path, "hois")
        table = arrays.read(path)
        of_seen = np.isin(hois, seen)
        hois, rows = hois[of_seen], rows[of_seen]
        own = object_of[hois] == table["object_id"][rows]  # boxes of two objects may overlap
        shown = np.zeros((len(table["object_id"]), len(vocabulary.verbs)), dtype=bool)
        shown[rows[own], verb_of[hois[own]]] = True
        kept = shown.any(axis=1) | table.get(DRAWN, np.zeros(len(shown), dtype=bool))
        found = {key: table[key] for key in (*ALWAYS, *columns) if key in table} | {"shown": shown}
        found[EXHAUSTIVE] = table.get(EXHAUSTIVE, np.ones(len(shown), dtype=bool))
        for key, values in found.items():
            parts.setdefault(key, []).append(values[kept])  # a copy: the rest of the shard is let go
    joined = {key: np.concatenate(values) for key, values in parts.items()}
    labels = torch.from_numpy(joined["shown"])
    pairs = records.record(joined, columns)
    valid, of_unseen = (torch.from_numpy(vocabulary.valid(ids))[pairs.objects] for ids in (seen, unseen))
    told = torch.from_numpy(joined[EXHAUSTIVE])[:, None]
    absent = of_unseen & ~labels & labels.any(dim=1, keepdim=True) & told
    return Examples(pairs=pairs, shown=labels, counted=valid & (labels | told), absent=absent)
