"""The table of runs: what each run asked for, as far as the rows differ in it, and what came out; seeds are folded on request.

The columns `RUN` and `RESULT` are those of `ezhoi runs` and of the page of all runs (`flows/pages/site.py`). Only records are
read, so a thousand runs cost no import of torch, pandas or Prefect.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.errors import ConfigError
from pipeline.metrics.means import MAIN
from pipeline.outside.parsing import shown
from pipeline.report.units import duration
from pipeline.store.runs import RunRecord

ORDERS = ("when", *MAIN, "seconds", "seed")
UNSAID = "–"
"""Stands for a value that a run does not have."""
OF_RECORD = ("setting", "seed", "state", "profile", "by", "protocol")
"""What every record tells, and a filter may name beside the keys of the configuration."""
NOT_RECORDED = "not recorded"
"""Stands for what the record of a run of an early version does not tell."""


@dataclass(frozen=True)
class Number:
    """A metric of a row: its mean over the runs of the row, and their standard deviation where there are several."""

    mean: float
    deviation: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.deviation is None else f"{self.mean:.2f} ± {self.deviation:.2f}"


@dataclass(frozen=True)
class Row:
    """One run, or runs that differ only in their seed."""

    runs: tuple[RunRecord, ...]
    asked: Mapping[str, str]
    """{key: value} of what differs among the rows of the table, including the profile."""
    metrics: Mapping[str, Number] = field(default_factory=dict)

    repeats: int = 0
    """Earlier runs that asked for the same, with the same seed, which do not count."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """Profile, zero-shot setting and protocol; only numbers of one kind are comparable."""
        return self.newest.profile, self.newest.setting, self.newest.protocol

    @property
    def newest(self) -> RunRecord:
        return self.runs[-1]

    @property
    def seconds(self) -> float | None:
        known = [r.seconds for r in self.runs if r.seconds is not None]
        return statistics.fmean(known) if known else None

    @property
    def seeds(self) -> str:
        """The seeds of its runs in order, such as "0,1,2"."""
        return ",".join(map(str, sorted(r.seed for r in self.runs if r.seed is not None)))

    @property
    def state(self) -> str:
        """The status of its runs, such as "completed" or "completed/killed"."""
        return "/".join(sorted({r.status for r in self.runs}))

    def cells(self) -> dict[str, str]:
        """{heading: text} of every column, the values that differ among the rows behind those of `RUN`."""
        asked, result = ({column.heading: column.text(self) for column in part} for part in (RUN, RESULT))
        return {**asked, **self.asked, **result}

    def as_json(self) -> dict[str, Any]:
        """The row as plain JSON, numbers as numbers."""
        last = self.newest
        return {
            "runs": [r.id for r in self.runs],
            "started_at": last.started_at,
            "profile": last.profile,
            "by": last.deployment,
            "setting": last.setting,
            "seeds": [r.seed for r in self.runs],
            "changed": last.changed,
            "metrics": {name: asdict(number) for name, number in self.metrics.items()},
            "protocol": last.protocol,
            "state": last.status,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of runs.

    Attributes:
        heading: its heading.
        text: the text of a row in it.
        value: the value by which the page sorts, if it is not the text.
        right: whether it is aligned right, as numbers are.
    """

    heading: str
    text: Callable[[Row], str]
    value: Callable[[Row], float | None] | None = None
    right: bool = False


def _metric(name: str) -> Column:
    """The column of a mAP in percent."""

    def value(row: Row) -> float | None:
        return row.metrics[name].mean if name in row.metrics else None

    return Column(heading=name, text=lambda row: str(row.metrics.get(name, UNSAID)), value=value, right=True)


WHICH = (
    Column(heading="when (UTC)", text=lambda row: row.newest.started_at[:16].replace("T", " ")),
    Column(heading="run", text=lambda row: row.newest.id if len(row.runs) == 1 else f"{len(row.runs)} runs"),
)
"""Which run it is; on the page both are one cell, a link."""
RUN = (
    *WHICH,
    Column(heading="by", text=lambda row: row.newest.deployment or UNSAID),
    Column(heading="setting", text=lambda row: row.newest.setting or NOT_RECORDED),
    Column(heading="seed", text=lambda row: row.seeds or UNSAID, right=True),
)
"""The columns in front of the values that differ: which run it is, and what every run asks for."""
PROTOCOL = Column(heading="protocol", text=lambda row: row.newest.protocol or UNSAID)
RESULT = (
    *(_metric(name) for name in MAIN),
    PROTOCOL,
    Column(heading="state", text=lambda row: row.state),
    Column(
        heading="took",
        text=lambda row: UNSAID if row.seconds is None else duration(row.seconds),
        value=lambda row: row.seconds,
        right=True,
    ),
)
"""The columns behind them: what came out. A further one, here or in `RUN`, is in `ezhoi runs` and on the page."""


def table(
    records: Sequence[RunRecord],
    *,
    filters: Sequence[str] = (),
    sort: str = "when",
    last: int | None = None,
    seeds: bool = False,
) -> list[Row]:
    """Make the rows, the best or newest first.

    Args:
        filters: `key=value` each; a run has to agree with all.
        sort: one of ORDERS; runs without the value come last.
        last: only this many of the newest runs.
        seeds: fold the evaluated runs that differ only in their seed into a row; of runs with one seed the newest counts.
            Rows of one kind then stand together.

    ConfigError for a filter that no run could match, or an unknown order.
    """
    if sort not in ORDERS:
        raise ConfigError(f"--sort {shown(sort)}: expected one of {', '.join(ORDERS)}")
    some = chosen(records, filters=filters, last=last)
    groups = _folded(some) if seeds else [((r,), 0) for r in some]
    asked = [{"profile": group[-1].profile} | group[-1].changed for group, _ in groups]
    _tell_apart([group[-1] for group, _ in groups], asked)
    varied = _varied([own for (group, _), own in zip(groups, asked, strict=True) if group[-1].setting])
    rows = [
        Row(group, {key: own.get(key, UNSAID) for key in varied}, _metrics(group), repeats)
        for (group, repeats), own in zip(groups, asked, strict=True)
    ]
    rows = sorted(rows, key=lambda row: _key(row, sort), reverse=True)
    return sorted(rows, key=lambda row: row.kind) if seeds and sort in MAIN else rows


def chosen(records: Sequence[RunRecord], *, filters: Sequence[str] = (), last: int | None = None) -> list[RunRecord]:
    """The records of which `table` makes rows."""
    found = [r for r in records if all(_agrees(r, *_parsed(f, records)) for f in filters)]
    return found[-last:] if last is not None else found


def unrecorded(records: Sequence[RunRecord], filters: Sequence[str]) -> list[str]:
    """A line for each filter by a key that some records lack: these runs left it as in their profile, whatever that was."""
    found = []
    for key, value in (_parsed(text, records) for text in filters):
        if key in OF_RECORD or not (lacking := sum(key not in record.changed for record in records)):
            continue
        found.append(
            f"{lacking} of {len(records)} runs are left out whatever their profile says of {key}: records hold only what "
            f"differs from it, so these may have {shown(value)} too"
        )
    return found


def left_out(records: Sequence[RunRecord], rows: Sequence[Row]) -> str:
    """What folding the records into the rows leaves out, in words; empty if nothing."""
    others = [r for r in records if not _is_folded(r)]
    states = Counter(r.status for r in others if r.status != "completed")
    states["without an evaluation"] = len(others) - states.total()
    repeats = sum(row.repeats for row in rows)
    found = [f"{count} {state}" for state, count in states.items() if count]
    return ", ".join(found + ([f"{repeats} that a later run of the same seed repeats"] if repeats else []))


def unchanged(rows: Sequence[Row]) -> dict[str, str]:
    """{key: value} of what all rows ask for beside their profile; records of early versions do not tell it and are ignored."""
    told = [row for row in rows if row.newest.setting]
    common: dict[str, str] = dict(told[0].newest.changed) if told else {}
    for row in told:
        common = {key: value for key, value in common.items() if row.newest.changed.get(key) == value}
    return common


def _varied(asked: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys with different values, in order of their first use."""
    keys = dict.fromkeys(key for own in asked for key in own)
    return [key for key in keys if len({own.get(key) for own in asked}) > 1]


def _tell_apart(records: Sequence[RunRecord], asked: Sequence[dict[str, str]]) -> None:
    """Add to rows that ask for the same what they were made of, where that differs.

    It is the descriptions if the texts in a file were changed between them; else a digest, since another version of the
    project or another content of any file makes the difference, which `ezhoi runs compare` names.
    """
    texts: dict[object, set[str]] = {}
    rest: dict[object, set[str]] = {}
    for record in records:
        texts.setdefault(_asked(record), set()).add(_texts_of_a_file(record))
        if _is_folded(record):
            rest.setdefault((_asked(record), _texts_of_a_file(record)), set()).add(record.made_of)
    for record, own in zip(records, asked, strict=True):
        name = _texts_of_a_file(record)
        if len(texts[_asked(record)] - {""}) > 1 and name:
            own["descriptions"] = name[:12]
        if _is_folded(record) and len(rest[_asked(record), name]) > 1:
            own["made of"] = record.made_of[:12] or NOT_RECORDED


def _texts_of_a_file(record: RunRecord) -> str:
    """The artifact of the descriptions that a file of the user's has a part in; else empty, as what was asked for tells all."""
    named = {"descriptions.edits", "descriptions.file"} & record.changed.keys()
    return record.stages.get("descriptions", "") if named else ""


def _asked(record: RunRecord) -> tuple[object, ...]:
    """What a run asked for, whatever its seed."""
    return record.profile, record.setting, record.protocol, tuple(sorted(record.changed.items()))


def _is_folded(record: RunRecord) -> bool:
    return bool(record.complete and record.metrics)


def _folded(records: Sequence[RunRecord]) -> list[tuple[tuple[RunRecord, ...], int]]:
    """(runs of a row, how many it leaves out); runs that were made of something else are no repetition."""
    groups: dict[tuple[object, ...], dict[int | None, RunRecord]] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for record in records:
        if _is_folded(record):
            alike = (_asked(record), _texts_of_a_file(record), record.made_of)
            groups.setdefault(alike, {})[record.seed] = record
            counts[alike] += 1
    return [
        (tuple(sorted(group.values(), key=lambda r: r.when)), counts[alike] - len(group))
        for alike, group in groups.items()
    ]


def _metrics(group: Sequence[RunRecord]) -> dict[str, Number]:
    found = {}
    for name in MAIN:
        values = [r.metrics[name] for r in group if name in r.metrics]
        if values:
            found[name] = Number(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)
    return found


def _key(row: Row, sort: str) -> tuple[bool, float, tuple[bool, str, str]]:
    newest = row.newest
    value: float | None = 0.0
    if sort in MAIN:
        value = row.metrics[sort].mean if sort in row.metrics else None
    elif sort == "seconds":
        value = row.seconds
    elif sort == "seed":
        value = None if newest.seed is None else -float(newest.seed)
    return value is not None, value or 0.0, newest.when


def _parsed(text: str, records: Sequence[RunRecord]) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    known = {*OF_RECORD, *(key for r in records for key in r.changed)}
    if not separator or (records and key not in known):
        raise ConfigError(f"--filter {shown(text)}: expected key=value, the key one of {', '.join(sorted(known))}")
    return key, value


def _agrees(record: RunRecord, key: str, value: str) -> bool:
    own = {
        "setting": record.setting,
        "seed": "" if record.seed is None else str(record.seed),
        "state": record.status,
        "profile": record.profile,
        "by": record.deployment,
        "protocol": record.protocol,
    }
    return own.get(key, record.changed.get(key)) == value
