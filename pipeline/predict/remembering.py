"""From pictures with annotated pairs to a memory of them: which detected pair each example is, and its features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from pipeline.datasets.dataset import BOXES
from pipeline.errors import DataError
from pipeline.predict.examples import MOST, Example
from pipeline.predict.remembered import CROPS, Remembered, learn, looks
from pipeline.predict.scorer import Scorer
from pipeline.vocabulary.vocabulary import Vocabulary

BATCH = 8
"""How many pictures a forward pass has."""
SAME = 0.5
"""The intersection over union above which both boxes of a pair are those of an example, as in ADA-CM."""


Paired = Callable[[Sequence[Example]], dict[str, Any]]
"""The table of all pairs of some examples' pictures, with their crops' features (`Predictor.pairs`)."""


def learned(
    examples: Sequence[Example], paired: Paired, *, vocabulary: Vocabulary, scorer: Scorer, weight: float
) -> Remembered:
    """Learn the memory of examples by the features of the model that is to remember them.

    Args:
        scorer: the model's scorer, which remembers nothing yet.

    Raises:
        DataError: a picture cannot be read, or the boxes of a pair are not among those that are kept of it.
    """
    ids = sorted({int(h) for one in examples for h in one.hois})
    column = {h: place for place, h in enumerate(ids)}
    left = dict.fromkeys(ids, MOST)
    tables, shown, chosen = [], [], []
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        table = paired(some)
        boxes = np.stack([table[name] for name in BOXES], axis=1)
        alike, kept = (torch.zeros(len(boxes), len(ids), dtype=torch.bool) for _ in range(2))
        for place, one in enumerate(some):
            rows = np.flatnonzero(table["image_id"] == place)
            for h, pair in zip(one.hois.tolist(), one.pairs, strict=True):
                mine = rows[table["object_id"][rows] == vocabulary.hoi(h).object_id]
                likeness = _likeness(boxes[mine], pair)
                if not (likeness > SAME).any():
                    raise DataError(
                        f"{one.picture}: an example of {vocabulary.hoi(h).name} has boxes that are not kept of the picture "
                        "(pairing.max_instances says how many are); take it out"
                    )
                alike[mine[likeness > SAME], column[h]] = True
                if left[h]:
                    kept[mine[likeness.argmax()], column[h]] = True
                    left[h] -= 1
        tables.append({name: table[name] for name in ("object_id", "prior", "feature", *CROPS)})
        shown.append(alike)
        chosen.append(kept)
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    texts = scorer.logits(whole)
    classes = [vocabulary.hoi(h) for h in ids]
    return learn(
        classes,
        looks(whole),
        chosen=torch.cat(chosen),
        shown=torch.cat(shown),
        text=texts[:, [hoi.verb_id for hoi in classes]],
        scale=scorer.scale,
        weight=weight,
    )


def _likeness(boxes: NDArray[np.float32], pair: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each of n pairs (n, 8), the lesser intersection over union of its two boxes with those of a pair (8,)."""
    found, wanted = torch.from_numpy(boxes), torch.from_numpy(pair)[None]
    both = [box_iou(found[:, side], wanted[:, side])[:, 0] for side in (slice(0, 4), slice(4, 8))]
    return torch.minimum(*both).numpy()
