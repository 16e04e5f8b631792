"""V-COCO's zero-shot settings: which of the 236 compositions get no training labels.

The field has not agreed on such settings for V-COCO; published numbers are of the supervised one (`default`).

========= ======== ==================================================================================================
setting    unseen  meaning
========= ======== ==================================================================================================
sg1           70   what V-COCO-SG's first split holds out (seed 2065)
sg2           69   what its second split holds out (seed 966)
sg3           72   what its third split holds out (seed 564)
rf_uc         47   unseen combinations, rare first, by VCL's rule; only 70 test pairs: too few for a result
nf_uc         47   unseen combinations, frequent first, by VCL's rule
uv            54   unseen verbs, ours: every fifth role from the second on in the files' order (sit on, eat, carry, work on,
                   kick)
default        0   fully supervised
========= ======== ==================================================================================================

V-COCO-SG's splits are taken from its published pair files, without `point`, since its published test files are incomplete.
Whether its second split holds out "look at keyboard" is not known; the class counts as seen.

VCL's rule: go through the classes by their training pairs (equal ones by number), and take a class as unseen unless its verb or
its object would then have no pair left among the classes that stay seen; stop at a fifth of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.vocabulary.settings import DEFAULT, Settings

PUBLISHED = ("sg1", "sg2", "sg3")
FIFTH = 47
"""How many classes the settings of combinations hide: a fifth of 236."""


def settings() -> Settings:
    """All settings by name."""
    rows = classes.compositions()
    counts = [int(row["train_count"]) for row in rows]
    verbs, things = [row["role"] for row in rows], [row["object"] for row in rows]
    hidden_roles = set(ROLES[1::5])
    return {
        **{name: frozenset(i for i, row in enumerate(rows) if row[name] == "1") for name in PUBLISHED},
        "rf_uc": by_rule(counts, verbs, things, count=FIFTH, frequent_first=False),
        "nf_uc": by_rule(counts, verbs, things, count=FIFTH, frequent_first=True),
        "uv": frozenset(i for i, verb in enumerate(verbs) if verb in hidden_roles),
        DEFAULT: frozenset(),
    }


def by_rule(
    counts: Sequence[int], verbs: Sequence[str], things: Sequence[str], *, count: int, frequent_first: bool
) -> frozenset[int]:
    """The unseen classes by VCL's rule.

    Args:
        counts: training pairs of each class.
        verbs: the verb of each class.
        things: the object of each class.
        count: how many unseen classes are wanted; there are fewer where the rule allows no more.
        frequent_first: whether the classes with most pairs are looked at first.
    """
    left: Counter[tuple[str, str]] = Counter()
    for pairs, verb, thing in zip(counts, verbs, things, strict=True):
        left["verb", verb] += pairs
        left["object", thing] += pairs
    hidden: set[int] = set()
    for hoi in sorted(range(len(counts)), key=lambda i: (-counts[i] if frequent_first else counts[i], i)):
        both = (("verb", verbs[hoi]), ("object", things[hoi]))
        if len(hidden) == count:
            break
        if all(left[key] > counts[hoi] for key in both):
            left.subtract(dict.fromkeys(both, counts[hoi]))
            hidden.add(hoi)
    return frozenset(hidden)
