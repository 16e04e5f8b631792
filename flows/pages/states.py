"""How a stage got its artifact in a run: one word each, for Prefect's states and for pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.engine.execute import Outcome

WORDS = {"Cached": "cached", "Reused": "reused", "Completed": "computed"}
"""The words of pages, by the name of the task's state."""


def state_name(outcome: Outcome) -> str:
    """The task's state as Prefect shows it."""
    if outcome.choice is not None:
        return "Reused"
    return "Cached" if outcome.hit else "Completed"


def counts(outcomes: Iterable[Outcome]) -> str:
    """Counts such as `7 cached, 1 reused, 6 computed`, without those that are 0."""
    found = Counter(word(outcome) for outcome in outcomes)
    return ", ".join(f"{found[said]} {said}" for said in WORDS.values() if found[said])


def word(outcome: Outcome) -> str:
    """Cached, reused or computed, as pages say it."""
    return WORDS[state_name(outcome)]
