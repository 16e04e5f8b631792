"""What a stage function is given: its configuration, its inputs, two folders, a clock and a way to report progress.

    def run(work: Work) -> dict[str, Any]: ...        # pipeline/stages/<stage>.py; returns the artifact's metrics

Files left in `work.out` are published as the artifact when `run` returns. `work.scratch` survives a kill: a stage keeps
finished shards and checkpoints there (`work.pieces`) and continues from them. It is deleted on publishing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.config.tree import Config
from pipeline.errors import DataError
from pipeline.machine.files import link_or_copy
from pipeline.store.artifact import Artifact
from pipeline.store.exchange import Exchange
from pipeline.work.pieces import Pieces

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, note)."""


def silent(stage: str, done: int, total: int, note: str) -> None:
    """Report nothing."""


@dataclass
class Clock:
    """Counts the seconds of each kind of work: `with clock("compute"): ...`, in any thread.

    Where kinds of work overlap, their sum exceeds `wall`, which only stages with such an overlap record.
    """

    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "compute": 0.0, "write": 0.0})
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, kind: str, seconds: float) -> None:
        """Count seconds that were spent elsewhere."""
        with self._lock:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    @contextmanager
    def __call__(self, kind: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(kind, time.perf_counter() - start)


@dataclass(frozen=True)
class Place:
    """Which of `count` machines one is: 0 publishes, its helpers come after it."""

    number: int = 0
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Work:
    """One execution of one stage."""

    stage: str
    config: Config
    inputs: Mapping[str, Artifact]
    out: Path
    scratch: Path
    exchange: Exchange = field(default_factory=Exchange)
    """The way by which finished files of the scratch folder reach other machines with the same work."""
    gpus: tuple[str, ...] = ()
    """The torch devices of the GPUs that the stage holds, of which `config.device` is one. Empty without a GPU."""
    helper: bool = False
    """Whether another process publishes what is made here."""
    place: Place | None = Place()
    """Its place among the machines that share the stage's shards; None for a helper that was not asked for."""
    progress_to: Progress = silent
    clock: Clock = field(default_factory=Clock)
    digests: dict[str, str] = field(default_factory=dict)
    """Digests of files in `out` that are known already, so that publishing need not hash these files again."""
    code: str = ""
    """The digest of the code that computes the stage; machines that compute it together must have the same."""

    @cached_property
    def pieces(self) -> Pieces:
        """The finished pieces in `scratch`."""
        return Pieces(self.scratch)

    def hand_over(self, piece: str) -> None:
        """Put a finished piece into `out` too, under its name; DataError if the piece is not intact."""
        content = self.pieces.digest_of(piece)
        if content is None:
            raise DataError(f"stage {self.stage}: {piece} was damaged while it was at work. Run again: it goes on")
        link_or_copy(self.scratch / piece, self.out / piece)
        self.digests[piece] = content

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report that `done` of `total` units are finished.

        A note of a name and a number, such as "loss 0.31", is shown as a curve over the units.
        """
        self.progress_to(self.stage, done, total, note)
