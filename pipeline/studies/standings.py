"""Which row won, by how much, and whether the seeds can tell: rows of folded seeds beside the best of their kind.

Only rows of one profile, zero-shot setting and protocol are compared. Differences are paired by seed, so that what a seed
does to scenes, boxes and trainings is on both sides. The best row has the highest mean, so a little of its lead is luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.studies.gains import Gain
from pipeline.studies.runs_table import UNSAID, Row

HEADS = ("from the best", "do seeds tell?")
"""The headings of a standing in tables."""
INTERVAL = "in brackets Student's 95 % interval over seeds"


@dataclass(frozen=True)
class Standing:
    """A row beside the best of its kind."""

    best: bool = False
    gain: Gain | None = None
    """The gain over the best row, in the seeds that both have; None for the best row itself, and without a common seed."""

    def cells(self) -> dict[str, str]:
        """{heading: text} for a table: the mean difference with its interval over seeds, and what that is worth."""
        return dict(zip(HEADS, (self._difference, self._worth), strict=True))

    def as_json(self) -> dict[str, Any]:
        """The standing as plain JSON."""
        gain = self.gain
        if gain is None:
            return {"best": self.best, "difference": None, "over_seeds": None, "seeds": []}
        return {"best": False, "difference": gain.mean, "over_seeds": gain.trainings, "seeds": sorted(gain.by_seed)}

    @property
    def _difference(self) -> str:
        if self.gain is None:
            return "best" if self.best else UNSAID
        ends = self.gain.trainings if any(self.gain.by_seed.values()) else None
        return f"{self.gain.mean:+.2f}" + ("" if ends is None else f" [{ends[0]:+.2f}, {ends[1]:+.2f}]")

    @property
    def _worth(self) -> str:
        if self.best:
            return ""
        if self.gain is None:
            return "no seed in common"
        ends, count = self.gain.trainings, len(self.gain.by_seed)
        if not any(self.gain.by_seed.values()):
            return "the same"
        if ends is None:
            return "one seed tells nothing"
        return f"no, {count} seeds cannot" if ends[0] <= 0 <= ends[1] else f"yes, by {count} seeds"


def standings(rows: Sequence[Row], metric: str) -> list[Standing]:
    """The standing of every row in a metric of `pipeline.metrics.means.MAIN`, in the order of the rows."""
    best: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if metric in row.metrics and (
            row.kind not in best or row.metrics[metric].mean > best[row.kind].metrics[metric].mean
        ):
            best[row.kind] = row
    return [_standing(row, best.get(row.kind), metric) for row in rows]


def _standing(row: Row, best: Row | None, metric: str) -> Standing:
    if row is best:
        return Standing(best=True)
    if best is None:
        return Standing()
    theirs, mine = (
        {r.seed: r.metrics[metric] for r in some.runs if metric in r.metrics and r.seed is not None}
        for some in (best, row)
    )
    by_seed = {seed: mine[seed] - theirs[seed] for seed in mine if seed in theirs}
    return Standing(gain=Gain(by_seed) if by_seed else None)
