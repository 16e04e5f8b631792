"""Let a run outlive its worker, which reads what the run prints: rich, which prints Prefect's log, would end the run too."""

from __future__ import annotations

import os

from rich.console import Console


def outlive_reader() -> None:
    """Let a console whose reader is gone fall silent from now on, so that this process goes on."""
    Console.on_broken_pipe = _fall_silent  # type: ignore[method-assign, assignment]


def _fall_silent(console: Console) -> None:
    console.quiet = True
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # whoever else prints would meet the same broken pipe
        os.dup2(nowhere, stream)
    os.close(nowhere)
