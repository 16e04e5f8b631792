"""From the AP of every class to the means that papers report."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pipeline.metrics.means import members


def summarise(per_class: pd.DataFrame, *, unseen: Collection[int], rare: Collection[int]) -> dict[str, float]:
    """Mean AP in percent over the groups of classes that papers report.

    Arguments:
        per_class: the result of :func:`pipeline.metrics.evaluation.evaluate`.
        unseen: ``hoi_id`` without training labels; ids that were not evaluated are ignored.
        rare: ``hoi_id`` with fewer than ten training pairs.

    Returns:
        A mean for every group of `pipeline.metrics.means.GROUPS`, and ``harmonic_mean`` (of seen and unseen). Classes
        without annotations count nowhere; a group without any other class is left out, and so is its harmonic mean.
    """
    hoi = per_class["hoi_id"].to_numpy(dtype=np.int64)
    ap = per_class["ap"].to_numpy(dtype=np.float64)
    is_unseen = np.isin(hoi, np.fromiter(unseen, dtype=np.int64, count=len(unseen)))
    is_rare = np.isin(hoi, np.fromiter(rare, dtype=np.int64, count=len(rare)))
    annotated = ~np.isnan(ap)
    means = {
        group: 100.0 * float(ap[its & annotated].mean())
        for group, its in members(unseen=is_unseen, rare=is_rare).items()
        if (its & annotated).any()
    }
    if "seen" in means and "unseen" in means:
        total = means["seen"] + means["unseen"]
        means["harmonic_mean"] = 2.0 * means["seen"] * means["unseen"] / total if total > 0 else 0.0
    return means
