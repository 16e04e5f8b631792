"""The status of a stage under a configuration: whether a run would execute it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.store.artifact import Artifact

State = Literal["fresh", "stale", "missing"]


WAITS = "waits for "
"""How the reason that an input has to run first begins."""


@dataclass(frozen=True)
class StageStatus:
    """The status of a stage under a configuration."""

    stage: str
    state: State
    """fresh: a run takes the artifact from the store; stale: another or a damaged one is there; missing: none is."""
    fingerprint: str | None
    """The fingerprint of the artifact that the configuration asks for; None while an input is missing."""
    artifact: Artifact | None
    """The fresh artifact, or the one with which `why` compares."""
    why: tuple[str, ...]
    """What would make the stage run, one reason a line; empty if it is fresh."""
    code_changed: bool
    """Whether the stage's source files differ from those that made `artifact`."""
    seconds: float | None = None
    """The seconds that the stage took when `artifact` was made; None if it never ran."""
    expected: float | None = None
    """The seconds that it should take now (`pipeline/engine/estimate.py`); None if it never ran."""
    pictures: tuple[int, int] | None = None
    """The number of pictures from which `artifact` was made and the present number, where these differ and count."""
    shards: tuple[int, int] | None = None
    """How many shards of unfinished work are there, and of how many; None if none is."""

    @property
    def waits(self) -> bool:
        """Whether the only reason to run is an input that runs first, which may come out unchanged."""
        return self.runs and bool(self.why) and all(reason.startswith(WAITS) for reason in self.why)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the estimate takes into account beside the last time."""
        found = [] if self.pictures is None else [f"{self.pictures[1]:,} pictures, last time {self.pictures[0]:,}"]
        return (
            *found,
            *([] if self.shards is None else [f"{self.shards[0]:,} of {self.shards[1]:,} shards are there"]),
        )

    @property
    def runs(self) -> bool:
        """Whether a run would execute the stage now, as far as is known without running the stages before it."""
        return self.state != "fresh"
