"""The learned scale of the cosines, which stage `utpl` hands on beside its texts as `scale.json`."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pipeline.errors import DataError
from pipeline.store.artifact import Artifact

FILE = "scale.json"


def write(folder: Path, value: float, *, seen: Artifact) -> None:
    """Write the scale that a training of stage `seen` learned; DataError naming it if it turns the scores around."""
    (folder / FILE).write_text(json.dumps(_positive(value, of=seen)), encoding="utf-8")


def read(utpl: Artifact) -> float:
    """The scale in an artifact of stage `utpl`; DataError naming it if it turns the scores around."""
    return _positive(utpl.json(FILE), of=utpl)


def _positive(value: float, *, of: Artifact) -> float:
    """The scale. Trainings of earlier versions may have ended with one that is not positive; now stage `seen` refuses it."""
    if not (isinstance(value, int | float) and 0 < value < math.inf):
        raise DataError(
            f"{of.place}: the learned scale of the cosines is {value}; it must be positive, or what fits least scores best. An "
            "earlier version let this pass: train again with a lower learning rate (seen.optimiser.lr), or give other weights "
            "(seen.weights)"
        )
    return float(value)
