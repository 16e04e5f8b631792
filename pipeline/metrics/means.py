"""The groups of classes over which means are taken: their names, their classes, and which of them tables show.

A further group is a line of `GROUPS`; reports, comparisons and the commands `evaluate` show it. Loading this module loads
nothing else, so that tables of records load neither numpy nor pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


def _all(unseen: Mask, rare: Mask) -> Mask:
    import numpy as np

    return np.ones_like(unseen)


GROUPS: Mapping[str, Callable[[Mask, Mask], Mask]] = {
    "full": _all,
    "seen": lambda unseen, rare: ~unseen,
    "unseen": lambda unseen, rare: unseen,
    "rare": lambda unseen, rare: rare,
    "non_rare": lambda unseen, rare: ~rare,
}
"""{group: function that gives its classes} of two masks (c,): the classes without training labels, and the rare ones."""
MAIN = ("full", "seen", "unseen")
"""The groups that tables of runs and of studies show."""
UNSEEN_FIRST = (*reversed(MAIN), *(group for group in GROUPS if group not in MAIN))
"""All groups in the order of tables of zero-shot detection: what the work is about comes first."""


def members(*, unseen: Mask, rare: Mask) -> dict[str, Mask]:
    """{group: (c,) mask of its classes}, where `unseen` and `rare` (c,) tell them apart."""
    return {group: has(unseen, rare) for group, has in GROUPS.items()}
