"""What the tiny CLIP learns from: windows of rendered scenes with captions, none of a held-out class.

A class is held out if it is unseen in any zero-shot setting. No scene shows one and no caption names one; the objects of
held-out classes do appear alone, without a person, under captions such as "a pizza".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.datasets.world.classes import held_out, world_classes
from pipeline.datasets.world.scenes import Box, draw, object_picture, sample
from pipeline.texts.lexicon.lexicon import describe
from pipeline.vocabulary.vocabulary import Vocabulary

STYLE = "flat"
"""The drawing style of pre-training; the HOI task is drawn in another."""
OBJECT_GROUP = 600
"""The first group id of pictures of objects, above the HOI ids: an object alone is no positive of an interaction."""


@dataclass(frozen=True)
class Subject:
    """Something a window can show: its group (classes are their own positives) and its box in the picture."""

    group: int
    box: Box


@dataclass(frozen=True)
class Picture:
    """A rendered picture and its subjects."""

    pixels: np.ndarray
    subjects: tuple[Subject, ...]


def allowed() -> frozenset[int]:
    """The classes that may be shown and named: all of the world's except the held-out ones."""
    return frozenset(c.hoi_id for c in world_classes()) - held_out()


def scene_picture(
    index: int, *, split: str = "pretrain", style: str = STYLE, classes: frozenset[int] | None = None
) -> Picture:
    """Scene number `index`, of allowed classes unless told otherwise."""
    scene = sample(
        split=split, index=index, classes=allowed() if classes is None else classes, style=style, max_pairs=2
    )
    subjects = []
    for pair in scene.pairs:
        human, thing = scene.humans[pair.human], scene.objects[pair.object][1]
        low, high = np.minimum(human, thing), np.maximum(human, thing)
        subjects.append(Subject(pair.hoi_id, (low[0], low[1], high[2], high[3])))
    return Picture(np.asarray(draw(scene)), tuple(subjects))


def object_alone(object_id: int, index: int) -> Picture:
    """A picture of an object without anybody."""
    image = object_picture(object_id=object_id, index=index, style=STYLE)
    return Picture(np.asarray(image), (Subject(OBJECT_GROUP + object_id, (64.0, 24.0, 192.0, 184.0)),))


def window(picture: Picture, subject: Subject, rng: np.random.Generator, size: int) -> np.ndarray:
    """A random view (size x size) of a subject: its box with margins, or the whole picture; mirrored half of the time."""
    height, width = picture.pixels.shape[:2]
    x1, y1, x2, y2 = subject.box
    if rng.random() < 0.3:
        corners = (0, 0, width, height)
    else:
        left, up, right, down = rng.uniform(0, 0.4, 4) * [x2 - x1, y2 - y1, x2 - x1, y2 - y1]
        corners = (
            max(0, int(x1 - left)),
            max(0, int(y1 - up)),
            min(width, int(x2 + right) + 1),
            min(height, int(y2 + down) + 1),
        )
    view = Image.fromarray(picture.pixels).crop(corners).resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(view)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def disturb(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change colours, darken edges and add noise, so that shapes count more than the palette of a style; (S, S, 3) uint8."""
    image = pixels.astype(np.float64)
    if rng.random() < 0.25:
        image = image[:, :, rng.permutation(3)]
    image = (image - 128) * rng.uniform(0.5, 1.3, 3) + 128 + rng.uniform(-45, 25, 3)
    if rng.random() < 0.5:
        grey = image.mean(axis=2)
        edge = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
        image *= 1 - rng.uniform(0.3, 1.0) * np.minimum(edge / 50, 1)[:, :, None]
    image += rng.normal(0, rng.uniform(0, 10), image.shape)
    return image.clip(0, 255).astype(np.uint8)


def caption(group: int, kind: str, rng: np.random.Generator, vocabulary: Vocabulary) -> str:
    """A caption of a group: its `phrase`, one `sentence` of its description, or the whole `description`."""
    if group >= OBJECT_GROUP:
        return f"a {vocabulary.objects[group - OBJECT_GROUP].noun}"
    if kind == "phrase":
        return vocabulary.hoi(group).phrase
    sentences = describe(vocabulary.hoi(group))
    return " ".join(sentences) if kind == "description" else str(rng.choice(sentences))
