"""The table of a study: mAP by variant, what each gains over its baseline, and what may be noise.

It grows trial by trial and is kept in the store beside the records of runs, as JSON and as Markdown.
"""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.metrics.means import MAIN
from pipeline.outside.escaping import code, markdown
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.studies import cost as costs
from pipeline.studies.cost import Cost
from pipeline.studies.gains import Gain, ImageChance, name_of
from pipeline.studies.study import ABOVE, Study, Trial, Variant

log = logging.getLogger("ezhoi.studies")
GROUPS = tuple(reversed(MAIN))
UNSAID = "–"
HEADS = ("model", "unseen", "gain", "seen", "gain", "full", "runs", *costs.HEADS)
CHANCE_HEADS = ("model", "over", "of", "gain", "over seeds", "over images", "")
EXPLAINED = (
    "Gains are paired by seed. In brackets 95 % intervals of the mean gain: over seeds (another training) and over images "
    "(another draw of test images). Better or worse is what neither turns round; of twenty differences that are none, one "
    "looks like one."
)


@dataclass(frozen=True)
class _Last:
    """What the last table of a study hands on to the next."""

    intervals: Mapping[str, dict[str, tuple[float, float]]]
    """{digest of pairs of evaluations: {group: interval}}"""
    failed: Mapping[str, str]
    """{trial as text: why it failed}"""

    @classmethod
    def read(cls, content: bytes | None, name: str) -> _Last:
        """Read it from a table's JSON, whose name is for messages; empty if there is none, or if it is damaged or edited."""
        if content is None:
            return cls({}, {})
        try:
            tree = json.loads(content)
            own = digest.demand_own(tree)
            kept = {n: {g: (float(a), float(b)) for g, (a, b) in of.items()} for n, of in tree["intervals"].items()}
            last = cls(kept, {str(trial): str(why) for trial, why in tree["failed"].items()})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = str(error) if isinstance(error, ValueError) else "it is no table of a study"
            log.warning("%s: is not used, and its intervals are drawn again: %s", name, why)
            return cls({}, {})
        if not own:
            log.warning(
                "%s: an earlier version wrote it without a digest, so nothing shows whether it was edited", name
            )
        return last


@dataclass
class Table:
    """The results so far: mAP in percent, with the evaluation of each."""

    study: Study
    found: dict[Trial, Artifact] = field(default_factory=dict)
    """{trial: its evaluation}"""
    spent: dict[Trial, Cost] = field(default_factory=dict)
    """{trial: what the trainings behind its evaluation cost}"""
    failed: dict[Trial, str] = field(default_factory=dict)
    """{trial: why it has none}"""
    chance: ImageChance = field(default_factory=ImageChance)
    _last: _Last = field(default_factory=lambda: _Last({}, {}))

    def add(self, trial: Trial, evaluation: Artifact, cost: Cost = costs.UNKNOWN) -> dict[str, float]:
        """Add a trial's evaluation and the cost of its trainings; return the mAP that its variant reads."""
        self.found[trial], self.spent[trial] = evaluation, cost
        self.failed.pop(trial, None)
        return self.reading(trial)

    def reading(self, trial: Trial) -> dict[str, float]:
        """{group: mAP in percent} of a finished trial."""
        metrics, prefix = self.found[trial].manifest.metrics, trial.variant.prefix
        return {group: float(metrics[prefix + group]) for group in GROUPS if prefix + group in metrics}

    def values(self, variant: Variant, setting: str, group: str) -> dict[int, float]:
        """{seed: mAP} of the finished runs."""
        trials = {seed: Trial(variant, setting, seed) for seed in self.study.seeds}
        readings = {seed: self.reading(trial) for seed, trial in trials.items() if trial in self.found}
        return {seed: reading[group] for seed, reading in readings.items() if group in reading}

    def cost(self, variant: Variant, setting: str) -> Cost:
        """What the trainings behind a variant's numbers cost, as a mean over its runs."""
        trials = (Trial(variant, setting, seed) for seed in self.study.seeds)
        return costs.mean([self.spent[trial].of(variant.reading) for trial in trials if trial in self.spent])

    def gain(self, variant: Variant, setting: str, group: str) -> Gain | None:
        """The gain of a variant over the one it is compared with, in the seeds that both have; None without a common seed."""
        if (other := self.study.against(variant)) is None:
            return None
        mine, its = (self.values(v, setting, group) for v in (variant, other))
        by_seed = {seed: mine[seed] - its[seed] for seed in mine if seed in its}
        if not by_seed:
            return None
        pairs = self._pairs(variant, other, setting)
        return Gain(by_seed, self.chance.intervals(pairs).get(group) if pairs else None)

    def as_json(self) -> dict[str, Any]:
        """The study, and for every setting and variant the runs, their mean, their spread and their gain."""
        return {
            "design": self.study.as_json(),
            "runs": len(self.found),
            "of": len(self.study.trials()),
            "settings": {s: [self._row_as_json(v, s) for v in self.study.variants] for s in self.study.settings},
            "failed": {str(trial): why for trial, why in self.failed.items()},
            "intervals": self._intervals(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each setting, variant and group of classes, for spreadsheets; numbers are not rounded."""
        found = []
        for setting in self.study.settings:
            for variant in self.study.variants:
                for group in GROUPS:
                    values, gain = self.values(variant, setting, group), self.gain(variant, setting, group)
                    other = self.study.against(variant)
                    about = {"setting": setting, "variant": variant.name, "group": group, "runs": len(values)}
                    of_gain = gain.as_json() if gain is not None else {}
                    found.append(
                        about
                        | {name: (summary(values) or {}).get(name) for name in ("mean", "std")}
                        | {"over": other.name if other is not None else None, "gain": of_gain.get("mean")}
                        | {"gain_std": of_gain.get("std")}
                        | _ends("seeds", of_gain.get("over_seeds"))
                        | _ends("images", of_gain.get("over_images"))
                        | {"verdict": of_gain.get("verdict")}
                        | costs.as_json(self.cost(variant, setting))
                    )
        return found

    @property
    def record(self) -> str:
        """The name of its files in the store; equal studies have the same."""
        name = self.study.name if self.study.name == "ablation" else f"study-{self.study.name}"
        return f"{name}-{self.study.digest[:12]}"

    def write(self, store: Store) -> str:
        """Write JSON and Markdown into the store, over earlier ones of the same study; return the path of the Markdown."""
        store.write_record(f"{self.record}.json", json.dumps(digest.with_own(self.as_json()), indent=1) + "\n")
        store.write_record(f"{self.record}.md", self.as_markdown())
        return f"{store.place}/.runs/{self.record}.md"

    def remember(self, store: Store) -> None:
        """Take over the intervals of an earlier table of the same study, since each takes a second to draw."""
        name = f"{self.record}.json"
        self._last = _Last.read(store.read_records().get(name), f"{store.place}/.runs/{name}")
        self.chance.known |= self._last.intervals

    def recall_failures(self) -> None:
        """List the failures of the remembered table that are not finished since."""
        for trial in self.study.trials():
            if trial not in self.found and (why := self._last.failed.get(str(trial))) is not None:
                self.failed[trial] = why

    def as_markdown(self) -> str:
        """The table as Markdown."""
        study = self.study
        what = "Ablation" if study.name == "ablation" else f"Study {markdown(study.name)}"
        how = f"; with {code(', '.join(study.shown_overrides))}" if study.shown_overrides else ""
        lines = [
            f"# {what} of profile {markdown(study.profile)}",
            "",
            f"mAP in percent, mean ± standard deviation over seeds {', '.join(map(str, study.seeds))}{how}. "
            f"Gains are over {markdown(self._baseline())}.",
        ]
        chances = {setting: self._chances(setting) for setting in study.settings}
        for setting in study.settings:
            lines += ["", f"## {markdown(setting)}", "", *_markdown(HEADS, self._means(setting))]
            if chances[setting]:
                lines += ["", *_markdown(CHANCE_HEADS, chances[setting])]
        lines += self._explained(chances=any(chances.values()))
        if self.failed:
            lines += ["", f"{len(self.failed)} runs failed:", ""]
            lines += [f"- {markdown(str(trial))}: {markdown(why)}" for trial, why in self.failed.items()]
        return "\n".join(lines) + "\n"

    def as_text(self) -> str:
        """The table as text for a terminal."""
        lines = [f"{summary_line(self)}; mAP in percent, gains over {self._baseline()}"]
        chances = {setting: self._chances(setting) for setting in self.study.settings}
        for setting in self.study.settings:
            lines += ["", setting, *_aligned(HEADS, self._means(setting))]
            if chances[setting]:
                lines += ["", *_aligned(CHANCE_HEADS, chances[setting])]
        lines += self._explained(chances=any(chances.values()))
        return "\n".join(lines) + "\n"

    def _explained(self, *, chances: bool) -> list[str]:
        """Paragraphs below the tables: the meaning of columns that are not empty, and what is left to run."""
        paragraphs = (costs.EXPLAINED if self.found else "", EXPLAINED if chances else "", self._left())
        return [line for paragraph in paragraphs if paragraph for line in ("", paragraph)]

    def _left(self) -> str:
        of = len(self.study.trials())
        left = of - len(self.found) - len(self.failed)
        return f"{left} of {of} runs are not done yet." if left else ""

    def _baseline(self) -> str:
        """The baseline of the gains, in words."""
        if self.study.baseline == ABOVE:
            return "the row above with the same seed"
        shown = next((v.shown for v in self.study.variants if v.name == self.study.baseline), None)
        if shown is None:
            return f"{self.study.baseline}, which is not in this table: there are none"
        return f"{shown} with the same seed"

    def _pairs(self, variant: Variant, other: Variant, setting: str) -> list[tuple[Artifact, Artifact]]:
        """The evaluations of two variants, seed by seed; none unless both read `after_utpl`, which is what is drawn."""
        if variant.prefix or other.prefix:
            return []
        both = [(Trial(other, setting, seed), Trial(variant, setting, seed)) for seed in self.study.seeds]
        return [(self.found[a], self.found[b]) for a, b in both if a in self.found and b in self.found]

    def _intervals(self) -> dict[str, dict[str, Any]]:
        """The intervals in this table, for `remember`."""
        named = [
            name_of(pairs)
            for setting in self.study.settings
            for variant in self.study.variants
            if (other := self.study.against(variant)) is not None and (pairs := self._pairs(variant, other, setting))
        ]
        return {name: self.chance.known[name] for name in named if name in self.chance.known}

    def _row_as_json(self, variant: Variant, setting: str) -> dict[str, Any]:
        trials = {seed: Trial(variant, setting, seed) for seed in self.study.seeds}
        runs = {
            str(seed): self.reading(trial)
            | {"evaluation": self.found[trial].fingerprint}
            | {"cost": costs.as_json(self.spent[trial].of(variant.reading))}
            for seed, trial in trials.items()
            if trial in self.found
        }
        gains = {group: self.gain(variant, setting, group) for group in GROUPS}
        return {
            "row": variant.name,
            "label": variant.shown,
            "map": {group: summary(self.values(variant, setting, group)) for group in GROUPS},
            "gain": {group: None if gain is None else gain.as_json() for group, gain in gains.items()},
            "cost": costs.as_json(self.cost(variant, setting)),
            "runs": runs,
        }

    def _means(self, setting: str) -> list[list[str]]:
        rows = []
        for variant in self.study.variants:
            cells = [variant.shown]
            for group in GROUPS:
                cells.append(_shown(self.values(variant, setting, group)))
                if group != "full":
                    gain = self.gain(variant, setting, group)
                    cells.append(_shown(gain.by_seed if gain is not None else {}, sign=True))
            runs = sum(Trial(variant, setting, seed) in self.found for seed in self.study.seeds)
            cost = costs.cells(self.cost(variant, setting)) if runs else [UNSAID] * len(costs.HEADS)
            rows.append([*cells, str(runs), *cost])
        return rows

    def _chances(self, setting: str) -> list[list[str]]:
        rows = []
        for variant in self.study.variants:
            for group in GROUPS:
                gain, other = self.gain(variant, setting, group), self.study.against(variant)
                if gain is not None and other is not None:
                    ends = [_interval(gain.trainings), _interval(gain.images)]
                    rows.append([variant.shown, other.shown, group, f"{gain.mean:+.2f}", *ends, gain.verdict])
        return rows


def summary_line(table: Table) -> str:
    """A line about how far the study is."""
    name = "ablation" if table.study.name == "ablation" else f"study {table.study.name}"
    return f"{name} of profile {table.study.profile}, {len(table.found)} of {len(table.study.trials())} runs"


def reading_line(found: Mapping[str, float]) -> str:
    """A reading in a line, such as `unseen 41.20, seen 55.03, full 52.90`."""
    return ", ".join(f"{group} {value:.2f}" for group, value in found.items())


def summary(values: Mapping[int, float]) -> dict[str, float] | None:
    """The mean and the standard deviation over seeds, which is 0 for a single seed; None without any."""
    if not values:
        return None
    numbers: Sequence[float] = list(values.values())
    return {"mean": statistics.fmean(numbers), "std": statistics.stdev(numbers) if len(numbers) > 1 else 0.0}


def _shown(values: Mapping[int, float], *, sign: bool = False) -> str:
    found = summary(values)
    if found is None:
        return UNSAID
    mean = f"{found['mean']:{'+' if sign else ''}.2f}"
    return mean if len(values) == 1 else f"{mean} ± {found['std']:.2f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return UNSAID if ends is None else f"[{ends[0]:+.2f}, {ends[1]:+.2f}]"


def _ends(of: str, ends: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = ends if ends is not None else (None, None)
    return {f"{of}_low": low, f"{of}_high": high}


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown; numbers are aligned right, the first column and words left."""
    rule = ["---" if head in WORDS else "---:" for head in heads]
    cells = [[markdown(c) if h in WORDS else c for h, c in zip(heads, row, strict=True)] for row in rows]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *cells)]


WORDS = ("model", "over", "of", "")
"""Columns that are aligned left."""


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    width = [max(len(line[i]) for line in (heads, *rows)) for i in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(w) if head in WORDS else cell.rjust(w) for cell, w, head in zip(line, width, heads, strict=True)
        ).rstrip()
        for line in (heads, *rows)
    ]
