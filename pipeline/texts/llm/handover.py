"""Answers of an unfinished stage, handed to another machine: the journal goes through the work's exchange.

On one disk there is nothing to do. With an object store, a copy of the journal replaces the last one every quarter of a minute
and when the stage fails; a machine that takes the work over adds its lines to its own journal before it asks anything.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.store.exchange import Exchange

log = logging.getLogger("ezhoi.llm")
SECONDS = 15.0
"""Least seconds between two copies: what a lost machine has asked since its last copy is asked again."""


def give(path: Path, exchange: Exchange) -> None:
    """Hand over the answers so far; if the store cannot be reached, this machine goes on all the same."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name  # answers come in while it is on its way
        copy.write_bytes(whole)
        try:
            exchange.keep(copy, step=whole.count(b"\n"))
        except StoreError as error:
            log.warning("%s was not handed over: %s", path, error)


def take_over(path: Path, exchange: Exchange) -> None:
    """Add to a journal the lines that another machine handed over and that it lacks."""
    if path.name not in exchange.names(fresh=True):
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name
        if exchange.fetch(path.name, copy) is None:
            return
        handed = copy.read_bytes().split(b"\n")
    own = set(path.read_bytes().split(b"\n")) if path.exists() else set()
    with path.open("ab") as file:
        file.writelines(line + b"\n" for line in handed if line and line not in own)
