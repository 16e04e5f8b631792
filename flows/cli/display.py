"""What the command line shows of a run: the stages as they finish, and the progress of the long ones."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WIDTH = 17
LINE_SECONDS = 10.0


def stage_line(stage: str, word: str, seconds: float, note: str = "") -> str:
    """The line of a stage that has finished: `seen               computed    75.3 s`."""
    return f"{stage:<{WIDTH}} {word:<9} {seconds:7.1f} s" + (f"  {note}" if note else "")


@dataclass
class PlainLines:
    """Progress for logs and pipes: a line every ten seconds of a stage."""

    shown: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        """See `pipeline.work.work.Progress`."""
        now = time.monotonic()
        if now - self.shown >= LINE_SECONDS:
            self.shown = now
            typer.echo(f"{stage:<{WIDTH}} {done} of {total}" + (f"  {note}" if note else ""), err=True)


@dataclass
class Bars:
    """Progress for terminals: a bar for the stage at work."""

    progress: Progress
    bars: dict[str, TaskID] = field(default_factory=dict)

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        """See `pipeline.work.work.Progress`."""
        if stage not in self.bars:
            for bar in self.bars.values():
                self.progress.update(bar, visible=False)
            self.bars[stage] = self.progress.add_task(stage)
        self.progress.update(self.bars[stage], completed=done, total=total, description=f"{stage:<{WIDTH}} {note}")


@contextmanager
def watching() -> Iterator[PlainLines | Bars]:
    """Show progress on stderr, as bars on a terminal; log lines go there too and leave the bars whole."""
    root = logging.getLogger("ezhoi")
    root.setLevel(logging.INFO)
    if not sys.stderr.isatty():
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        root.addHandler(handler)
        try:
            yield PlainLines()
        finally:
            root.removeHandler(handler)
        return
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_time=False)
    root.addHandler(handler)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    try:
        # Results go to stdout, which may be a file; rich would send them to the terminal.
        with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
            yield Bars(progress)
    finally:
        root.removeHandler(handler)
