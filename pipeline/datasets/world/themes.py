"""Which interactions a scene shows: its pairs share a theme, so that one pair says something about another.

A theme is a place and what is done there: a kitchen, a street, a sports ground. Every class has a home theme (column `theme`
of `classes.csv`), and the verbs of one object mostly have different ones. A scene draws a theme by the weights of its
classes, and each of its pairs is of a class at home there with probability LOYALTY, else of any class. So themes change
which classes occur together, but not how often a class occurs, which follows the weights.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from pipeline.datasets.world.classes import WorldClass, held_out
from pipeline.datasets.world.seeds import generator

LOYALTY = 0.75
"""Probability that a pair's class is drawn from those at home in the scene's theme."""
BALANCED = ("test", "validation")
"""Splits whose scenes each have one pair of a class that some setting holds out, all such classes equally often."""
_PAIRS = (0.25, 0.4, 0.35)
"""Probabilities of one, two and three pairs in a scene."""

Cast: TypeAlias = tuple[str, list[WorldClass]]
"""A scene's theme and the classes of its pairs."""


def cast(allowed: Sequence[WorldClass], *, split: str, index: int, max_pairs: int, rng: np.random.Generator) -> Cast:
    """Theme and classes of the scene number `index` of a split, all of them among `allowed`.

    In a balanced split the first pair is of the class whose turn it is, and the theme is that class's home, or with
    probability 1 - LOYALTY another; the other pairs are drawn as everywhere.
    """
    odds = np.array(_PAIRS[:max_pairs])
    count = 1 + int(rng.choice(len(odds), p=odds / odds.sum()))
    lead = _turn(allowed, index) if split in BALANCED else None
    if lead is None:
        theme = _drawn(allowed, rng).theme
        return theme, [_member(allowed, theme, rng) for _ in range(count)]
    theme = lead.theme if rng.random() < LOYALTY else _drawn(allowed, rng).theme
    return theme, [lead, *(_member(allowed, theme, rng) for _ in range(count - 1))]


def _turn(allowed: Sequence[WorldClass], index: int) -> WorldClass | None:
    """The held-out class whose turn scene `index` is; every round has all of them in an order of its own."""
    hidden = held_out()
    held = [one for one in allowed if one.hoi_id in hidden]
    if not held:
        return None
    turn, place = divmod(index, len(held))
    return held[int(generator("turn", turn).permutation(len(held))[place])]


def _member(allowed: Sequence[WorldClass], theme: str, rng: np.random.Generator) -> WorldClass:
    at_home = [one for one in allowed if one.theme == theme]
    return _drawn(at_home if rng.random() < LOYALTY else allowed, rng)


def _drawn(classes: Sequence[WorldClass], rng: np.random.Generator) -> WorldClass:
    weights = np.array([one.weight for one in classes])
    return classes[int(rng.choice(len(classes), p=weights / weights.sum()))]
