"""The answer that a run ends with: whether it is better than its relative, whether that is noise, and what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.engine import causes
from pipeline.engine.causes import Causes
from pipeline.errors import DataError
from pipeline.metrics.means import MAIN
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store


@dataclass(frozen=True)
class Gain:
    """mAP of a group of classes, in percent: the relative's, this run's, and the 95 % interval of the difference.

    The interval is None where the two cannot be compared image by image.
    """

    before: float
    after: float
    interval: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def sure(self) -> bool:
        """Whether the interval leaves 0 out, so that another draw of test images would hardly have changed the sign."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def __str__(self) -> str:
        said = f"{self.before:.2f} -> {self.after:.2f}, {self.difference:+.2f}"
        if self.interval is None:
            return said
        if self.interval == (0.0, 0.0):
            return f"{self.after:.2f} in both, whatever images are drawn"
        low, high = self.interval
        return f"{said} [{low:+.2f}, {high:+.2f}]" + ("" if self.sure else ", may be chance")


@dataclass(frozen=True)
class Compared:
    """Two evaluations side by side."""

    gains: Mapping[str, Gain]
    classes: tuple[Mapping[str, Any], ...] = ()
    """The classes whose AP changed: name, unseen, a, b, difference and interval; the largest gain first."""
    draws: int = 0
    """How often the test images were resampled for the intervals."""
    why_no_interval: str = ""
    notes: tuple[str, ...] = ()
    """A sentence for each respect in which the two are not comparable."""


def compare(before: Artifact, after: Artifact, *, names: tuple[str, str] = ("A", "B")) -> Compared:
    """Compare the mAP of two evaluations, with intervals where both judged the same annotations by the same rules.

    `names` are the names of the two in notes.
    """
    metrics = before.manifest.metrics, after.manifest.metrics
    plain = {g: Gain(metrics[0][g], metrics[1][g]) for g in MAIN if all(_is_number(m.get(g)) for m in metrics)}
    try:
        found = _bootstrap(before, after, names)
    except DataError as error:
        return Compared(plain, why_no_interval=str(error))
    rows = {group: row for group, row in found["groups"].items() if group in plain and row["low"] is not None}
    gains = {g: Gain(plain[g].before, plain[g].after, (row["low"], row["high"])) for g, row in rows.items()}
    return Compared(
        plain | gains,
        tuple(r for r in found["per_class"] if r["difference"]),
        found["resamples"],
        notes=tuple(found["notes"]),
    )


def _bootstrap(before: Artifact, after: Artifact, names: tuple[str, str]) -> dict[str, Any]:
    from pipeline.metrics import comparison, evaluated

    needed = (evaluated.REPORT, evaluated.JUDGED, evaluated.ANNOTATED)
    first, second = (evaluated.load(artifact.fetched(*needed)) for artifact in (before, after))
    rows = len(first.judged.row) + len(second.judged.row)
    return comparison.compare(first, second, resamples=comparison.resamples_for(rows), names=names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Verdict:
    """A run beside the one that it is compared with."""

    relative: RunRecord
    compared: Compared
    causes: Causes

    @property
    def lines(self) -> list[str]:
        """The verdict in lines, for a terminal or a log."""
        lines = [f"compared with {self.relative.line}"]
        lines += [f"  mAP {group:<7} {gain}" for group, gain in self.compared.gains.items()]
        if self.compared.why_no_interval:
            lines.append(f"  no interval: {self.compared.why_no_interval}")
        elif self.compared.draws:
            lines.append(
                f"  in brackets the 95 % interval of the difference over test images, {self.compared.draws} resamples"
            )
        lines += [f"  note: {note}" for note in self.compared.notes]
        return lines + ["what was changed:"] + [f"  {line}" for line in self.causes.lines]


def verdict(store: Store, relative: RunRecord, stages: Mapping[str, str]) -> Verdict:
    """The run that made or used `stages`, {stage: fingerprint}, beside its relative; both have an evaluation."""
    before, after = (store.get("evaluation", s["evaluation"]) for s in (relative.stages, stages))
    found = causes.of_runs(relative.stages, stages, store)
    if before is None or after is None:
        return Verdict(relative, Compared({}, why_no_interval="the evaluation of one of the two was removed"), found)
    return Verdict(relative, compare(before, after, names=("the earlier run", "this run")), found)
