"""Training and test pictures: as the annotation states them, or drawn by a seeded rule.

Drawn by picture and stratified: every class keeps a picture for training, and of every class, the rarest first, the asked share
of its pictures is for testing. Pictures that nearly look the same are on one side, as frames of a video are: a model that has
learned from one would be tested on what it knows. Where the splits are stated, pictures that are on both sides are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.own.problems import listed
from pipeline.errors import DataError
from pipeline.store import digest

NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "test", "validation": "test"}
SIDE = 16
"""The side of the grid of places at which brightness is compared."""
ALIKE = 12
"""Pictures nearly look the same (one saved anew, or resized) if at most so many of the grid's 256 comparisons differ."""
FLAT = 4
"""How many grey values two places have to differ by; a smaller difference is noise."""
READERS = 4
BLOCK = 1024


def stated(splits: Sequence[str]) -> list[str] | None:
    """train or test for every picture; None if no picture states its split.

    Raises:
        DataError: only some pictures state one, or one is another word.
    """
    given = {split.strip().lower() for split in splits}
    if given <= {""}:
        return None
    if "" in given:
        missing = sum(not split.strip() for split in splits)
        raise DataError(f"{missing:,} of {len(splits):,} pictures have no split; tell it of all, or of none")
    if unknown := sorted(given - NAMES.keys()):
        raise DataError(f"a picture's split is {listed(map(repr, unknown))}; write train or test")
    return [NAMES[split.strip().lower()] for split in splits]


def drawn(
    count: int,
    images: NDArray[np.int64],
    classes: NDArray[np.int64],
    *,
    share: float,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> list[str]:
    """train or test for every picture.

    Args:
        count: how many pictures there are.
        images: (n,) the picture of each interaction.
        classes: (n,) its class, any number.
        share: the part of the pictures that is for testing, 0..1.
        groups: (count,) pictures with the same number stay together; None if each stands for itself.
    """
    group = np.arange(count) if groups is None else groups
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    shows = (
        np.unique(np.stack([group[images], classes], axis=1), axis=0)
        if len(images)
        else np.zeros((0, 2), dtype=np.int64)
    )
    numbers, totals = np.unique(shows[:, 1], return_counts=True)
    side = np.full(count, -1, dtype=np.int64)  # by group: 1 is test, 0 training, -1 not said yet
    by_class = [shows[shows[:, 1] == number, 0] for number in numbers[np.argsort(totals, kind="stable")].tolist()]
    by_class = [mine[np.argsort(rank[mine])] for mine in by_class]
    for mine in by_class:
        if not (side[mine] == 0).any():
            side[mine[0]] = 0
    for mine in by_class:
        free = mine[side[mine] < 0]
        wanted = int(np.floor(share * len(mine) + 0.5)) - int((side[mine] == 1).sum())
        side[free[: max(0, wanted)]] = 1
    every = np.unique(group)
    rest = every[side[every] < 0]
    wanted = round(share * len(every)) - int((side[every] == 1).sum())
    side[rest[np.argsort(rank[rest])][: max(0, wanted)]] = 1
    return ["test" if side[number] == 1 else "train" for number in group.tolist()]


def in_both(paths: Sequence[Path], split: Sequence[str]) -> list[tuple[int, int]]:
    """(place of the test picture, place of an equal training picture) of every picture that is in both.

    Only files of equal size are read.
    """
    train: dict[int, list[int]] = {}
    sizes = [path.stat().st_size if path.is_file() else -1 for path in paths]
    for place, (size, side) in enumerate(zip(sizes, split, strict=True)):
        if side == "train" and size >= 0:
            train.setdefault(size, []).append(place)
    known: dict[int, dict[str, int]] = {}
    found = []
    for place, (size, side) in enumerate(zip(sizes, split, strict=True)):
        if side == "test" and size in train:
            if size not in known:
                known[size] = {digest.of_file(paths[one]): one for one in reversed(train[size])}
            if (twin := known[size].get(digest.of_file(paths[place]))) is not None:
                found.append((place, twin))
    return found


def alike(paths: Sequence[Path]) -> NDArray[np.int64]:
    """(n,) a number for each picture, the same for those that nearly look the same; each is opened and decoded."""
    with ThreadPoolExecutor(READERS) as pool:
        signs = (
            np.stack(list(pool.map(_signs, paths))) if paths else np.zeros((0, 2 * SIDE * SIDE // 64), dtype=np.uint64)
        )
    group = np.arange(len(paths))
    for start in range(0, len(paths), BLOCK):
        mine = signs[start : start + BLOCK]
        differ = np.zeros((len(mine), len(paths)), dtype=np.uint16)
        for word in range(signs.shape[1]):
            differ += np.bitwise_count(mine[:, word, None] ^ signs[None, :, word])
        for one, other in zip(*np.nonzero(differ <= ALIKE), strict=True):
            first, second = group[start + one], group[other]
            if first != second:
                group[group == max(first, second)] = min(first, second)
    return group


def _signs(path: Path) -> NDArray[np.uint64]:
    """Where the picture is clearly brighter, and where clearly darker, than one place to the left: packed bits."""
    from pipeline.datasets.images import read_upright

    image = read_upright(path).convert("L").resize((SIDE + 1, SIDE))
    values = np.asarray(image, dtype=np.int16)
    steps = values[:, 1:] - values[:, :-1]
    bits = np.concatenate([(steps > FLAT).ravel(), (steps < -FLAT).ravel()])
    return np.packbits(bits).view(np.uint64)
