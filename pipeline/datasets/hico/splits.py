"""HICO-DET's zero-shot settings: which of the 600 classes get no training labels.

========== ======== ====================================================================
setting     unseen  meaning
========== ======== ====================================================================
rf_uc          120  unseen combinations, rare classes first; every verb and object is seen
nf_uc          120  unseen combinations, frequent classes first; every verb and object is seen
uo             100  every class of 12 objects
uv              84  every class of 20 verbs
default          0  fully supervised
========== ======== ====================================================================

The lists are those of VCL (rf_uc, nf_uc, uo) and GEN-VLKT (uv), which all later work uses.
"""

import difflib
from functools import lru_cache

from pipeline.datasets.hico.vocabulary import class_rows, hoi_classes

SETTINGS = ("rf_uc", "nf_uc", "uo", "uv", "default")
"""The settings' names, as configurations write them."""


@lru_cache(maxsize=len(SETTINGS))
def unseen(setting: str) -> frozenset[int]:
    """The ``hoi_id`` of every class that ``setting`` hides from training.

    Raises:
        ValueError: the setting is not one of :data:`SETTINGS`.
    """
    if setting not in SETTINGS:
        near = difflib.get_close_matches(setting.lower().replace("-", "_"), SETTINGS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown zero-shot setting {setting!r}: use one of {', '.join(SETTINGS)}{hint}")
    if setting == "default":
        return frozenset()
    return frozenset(int(row["hoi_id"]) for row in class_rows() if row[setting] == "1")


@lru_cache(maxsize=1)
def rare() -> frozenset[int]:
    """The ``hoi_id`` of the 138 classes with fewer than ten training pairs."""
    return frozenset(hoi.hoi_id for hoi in hoi_classes() if hoi.is_rare)
