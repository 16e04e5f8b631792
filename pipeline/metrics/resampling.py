"""Average precision of all classes at once when every image counts a given number of times.

A bootstrap over images draws images with repetition. An image drawn twice brings each of its detections and annotations
twice; copies tie in score, and placing them side by side leaves every AP rule that samples the precision envelope well
defined: inside such a run of true positives precision only rises, inside a run of false ones recall stands still. So no
table is copied: cumulative sums of weights do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.average_precision import LINSPACE, TENTHS, Rule
from pipeline.metrics.evaluation import Judged
from pipeline.tables.boxes import Floats

_STEPS = np.arange(11, dtype=np.int64)


class Resampled:
    """AP of every class for weights of the images.

    Arguments:
        judged: ranked detections with their true positives.
        classes: ``[c]`` rising ``hoi_id``.
        rule: ``exact``, ``tenths``, ``linspace`` or ``all_points``.
    """

    def __init__(self, judged: Judged, *, classes: NDArray[np.int64], rule: Rule) -> None:
        if rule in ("auc", "int"):
            raise ValueError(f"rule {rule!r} leaves out the last true positive, which has no weighted meaning")
        self.rule, self.count = rule, len(classes)
        self.image = judged.image
        self.hits = np.flatnonzero(judged.hit)
        self.hit_class = np.searchsorted(classes, judged.hoi[self.hits])
        self.class_start = np.searchsorted(judged.hoi, classes)
        self.first_hit = np.searchsorted(self.hit_class, np.arange(self.count))
        self.end_hit = np.searchsorted(self.hit_class, np.arange(self.count), side="right")
        self.truth_image, self.truth_class = judged.truth_image, np.searchsorted(classes, judged.truth_hoi)
        # Backwards, each class lies higher than the one before, so one running maximum serves all of them.
        self.lift = 2.0 * (self.count - self.hit_class)

    def average_precision(self, weights: NDArray[np.int64]) -> Floats:
        """``[c]`` AP in [0, 1], nan where no annotated pair has weight; ``weights`` ``[images]`` are whole numbers."""
        n_truth = np.bincount(self.truth_class, weights[self.truth_image], minlength=self.count).astype(np.int64)
        weight = weights[self.image]
        ranked = np.concatenate([[0], np.cumsum(weight)])
        rank = ranked[self.hits + 1] - ranked[self.class_start][self.hit_class]
        of_hit = weight[self.hits]
        found_in_all = np.concatenate([[0], np.cumsum(of_hit)])
        found = found_in_all[1:] - found_in_all[self.first_hit][self.hit_class]
        precision = np.divide(found, rank, out=np.zeros(len(rank)), where=rank > 0)
        envelope = np.maximum.accumulate((precision + self.lift)[::-1])[::-1] - self.lift
        if self.rule == "all_points":
            area = np.bincount(self.hit_class, of_hit * envelope, minlength=self.count)
            return np.divide(area, n_truth, out=np.full(self.count, np.nan), where=n_truth > 0)
        return self._at_levels(n_truth, found, envelope)

    def _at_levels(self, n_truth: NDArray[np.int64], found: NDArray[np.int64], envelope: Floats) -> Floats:
        stride = int(found.max(initial=0)) + int(n_truth.max(initial=0)) + 2
        reached = np.searchsorted(
            self.hit_class * stride + found, np.arange(self.count)[:, None] * stride + needed(n_truth, self.rule)
        )
        inside = reached < self.end_hit[:, None]
        values = np.where(inside, np.append(envelope, 0.0)[np.minimum(reached, len(envelope))], 0.0)
        return np.where(n_truth > 0, values.sum(axis=1) / len(_STEPS), np.nan)


def needed(n_truth: NDArray[np.int64], rule: Rule) -> NDArray[np.int64]:
    """``[c, 11]`` how many of ``n_truth`` ``[c]`` pairs must be found for recall to reach each of the eleven levels."""
    if rule == "exact":
        return -(-_STEPS * n_truth[:, None] // 10)
    levels = TENTHS if rule == "tenths" else LINSPACE
    # The float quotient decides, so the neighbours of the real-valued answer are tried.
    guess = np.floor(levels * n_truth[:, None]).astype(np.int64)[..., None] + np.arange(-1, 3)
    enough = guess / np.maximum(n_truth, 1)[:, None, None] >= levels[:, None]
    first = np.argmax(enough, axis=-1)
    return np.maximum(np.take_along_axis(guess, first[..., None], axis=-1)[..., 0], 0)
