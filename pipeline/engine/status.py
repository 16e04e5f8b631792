"""How a stage stands for one configuration: whether a run would execute it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.store.artifact import Artifact

State = Literal["fresh", "stale", "missing"]


WAITS = "waits for "
"""How the reason begins that an input has to run first."""


@dataclass(frozen=True)
class StageStatus:
    """A stage as it stands for one configuration."""

    stage: str
    state: State
    """fresh: a run takes it from the store; stale: another one, or a damaged one, is there; missing: nothing is."""
    fingerprint: str | None
    """Of the artifact that the configuration asks for; None while an input is not there."""
    artifact: Artifact | None
    """The fresh artifact, or the one that `why` compares with."""
    why: tuple[str, ...]
    """What would make the stage run, one reason a line; empty if it is fresh."""
    code_changed: bool
    """The stage's source files differ from those that made `artifact`."""
    seconds: float | None = None
    """How long the stage took when `artifact` was made; None if it never ran."""
    expected: float | None = None
    """How long running it should take (`pipeline/engine/estimate.py`); None if it never ran."""
    pictures: tuple[int, int] | None = None
    """How many pictures `artifact` was made from and how many there are now, where these differ and count."""
    shards: tuple[int, int] | None = None
    """Of unfinished work: how many shards are there, of how many; None if none is."""

    @property
    def waits(self) -> bool:
        """Whether nothing is known against the stage but that an input runs first, which may come out as it was."""
        return self.runs and bool(self.why) and all(reason.startswith(WAITS) for reason in self.why)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the estimate goes by, beside last time."""
        found = [] if self.pictures is None else [f"{self.pictures[1]:,} pictures, last time {self.pictures[0]:,}"]
        return (
            *found,
            *([] if self.shards is None else [f"{self.shards[0]:,} of {self.shards[1]:,} shards are there"]),
        )

    @property
    def runs(self) -> bool:
        """Whether a run would execute the stage now, as far as can be told without running what comes before it."""
        return self.state != "fresh"
