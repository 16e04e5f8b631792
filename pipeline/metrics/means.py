"""The groups of classes that means are taken over: what they are called, which classes each has, which of them tables show.

A further group is a line of `GROUPS`; reports, comparisons and the commands `evaluate` show it. It imports nothing, so that
whoever shows means of records loads neither numpy nor pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

GROUPS: Mapping[str, Callable[[Mask, Mask], Mask]] = {
    "full": lambda unseen, rare: unseen | ~unseen,
    "seen": lambda unseen, rare: ~unseen,
    "unseen": lambda unseen, rare: unseen,
    "rare": lambda unseen, rare: rare,
    "non_rare": lambda unseen, rare: ~rare,
}
"""{group: which of (c,) classes it has}, of two masks: the classes without training labels, and those with few."""
MAIN = ("full", "seen", "unseen")
"""The groups that tables of runs and of studies show."""
UNSEEN_FIRST = (*reversed(MAIN), *(group for group in GROUPS if group not in MAIN))
"""All groups as tables of zero-shot detection have them: what the work is about comes first."""


def members(*, unseen: Mask, rare: Mask) -> dict[str, Mask]:
    """{group: (c,) mask of its classes}, where `unseen` and `rare` (c,) tell them apart."""
    return {group: has(unseen, rare) for group, has in GROUPS.items()}
