"""What the frozen tiny CLIP knows without any prompt learning: classification of annotated pairs in fresh scenes."""

from __future__ import annotations

import numpy as np
import torch

from models.clip import Clip, normalise
from pipeline.hico.vocabulary import hoi_classes
from pipeline.world.captioned import scene_picture
from pipeline.world.classes import held_out, world_classes


def measure(clip: Clip, *, scenes: int = 600, style: str = "outlined") -> dict[str, dict[str, float]]:
    """Figures of the classes shown in pre-training and of the held-out ones, on union boxes with plain phrases.

    Each has `mAP` and its `chance` (mean share of positives), `verb_given_object` (top-1 among the classes of the true
    object) and its `verb_chance`, and the number of `pairs`. Shares, not percent.
    """
    hois = np.array([c.hoi_id for c in world_classes()])
    objects = np.array([hoi_classes()[h].object_id for h in hois])
    text, _ = clip.embed_texts([hoi_classes()[h].phrase for h in hois])
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
        [clip.embed_images(normalise(torch.stack(views[i : i + 64])))[:, 0] for i in range(0, len(views), 64)]
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
    precision, share = [], []
    for c in np.flatnonzero(group):
        positive = labels == c
        if positive.any():
            ranked = positive[np.argsort(-logits[:, c], kind="stable")]
            hits = np.flatnonzero(ranked)
            precision.append(np.mean(np.arange(1, len(hits) + 1) / (hits + 1)))
            share.append(positive.mean())
    return {
        "mAP": float(np.mean(precision)),
        "chance": float(np.mean(share)),
        "verb_given_object": float(right[mine].mean()),
        "verb_chance": float((1 / rivals.sum(axis=1))[mine].mean()),
        "pairs": int(mine.sum()),
    }
