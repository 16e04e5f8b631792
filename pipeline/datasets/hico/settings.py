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

from types import MappingProxyType

from pipeline.datasets.dataset import RARE_BELOW
from pipeline.datasets.hico.vocabulary import ROWS, TRAIN_COUNTS
from pipeline.vocabulary.settings import DEFAULT, Settings

_PUBLISHED = ("rf_uc", "nf_uc", "uo", "uv")


def _unseen(setting: str) -> frozenset[int]:
    return frozenset(int(row["hoi_id"]) for row in ROWS if row[setting] == "1")


SETTINGS: Settings = MappingProxyType({name: _unseen(name) for name in _PUBLISHED} | {DEFAULT: frozenset()})
"""The `hoi_id` of every class that a setting hides from training, by its name as configurations write it."""
RARE = frozenset(hoi_id for hoi_id, count in enumerate(TRAIN_COUNTS) if count < RARE_BELOW)
"""The 138 classes with fewer than ten training pairs."""
