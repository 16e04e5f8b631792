"""What the tiny detector learns from: fresh rendered scenes with all their boxes, labelled only with names of objects.

A detector learns nothing about interactions. Scenes of all classes are shown, since COCO's photographs, from which the field's
detectors learn, also show every interaction of HICO-DET. No scene is one of a training or test split: scenes are a function of
the split's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pipeline.datasets.world.classes import world_classes
from pipeline.datasets.world.scenes import draw, sample
from pipeline.tiny.captions import disturb
from pipeline.vocabulary.vocabulary import PERSON

SPLIT, CALIBRATION = "detector", "detector-calibration"
"""The splits whose scenes it is shown, and by which its scores are calibrated; no dataset has them."""
DISTURBED = 0.3
"""The share of pictures whose colours and edges are disturbed."""
LEAST_SIDE = 2.0
"""The least side of a box from which it learns, in pixels."""


@dataclass(frozen=True)
class Boxed:
    """A picture, (3, H, W) float in 0..1, its boxes (n, 4) in pixels, and their places among `labels`, (n,)."""

    pixels: Tensor
    boxes: Tensor
    labels: Tensor


def object_ids() -> tuple[int, ...]:
    """The ids of the objects that the world draws, people first; position = label of the detector."""
    return (PERSON, *sorted({one.object_id for one in world_classes()} - {PERSON}))


@lru_cache(maxsize=16_000)
def _drawn(index: int, split: str, style: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (H, W, 3) uint8, boxes (n, 4) and labels (n,) of a scene; drawing costs as much as learning from it."""
    found = sample(split=split, index=index, style=style)
    place = {object_id: i for i, object_id in enumerate(object_ids())}
    boxes = np.array([*found.humans, *(box for _, box in found.objects)], dtype=np.float32).reshape(-1, 4)
    labels = [place[PERSON]] * len(found.humans) + [place[i] for i, _ in found.objects]
    kept = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_SIDE).all(axis=1)
    return np.asarray(draw(found)), boxes[kept], np.array(labels, dtype=np.int64)[kept]


def scene(index: int, *, split: str, style: str, rng: np.random.Generator | None = None) -> Boxed:
    """Scene number `index` of a split; with `rng` mirrored half of the time, and disturbed like the tiny CLIP's pictures."""
    pixels, boxes, labels = _drawn(index, split, style)
    if rng is not None:
        if rng.random() < 0.5:
            width = pixels.shape[1]
            pixels = pixels[:, ::-1]
            boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
        if rng.random() < DISTURBED:
            pixels = disturb(pixels, rng)
    values = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)
    return Boxed(values, torch.from_numpy(boxes.copy()), torch.from_numpy(labels))
