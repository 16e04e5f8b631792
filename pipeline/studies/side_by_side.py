"""Runs side by side: what each asked for, what came out, what the others gain over the first, and why.

The others are compared with the first run. What the store no longer has is named, not left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.engine import causes, verdict
from pipeline.engine.causes import Causes
from pipeline.engine.verdict import Compared
from pipeline.errors import ConfigError, EzhoiError
from pipeline.metrics.means import MAIN
from pipeline.store.artifact import Artifact
from pipeline.store.compare import flatten
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

MOST = 6
"""The most runs; more would not fit side by side, nor have distinct colours."""
TRAINED = ("seen", "utpl")
"""Stages that leave a history of losses."""
POINTS = 200
"""The most points of a curve of losses."""


@dataclass(frozen=True)
class Column:
    """A run, with the letter that names it."""

    letter: str
    record: RunRecord
    evaluation: Artifact | None
    """The run's evaluation; None if it made none, or it was removed."""
    removed: tuple[str, ...] = ()
    """Stages whose artifact the store no longer has."""
    rendered: bool = False
    """Whether its pictures are those of the rendered world."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """mAP in percent by group: as the run's record has it, or else its evaluation, since early records have none."""
        if self.record.metrics or self.evaluation is None:
            return self.record.metrics
        known = self.evaluation.manifest.metrics
        return {name: float(x) for name, x in known.items() if isinstance(x, int | float) and not isinstance(x, bool)}


@dataclass(frozen=True)
class Against:
    """One of the other runs beside the first."""

    column: Column
    compared: Compared
    causes: Causes


@dataclass(frozen=True)
class ClassRow:
    """A class: its AP in percent in every run, and what each run but the first gains, with the interval where it is known."""

    name: str
    unseen: bool
    ap: tuple[float | None, ...]
    gains: tuple[tuple[float, tuple[float, float] | None] | None, ...]

    @property
    def moved(self) -> float:
        """The largest gain or loss."""
        return max((abs(gain[0]) for gain in self.gains if gain is not None), default=0.0)


@dataclass(frozen=True)
class Curve:
    """Losses of a training by step: means of as many steps as make at most `POINTS` points."""

    letters: str
    """The runs that have it, which share the training."""
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    each: int
    """How many steps a point averages."""


@dataclass(frozen=True)
class SideBySide:
    """Runs side by side, with everything that a page shows."""

    columns: tuple[Column, ...]
    against: tuple[Against, ...]
    asked: Mapping[str, tuple[str | None, ...]]
    """{key: value of each run} of what the runs ask for differently; None where it is the profile's value."""
    alike: Mapping[str, str]
    classes: tuple[ClassRow, ...] = ()
    """The classes, those that moved most first."""
    curves: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)
    """{stage: its curves}"""


def side_by_side(store: Store, records: Sequence[RunRecord]) -> SideBySide:
    """Lay the runs side by side and compare the others with the first.

    ConfigError for fewer than two runs, more than `MOST`, or one that is named twice.
    """
    if not 2 <= len(records) <= MOST:
        raise ConfigError(f"{len(records)} runs to compare: expected 2 to {MOST}")
    if twice := [r.id for place, r in enumerate(records) if r.id in {other.id for other in records[:place]}]:
        raise ConfigError(f"run {twice[0]} is named twice")
    columns = tuple(_column(store, letter, record) for letter, record in zip("ABCDEF", records, strict=False))
    against = tuple(_against(store, columns[0], column) for column in columns[1:])
    asked = [{"profile": c.record.profile} | c.record.asked for c in columns]
    keys = dict.fromkeys(key for own in asked for key in own)
    values = {key: tuple(own.get(key) for own in asked) for key in keys}
    return SideBySide(
        columns=columns,
        against=against,
        asked={key: row for key, row in values.items() if len(set(row)) > 1},
        alike={key: str(row[0]) for key, row in values.items() if len(set(row)) == 1},
        classes=_classes(columns, against),
        curves={stage: found for stage in TRAINED if (found := _curves(store, columns, stage))},
    )


def _column(store: Store, letter: str, record: RunRecord) -> Column:
    there = {stage: store.get(stage, name) for stage, name in record.stages.items()}
    removed = tuple(stage for stage, artifact in there.items() if artifact is None)
    annotations = there.get("annotations")
    rendered = annotations is not None and flatten(annotations.manifest.config).get("data.source") == "world"
    return Column(letter, record, there.get("evaluation"), removed, rendered)


def _against(store: Store, first: Column, other: Column) -> Against:
    found = causes.of_runs(first.record.stages, other.record.stages, store)
    missing = [c.letter for c in (first, other) if c.evaluation is None]
    if first.evaluation is None or other.evaluation is None:
        gone = " and ".join(f"{letter} has no evaluation in the store" for letter in missing)
        return Against(other, Compared(_plain(first, other), why_no_interval=gone), found)
    for what, values in (
        ("settings", (first.record.setting, other.record.setting)),
        ("protocols", (first.record.protocol, other.record.protocol)),
    ):
        if values[0] and values[1] and values[0] != values[1]:
            why = f"{first.letter} and {other.letter} are of different {what}, {values[0]} and {values[1]}"
            return Against(other, Compared(_plain(first, other), why_no_interval=why), found)
    compared = verdict.compare(first.evaluation, other.evaluation, names=(first.letter, other.letter))
    why = compared.why_no_interval
    for column, artifact in ((first, first.evaluation), (other, other.evaluation)):
        why = why.replace(artifact.place, column.letter)
    return Against(other, replace(compared, why_no_interval=why), found)


def _plain(first: Column, other: Column) -> dict[str, verdict.Gain]:
    """Gains without intervals, as far as both records have numbers."""
    both = first.metrics, other.metrics
    return {g: verdict.Gain(both[0][g], both[1][g]) for g in MAIN if all(g in m for m in both)}


def _classes(columns: Sequence[Column], against: Sequence[Against]) -> tuple[ClassRow, ...]:
    """AP by class, by the classes' names; empty where no evaluation tells it."""
    tables = [_per_class(column) for column in columns]
    names = dict.fromkeys(name for table in tables for name in table)
    intervals = [{str(row["name"]): row for row in a.compared.classes} for a in against]
    rows = []
    for name in names:
        ap = tuple(table[name][1] if name in table else None for table in tables)
        gains = []
        for value, known in zip(ap[1:], intervals, strict=True):
            row = known.get(name)
            ends = None if row is None or row["low"] is None else (float(row["low"]), float(row["high"]))
            gains.append(None if value is None or ap[0] is None else (value - ap[0], ends))
        unseen = any(table[name][0] for table in tables if name in table)
        if any(value is not None for value in ap):
            rows.append(ClassRow(name, unseen, ap, tuple(gains)))
    return tuple(sorted(rows, key=lambda row: (-row.moved, row.name)))


def _per_class(column: Column) -> dict[str, tuple[bool, float | None]]:
    """{class: (unseen, AP in percent)} of an evaluation; None for a class without annotated test pairs."""
    if column.evaluation is None:
        return {}
    try:
        table = column.evaluation.table("classes.parquet", ["name", "unseen", "ap_adapted"])
    except EzhoiError:
        return {}  # of an earlier version, or damaged: the means are told all the same
    return {
        str(name): (bool(unseen), None if ap != ap else 100 * float(ap))
        for name, unseen, ap in zip(table["name"], table["unseen"], table["ap_adapted"], strict=True)
    }


def _curves(store: Store, columns: Sequence[Column], stage: str) -> tuple[Curve, ...]:
    """A curve for every training, however many of the runs share it."""
    trained: dict[str, str] = {}
    for column in columns:
        if name := column.record.stages.get(stage):
            trained[name] = trained.get(name, "") + column.letter
    found = []
    for name, letters in trained.items():
        artifact = store.get(stage, name)
        try:
            losses = [] if artifact is None else artifact.table("history.parquet", ["loss"])["loss"].tolist()
        except EzhoiError:
            continue
        each = max(1, -(-len(losses) // POINTS))
        parts = [losses[start : start + each] for start in range(0, len(losses), each)]
        steps = tuple(each * place + (len(part) + 1) / 2 for place, part in enumerate(parts))
        if parts:
            found.append(Curve(letters, steps, tuple(sum(part) / len(part) for part in parts), each))
    return tuple(found)
