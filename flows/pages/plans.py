"""A plan as text: what a run would do, why, and how long that took last time."""

from __future__ import annotations

from collections.abc import Sequence

from flows.pages.tables import table
from pipeline.engine.plan import remaining
from pipeline.engine.status import StageStatus
from pipeline.outside.escaping import markdown
from pipeline.report.units import duration

KEY = "ezhoi-plan"
"""Prefect artifact key of the page of dry runs."""


def word(status: StageStatus) -> str:
    """The state of the stage in a run: cached, reused (where an artifact was chosen), stale or missing."""
    return status.state if status.runs else "reused" if status.why else "cached"


def took(status: StageStatus) -> str:
    """How long a stage took last time and, where it differs, how long it should take now; '' if it never ran."""
    if status.seconds is None or status.expected is None:
        return ""
    text = f"took {duration(status.seconds)}"
    return text if _as_last_time(status) else f"{text}, now about {duration(status.expected)}"


def _as_last_time(status: StageStatus) -> bool:
    return status.expected == status.seconds


def lines(statuses: Sequence[StageStatus]) -> list[str]:
    """A plan as text: a line for each stage, and one more for each reason."""
    found = []
    for s in statuses:
        about = f"  about {duration(s.expected)}" if s.runs and s.expected is not None else ""
        found.append(f"{s.stage:<17} {word(s):<8} {(s.fingerprint or '')[:12]:<12}{about}".rstrip())
        found += [f"{'':<18}{reason}" for reason in (*s.why, *s.notes)]
    return [*found, summary(statuses)]


def summary(statuses: Sequence[StageStatus]) -> str:
    """`6 of 13 stages cached; 2 would run, 5 more if what they read comes out otherwise: at most about 2 min as last time`"""
    waiting = [s for s in statuses if s.runs]
    there = " or ".join(sorted({word(s) for s in statuses if not s.runs})) or "cached"
    text = f"{len(statuses) - len(waiting)} of {len(statuses)} stages {there}"
    if not waiting:
        return text
    seconds, unknown = remaining(statuses)
    maybe = sum(s.waits for s in waiting)
    most = "at most " if maybe else ""
    by = "as last time" if all(map(_as_last_time, waiting)) else "going by last time"
    parts = [f"{most}about {duration(seconds)} {by}"] if len(unknown) < len(waiting) else []
    parts += [f"not known for {', '.join(unknown)}"] if unknown else []
    would = f"{len(waiting) - maybe} would run" + (
        f", {maybe} more if what they read comes out otherwise" if maybe else ""
    )
    return f"{text}; {would}: {'; '.join(parts)}"


def page(statuses: Sequence[StageStatus], *, title: str) -> str:
    """The page of a dry run."""
    rows = [
        [
            s.stage,
            word(s),
            f"`{(s.fingerprint or '')[:12]}`" if s.fingerprint else "not known yet",
            markdown("; ".join((*s.why, *s.notes))) or "–",
            (took(s) if s.runs else "") or "–",
        ]
        for s in statuses
    ]
    head = ["stage", "state", "artifact", "why", "last time, now"]
    return f"# Plan\n\n{markdown(title)}. Nothing was run.\n\n**{summary(statuses)}**\n\n{table(head, rows)}\n"
