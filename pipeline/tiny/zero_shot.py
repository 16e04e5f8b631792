"""What the frozen tiny CLIP knows without any prompt learning: classification of annotated pairs in fresh scenes."""

from __future__ import annotations

import numpy as np
import torch

from models.clip import Clip
from pipeline.config.data import Data
from pipeline.datasets import configured
from pipeline.datasets.world.classes import held_out
from pipeline.errors import DataError
from pipeline.tiny.captions import scene_picture


def measure(clip: Clip, *, scenes: int = 600, style: str = "outlined") -> dict[str, dict[str, float]]:
    """Measure classes shown in pre-training and held-out ones, on union boxes with plain phrases.

    Each has `mAP` and its `chance` (mean share of positives); both also `given_object`, among the pairs with the class's
    own object, where only the verb can tell; `verb_given_object` (top-1 among all classes of the true object, so that a
    bias to shown classes costs) and its `verb_chance`; and the number of `pairs`. Shares, not percent.
    """
    vocabulary = configured.dataset(Data(source="world")).vocabulary
    hois = np.array(vocabulary.ids)
    objects = vocabulary.object_of[hois]
    text, _ = clip.embed_texts([hoi.phrase for hoi in vocabulary.classes])
    views, truth = [], []
    for index in range(scenes):
        picture = scene_picture(index, split="zero-shot", style=style, classes=frozenset(hois.tolist()))
        for subject in picture.subjects:
            x1, y1, x2, y2 = (round(v) for v in subject.box)
            crop = torch.from_numpy(picture.pixels[max(0, y1) : y2 + 1, max(0, x1) : x2 + 1].copy()).permute(2, 0, 1)
            views.append(
                torch.nn.functional.interpolate(
                    crop[None].float(), (clip.image_size,) * 2, mode="bilinear", antialias=True
                )[0]
            )
            truth.append(subject.group)
    labels = np.searchsorted(hois, np.array(truth))
    features = torch.cat(
        [clip.embed_images(clip.normalise(torch.stack(views[i : i + 64])))[:, 0] for i in range(0, len(views), 64)]
    )
    logits = (torch.nn.functional.normalize(features, dim=-1) @ text.T).numpy()
    return {
        name: _figures(logits, labels, objects, np.isin(hois, sorted(held_out())) == hidden)
        for name, hidden in (("shown", False), ("held_out", True))
    }


def _figures(logits: np.ndarray, labels: np.ndarray, objects: np.ndarray, group: np.ndarray) -> dict[str, float]:
    mine = group[labels]
    rivals = objects[labels][:, None] == objects[None]
    right = np.where(rivals, logits, -np.inf).argmax(axis=1) == labels
    everywhere, given_object = [], []
    for c in np.flatnonzero(group):
        if (labels == c).any():
            same_object = objects[labels] == objects[c]
            everywhere.append(_precision(logits[:, c], labels == c))
            if not (labels[same_object] == c).all():
                given_object.append(_precision(logits[same_object, c], labels[same_object] == c))
    if not given_object:
        raise DataError(
            "so few scenes show no two classes of one object that could be told apart; take more (--scenes)"
        )
    (mean, chance), (mean_given, chance_given) = (np.mean(rows, axis=0) for rows in (everywhere, given_object))
    return {
        "mAP": float(mean),
        "chance": float(chance),
        "mAP_given_object": float(mean_given),
        "chance_given_object": float(chance_given),
        "verb_given_object": float(right[mine].mean()),
        "verb_chance": float((1 / rivals.sum(axis=1))[mine].mean()),
        "pairs": int(mine.sum()),
    }


def _precision(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """The average precision of a ranking, and the share of positives, which chance would reach."""
    hits = np.flatnonzero(positive[np.argsort(-scores, kind="stable")])
    return float(np.mean(np.arange(1, len(hits) + 1) / (hits + 1))), float(positive.mean())
