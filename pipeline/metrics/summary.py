"""From the AP of every class to the means that papers report."""

from collections.abc import Collection

import numpy as np
import pandas as pd


def summarise(per_class: pd.DataFrame, *, unseen: Collection[int], rare: Collection[int]) -> dict[str, float]:
    """Mean AP in percent over the groups of classes that papers report.

    Arguments:
        per_class: the result of :func:`pipeline.metrics.evaluate`.
        unseen: ``hoi_id`` without training labels; ids that were not evaluated are ignored.
        rare: ``hoi_id`` with fewer than ten training pairs.

    Returns:
        ``full``, ``seen``, ``unseen``, ``rare``, ``non_rare`` and ``harmonic_mean`` (of seen and unseen). Classes
        without annotations count nowhere; a group without any other class is left out, and so is its harmonic mean.
    """
    hoi = per_class["hoi_id"].to_numpy(dtype=np.int64)
    ap = per_class["ap"].to_numpy(dtype=np.float64)
    is_unseen = np.isin(hoi, np.fromiter(unseen, dtype=np.int64, count=len(unseen)))
    is_rare = np.isin(hoi, np.fromiter(rare, dtype=np.int64, count=len(rare)))
    groups = {
        "full": np.ones(len(hoi), dtype=np.bool_),
        "seen": ~is_unseen,
        "unseen": is_unseen,
        "rare": is_rare,
        "non_rare": ~is_rare,
    }
    annotated = ~np.isnan(ap)
    means = {
        name: 100.0 * float(ap[members & annotated].mean())
        for name, members in groups.items()
        if (members & annotated).any()
    }
    if "seen" in means and "unseen" in means:
        total = means["seen"] + means["unseen"]
        means["harmonic_mean"] = 2.0 * means["seen"] * means["unseen"] / total if total > 0 else 0.0
    return means
