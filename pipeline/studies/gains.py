"""What a variant gains over another one, and whether that is noise: over trainings (seeds), and over test images.

Gains are paired: both sides have the same seed, and so the same scenes, boxes and draws of the training. Their mean depends on
chance in two ways. Another training would have given another mean: that is Student's interval over the seeds. Another draw of
test images would have, too: that is the bootstrap interval of the same mean, on images that are resampled alike on both sides
(`pipeline/metrics/comparison.py`). A difference counts as a gain only if neither interval contains 0.
"""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import DataError, StoreError
from pipeline.store import digest
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.studies")
LEVEL = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True)
class Gain:
    """The points of mAP by which a variant exceeds another one, in one group of classes and one setting."""

    by_seed: Mapping[int, float]
    """{seed: gain}, which is never empty."""
    images: Interval | None = None
    """The 95 % interval of the mean gain over draws of test images; None where it is not known."""

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.by_seed.values())

    @property
    def deviation(self) -> float | None:
        """The standard deviation over the seeds; None for a single seed."""
        return statistics.stdev(self.by_seed.values()) if len(self.by_seed) > 1 else None

    @property
    def trainings(self) -> Interval | None:
        """The 95 % interval of the mean over trainings, by Student's t; None for a single seed."""
        if self.deviation is None:
            return None
        from scipy.special import stdtrit

        count = len(self.by_seed)
        half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * self.deviation / math.sqrt(count)
        return self.mean - half, self.mean + half

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `the same`, or which chance may explain the difference, or why nothing is known."""
        if not any(self.by_seed.values()) and self.images in (None, (0.0, 0.0)):
            return "the same"
        chance = [name for name, ends in (("seeds", self.trainings), ("images", self.images)) if ends and _has_0(ends)]
        if chance:
            return f"may be chance ({' and '.join(chance)})"
        word = "better" if self.mean > 0 else "worse"
        if self.trainings is None:
            return "cannot be told from one seed" if self.images is None else f"{word} with this seed"
        return word if self.images is not None else f"{word} (seeds alone)"

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return {
            "mean": self.mean,
            "std": self.deviation or 0.0,
            "over_seeds": self.trainings,
            "over_images": self.images,
            "verdict": self.verdict,
        }


def _has_0(ends: Interval) -> bool:
    return ends[0] <= 0.0 <= ends[1]


@dataclass
class ImageChance:
    """The intervals over test images of mean differences between evaluations.

    Each evaluation is drawn once, in about a second; intervals in an earlier table are taken from there.
    """

    known: dict[str, dict[str, Interval]] = field(default_factory=dict)
    """{digest of the pairs of evaluations: {group: interval}}"""
    _drawn: dict[str, Any] = field(default_factory=dict)

    def intervals(self, pairs: Sequence[tuple[Artifact, Artifact]]) -> dict[str, Interval]:
        """{group: 95 % interval of the mean over the pairs of (second - first)}; empty where images do not tell."""
        name = name_of(pairs)
        if name not in self.known:
            self.known[name] = self._intervals(pairs)
        return self.known[name]

    def _intervals(self, pairs: Sequence[tuple[Artifact, Artifact]]) -> dict[str, Interval]:
        import numpy as np

        try:
            both = [(self._draw(first), self._draw(second)) for first, second in pairs]
        except (DataError, StoreError, OSError) as error:
            log.info("no intervals over images: %s", error)
            return {}
        if not both or len({drawn.question for pair in both for drawn in pair}) > 1:
            return {}
        found = {}
        for group in both[0][0].groups:
            count = min(len(drawn.groups[group]) for pair in both for drawn in pair)
            mean = np.mean([b.groups[group][:count] - a.groups[group][:count] for a, b in both], axis=0)
            mean = mean[~np.isnan(mean)]
            if len(mean):
                low, high = np.percentile(mean, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
                found[group] = (float(low), float(high))
        return found

    def _draw(self, evaluation: Artifact) -> Any:
        from pipeline.metrics import comparison, evaluated

        if evaluation.fingerprint not in self._drawn:
            folder = evaluation.fetched(evaluated.REPORT, evaluated.JUDGED, evaluated.ANNOTATED)
            self._drawn[evaluation.fingerprint] = comparison.draw(evaluated.load(folder))
        return self._drawn[evaluation.fingerprint]


def name_of(pairs: Sequence[tuple[Artifact, Artifact]]) -> str:
    """The digest of which evaluations are compared."""
    return digest.of_value([[first.fingerprint, second.fingerprint] for first, second in pairs])
