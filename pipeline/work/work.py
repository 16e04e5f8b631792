"""What a stage function is given: its configuration, its inputs, two folders, a clock and a voice.

    def run(work: Work) -> dict[str, Any]: ...        # pipeline/stages/<stage>.py; returns the artifact's metrics

Files left in `work.out` are published as the artifact when `run` returns. `work.scratch` survives a kill: a stage keeps
finished shards and checkpoints there (written with `atomic`) and continues from them. It is deleted on publishing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.tree import Config
from pipeline.store.artifact import Artifact
from pipeline.store.exchange import Exchange

Progress = Callable[[str, int, int, str], None]
"""(stage, done, total, note)"""


def silent(stage: str, done: int, total: int, note: str) -> None:
    """Report nothing."""


@dataclass
class Clock:
    """Seconds spent, by kind of work: `with clock("compute"): ...`, in any thread.

    Where kinds of work overlap their sum exceeds `wall`, which only the stages that overlap them tell.
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


@dataclass(frozen=True, kw_only=True)
class Work:
    """One execution of one stage."""

    stage: str
    config: Config
    inputs: Mapping[str, Artifact]
    out: Path
    scratch: Path
    exchange: Exchange = field(default_factory=Exchange)
    """How finished files of the scratch folder reach other machines that are at the same work."""
    guest: bool = False
    """Whether another process publishes what is made here."""
    progress_to: Progress = silent
    clock: Clock = field(default_factory=Clock)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell whoever watches that `done` of `total` units are finished.

        A note of a name and a number, such as "loss 0.31", is shown as a curve over the units.
        """
        self.progress_to(self.stage, done, total, note)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well: the file is whole or absent, never torn."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
