"""From pictures with annotated pairs to a memory of them: which detected pair each example is, and its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from pipeline.errors import DataError
from pipeline.predict.examples import MOST, Example
from pipeline.predict.remembered import CROPS, Remembered, learn, looks
from pipeline.predict.scoring import BOXES

if TYPE_CHECKING:
    from pipeline.predict.predictor import Predictor

BATCH = 8
"""Pictures a forward pass."""
SAME = 0.5
"""Intersection over union above which both boxes of a pair are those of an example, as ADA-CM has it."""


def learned(predictor: Predictor, examples: Sequence[Example], *, weight: float) -> Remembered:
    """The memory of a predictor's examples, by its own features.

    Raises:
        DataError: a picture cannot be read, or the boxes of a pair are not among those that are kept of it.
    """
    vocabulary, scorer = predictor.vocabulary, predictor.words.scorer
    ids = sorted({int(h) for one in examples for h in one.hois})
    column = {h: place for place, h in enumerate(ids)}
    left = dict.fromkeys(ids, MOST)
    tables, shown, chosen = [], [], []
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        prepared = [predictor.prepare(one.picture, one.boxes, keep=True) for one in some]
        table = predictor.pairs(prepared, crops=True).table
        boxes = np.stack([table[name] for name in BOXES], axis=1)
        told, kept = (torch.zeros(len(boxes), len(ids), dtype=torch.bool) for _ in range(2))
        for place, one in enumerate(some):
            rows = np.flatnonzero(table["image_id"] == place)
            for h, pair in zip(one.hois.tolist(), one.pairs, strict=True):
                mine = rows[table["object_id"][rows] == vocabulary.hoi(h).object_id]
                likeness = _likeness(boxes[mine], pair)
                if not (likeness > SAME).any():
                    raise DataError(
                        f"{one.picture}: an example of {vocabulary.hoi(h).name} has boxes that are not kept of the picture "
                        f"(at most {predictor.header.pairing.max_instances} persons and objects are); take it out"
                    )
                told[mine[likeness > SAME], column[h]] = True
                if left[h]:
                    kept[mine[likeness.argmax()], column[h]] = True
                    left[h] -= 1
        tables.append({name: table[name] for name in ("object_id", "prior", "feature", *CROPS)})
        shown.append(told)
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
    """(n,): the lesser intersection over union of both boxes of pairs (n, 8) with those of a pair (8,)."""
    found, wanted = torch.from_numpy(boxes), torch.from_numpy(pair)[None]
    both = [box_iou(found[:, side], wanted[:, side])[:, 0] for side in (slice(0, 4), slice(4, 8))]
    return torch.minimum(*both).numpy()
