"""The ablation: which runs it is made of, and the table that their evaluations add up to.

The rows are cumulative and in the order of the paper's ablation table. A row is an ordinary run of the pipeline, so what is
in the store is not computed again and an interrupted ablation goes on where it was. UTPL acts after the seen stage, and
an evaluation tells the mAP without it too, so `+ LLM guidance` and `+ UTPL` are two readings of the same run.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pipeline.config.tree import Config, load
from pipeline.datasets import sources
from pipeline.errors import ConfigError
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

GROUPS = ("unseen", "seen", "full")
SCHEDULE = ("seen.epochs=3", "seen.drop_after=2")
"""The short schedule: every run of the demo in about a minute on two cores, not the profile's full training."""


@dataclass(frozen=True)
class Row:
    """A model of the ablation: the one of the row before, and one part more."""

    key: str
    label: str
    part: str | None = None
    """Key under `model.parts`."""


ROWS = (
    Row("baseline", "baseline"),
    Row("intra", "+ intra fusion", "intra_fusion"),
    Row("adapter", "+ adapter", "instance_adapter"),
    Row("llm", "+ LLM guidance", "llm_guidance"),
    Row("utpl", "+ UTPL"),
    Row("inter", "+ inter fusion", "inter_fusion"),
    Row("vlm", "+ VLM guidance", "vlm_guidance"),
)
RowKey = Literal["baseline", "intra", "adapter", "llm", "utpl", "inter", "vlm"]
KEYS: tuple[RowKey, ...] = get_args(RowKey)
UTPL = KEYS.index("utpl")


@dataclass(frozen=True)
class Trial:
    """A row in a zero-shot setting with a seed: one run."""

    row: str
    setting: str
    seed: int

    @property
    def overrides(self) -> list[str]:
        """What makes the profile this trial."""
        position = KEYS.index(self.row)
        switches = [
            f"model.parts.{row.part}={str(i <= position).lower()}" for i, row in enumerate(ROWS) if row.part is not None
        ]
        # Before the row of the last part without UTPL nobody reads what UTPL makes, so it takes one step only.
        unread = ["utpl.steps=1"] if position < UTPL - 1 else []
        return [*switches, *unread, f"setting={self.setting}", f"seed={self.seed}"]

    @property
    def prefix(self) -> str:
        """Of the evaluation's metrics that are this row's."""
        return "" if KEYS.index(self.row) >= UTPL else "before_utpl_"

    def __str__(self) -> str:
        return f"{self.setting}, seed {self.seed}, {ROWS[KEYS.index(self.row)].label}"


@dataclass(frozen=True)
class Design:
    """What is compared: everything that a profile and its overrides leave open."""

    profile: str = "demo"
    overrides: tuple[str, ...] = ()
    rows: tuple[str, ...] = KEYS
    settings: tuple[str, ...] = ("uv", "rf_uc")
    seeds: tuple[int, ...] = (0, 1, 2)
    full: bool = False
    """Train as long as the profile says, instead of SCHEDULE."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in KEYS:
                raise ConfigError(f"no row {row!r} in the ablation; rows: {', '.join(KEYS)}")
        for name in ("rows", "settings", "seeds"):
            if not getattr(self, name):
                raise ConfigError(f"an ablation without {name} has nothing to run")
        for trial in self.trials():
            sources.unseen(self.config(trial))

    @property
    def schedule(self) -> tuple[str, ...]:
        return () if self.full else SCHEDULE

    def trials(self) -> list[Trial]:
        """All runs; a seed is finished in all settings before the next one starts, so early tables compare."""
        rows = sorted(self.rows, key=KEYS.index)
        return [Trial(row, setting, seed) for seed in self.seeds for setting in self.settings for row in rows]

    def config(self, trial: Trial) -> Config:
        """The configuration of a run; the trial's own keys go before the design's, those before the schedule's."""
        return load(profile=self.profile, overrides=[*self.schedule, *self.overrides, *trial.overrides])

    def as_json(self) -> dict[str, Any]:
        """The design as plain JSON; equal designs are equal there."""
        return {
            "profile": self.profile,
            "overrides": list(self.overrides),
            "schedule": list(self.schedule),
            "rows": sorted(self.rows, key=KEYS.index),
            "settings": list(self.settings),
            "seeds": list(self.seeds),
        }


@dataclass
class Table:
    """The results so far: mAP in percent, and the evaluation that each came from."""

    design: Design
    found: dict[Trial, dict[str, float]] = field(default_factory=dict)
    evaluations: dict[Trial, str] = field(default_factory=dict)

    def add(self, trial: Trial, evaluation: Artifact) -> dict[str, float]:
        """Take in a run's evaluation; the mAP that is this row's."""
        metrics = evaluation.manifest.metrics
        self.found[trial] = {
            group: float(metrics[trial.prefix + group]) for group in GROUPS if trial.prefix + group in metrics
        }
        self.evaluations[trial] = evaluation.fingerprint
        return self.found[trial]

    def values(self, row: str, setting: str, group: str) -> dict[int, float]:
        """{seed: mAP} of the runs that are done."""
        trials = {seed: Trial(row, setting, seed) for seed in self.design.seeds}
        return {
            seed: self.found[trial][group]
            for seed, trial in trials.items()
            if trial in self.found and group in self.found[trial]
        }

    def gains(self, row: str, setting: str, group: str) -> dict[int, float]:
        """{seed: mAP minus that of the row above with the same seed}; empty for the first row."""
        rows = sorted(self.design.rows, key=KEYS.index)
        position = rows.index(row)
        if not position:
            return {}
        mine, above = (self.values(r, setting, group) for r in (row, rows[position - 1]))
        return {seed: mine[seed] - above[seed] for seed in mine if seed in above}

    def as_json(self) -> dict[str, Any]:
        """The design, and for every setting and row the runs, their mean and their spread."""
        settings = {
            setting: [self._row_as_json(row, setting) for row in sorted(self.design.rows, key=KEYS.index)]
            for setting in self.design.settings
        }
        done = len(self.found)
        return {"design": self.design.as_json(), "runs": done, "of": len(self.design.trials()), "settings": settings}

    def write(self, store: Store) -> str:
        """Both forms into the store, in place of earlier ones of the same design; where the Markdown is."""
        name = f"ablation-{digest.of_value(self.design.as_json())[:12]}"
        store.write_record(f"{name}.json", json.dumps(self.as_json(), indent=1) + "\n")
        store.write_record(f"{name}.md", self.as_markdown())
        return f"{store.place}/.runs/{name}.md"

    def _row_as_json(self, row: str, setting: str) -> dict[str, Any]:
        label = ROWS[KEYS.index(row)].label
        runs = {
            str(seed): self.found[trial] | {"evaluation": self.evaluations[trial]}
            for seed in self.design.seeds
            if (trial := Trial(row, setting, seed)) in self.found
        }
        summary = {group: _summary(self.values(row, setting, group)) for group in GROUPS}
        gains = {group: _summary(self.gains(row, setting, group)) for group in GROUPS}
        return {"row": row, "label": label, "map": summary, "gain": gains, "runs": runs}

    def as_markdown(self) -> str:
        """The same for people."""
        design = self.design
        how = "the profile's own schedule" if design.full else f"a short schedule ({', '.join(SCHEDULE)})"
        more = f", with {', '.join(design.overrides)}" if design.overrides else ""
        lines = [
            f"# Ablation of profile {design.profile}",
            "",
            f"mAP in percent, mean ± standard deviation over seeds {', '.join(map(str, design.seeds))}; {how}{more}. "
            "Every row has the parts of the rows above it. Gains are over the row above with the same seed.",
        ]
        for setting in design.settings:
            lines += ["", f"## {setting}", "", *self._lines(setting)]
        left = len(design.trials()) - len(self.found)
        if left:
            lines += ["", f"{left} of {len(design.trials())} runs are not done yet."]
        return "\n".join(lines) + "\n"

    def _lines(self, setting: str) -> list[str]:
        lines = [
            "| model | unseen | gain | seen | gain | full | runs |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for row in sorted(self.design.rows, key=KEYS.index):
            cells = [ROWS[KEYS.index(row)].label]
            for group in GROUPS:
                cells.append(_shown(self.values(row, setting, group)))
                if group != "full":
                    cells.append(_shown(self.gains(row, setting, group), sign=True))
            runs = sum(Trial(row, setting, seed) in self.found for seed in self.design.seeds)
            lines.append(f"| {' | '.join([*cells, str(runs)])} |")
        return lines


def reading(found: Mapping[str, float]) -> str:
    """`unseen 41.20, seen 55.03, full 52.90`"""
    return ", ".join(f"{group} {value:.2f}" for group, value in found.items())


def summary(table: Table) -> str:
    """How far the ablation is."""
    return f"ablation of profile {table.design.profile}, {len(table.found)} of {len(table.design.trials())} runs"


def _summary(values: Mapping[int, float]) -> dict[str, float] | None:
    if not values:
        return None
    numbers: Sequence[float] = list(values.values())
    return {"mean": statistics.fmean(numbers), "std": statistics.stdev(numbers) if len(numbers) > 1 else 0.0}


def _shown(values: Mapping[int, float], *, sign: bool = False) -> str:
    summary = _summary(values)
    if summary is None:
        return "–"
    mean = f"{summary['mean']:{'+' if sign else ''}.2f}"
    return mean if len(values) == 1 else f"{mean} ± {summary['std']:.2f}"
