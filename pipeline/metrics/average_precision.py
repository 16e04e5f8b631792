"""Average precision of one class from its ranked detections.

Six rules are in use for HICO-DET. Three read the precision envelope at the eleven recall levels 0, 0.1, ..., 1 and
differ only in how a level is written down as a floating-point number, which matters when recall *equals* it (3 of 10
found: is recall 0.3 at least 0.3?). The others integrate.

============== ====================================================================================================
rule           recall levels
============== ====================================================================================================
``tenths``     ``k * 0.1`` in float64, as the official MATLAB code and numpy's ``arange``: recall of exactly 0.3, 0.6
               or 0.7 misses its level
``linspace``   ``torch.linspace(0, 1, 11)`` in float64, as UPT's evaluation: only 0.3 misses
``exact``      compared in integers, ``10 * found >= k * annotated``: none misses
``all_points`` area under the envelope over every recall step
``auc``        the library ``pocket``'s: trapezoids under the precision itself, the last true positive left out
``int``        the same under the envelope; perfect detections of ten pairs score 0.9 by either
============== ====================================================================================================
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.tables.boxes import Floats

Rule: TypeAlias = Literal["tenths", "linspace", "exact", "all_points", "auc", "int"]
RULES: tuple[Rule, ...] = get_args(Rule)

_STEPS = np.arange(11, dtype=np.int64)
TENTHS: Floats = np.multiply(_STEPS, 0.1)
# torch fills the upper half from the end downwards, so 0.6 and 0.7 come out as the literals do.
LINSPACE: Floats = np.where(_STEPS < 5, TENTHS, 1.0 - TENTHS[::-1]).astype(np.float64)


def average_precision(hits: NDArray[np.bool_], n_truth: int, *, rule: Rule) -> float:
    """Average precision in [0, 1].

    Arguments:
        hits: ``[n]`` true-positive flags of one class, best score first.
        n_truth: annotated pairs of the class.
        rule: how recall is sampled, see the table above.

    Returns:
        0 without detections, nan without annotations.

    Raises:
        ValueError: the rule is unknown.
    """
    if rule not in RULES:
        raise ValueError(f"unknown average-precision rule {rule!r}: use one of {', '.join(RULES)}")
    if n_truth == 0:
        return float("nan")
    if not hits.any():
        return 0.0
    found = np.cumsum(hits, dtype=np.int64)
    precision = found / np.arange(1, len(found) + 1)
    envelope: Floats = np.maximum.accumulate(precision[::-1])[::-1]
    if rule in ("auc", "int"):
        return _trapezoids(precision if rule == "auc" else envelope, np.flatnonzero(hits)[:-1]) / n_truth
    if rule == "all_points":
        return float(envelope[hits].sum() / n_truth)
    reached = _first_at_level(found, n_truth, rule)
    return float(envelope[reached[reached < len(hits)]].sum() / len(_STEPS))


def _trapezoids(heights: Floats, steps: NDArray[np.int64]) -> float:
    """The sum of mean heights before and at each step; the height before the first rank is that of the first."""
    return float(0.5 * (heights[np.maximum(steps - 1, 0)] + heights[steps]).sum())


def _first_at_level(found: NDArray[np.int64], n_truth: int, rule: Rule) -> NDArray[np.int64]:
    """``[11]`` the first rank whose recall reaches each level; ``n`` where none does."""
    if rule == "exact":
        return np.searchsorted(10 * found, _STEPS * n_truth)
    return np.searchsorted(found / n_truth, TENTHS if rule == "tenths" else LINSPACE)
