"""How finished pieces of unfinished work reach other processes; on one disk these see them already.

A piece is one file of a stage's scratch folder: a shard, a checkpoint or a journal. Processes on one disk see the same folder,
so `Exchange` has nothing to hand over. Between machines that share only an object store, `ObjectExchange`
(pipeline/store/remote/exchange.py) hands them over.
"""

from __future__ import annotations

from pathlib import Path


class Exchange:
    """The exchange on one disk, where nothing has to be handed over."""

    def names(self, *, fresh: bool = False) -> frozenset[str]:
        """The names of pieces that lie elsewhere and can be fetched; with `fresh` they are listed anew."""
        return frozenset()

    def offer(self, path: Path, *, content: str | None = None) -> None:
        """Publish a finished piece, unless another one was published first; `content` is its digest, if that is known."""

    def keep(self, path: Path, *, step: int, content: str | None = None) -> None:
        """Hand over this file as it is after a step, in place of its last version: another machine can go on from it."""

    def resume(self, path: Path, *, beyond: int) -> str | None:
        """Fetch the last version that any machine handed over, if it is of a later step, and return its digest."""
        return None

    def withdraw(self, name: str) -> None:
        """Withdraw a piece, so that it is made again."""

    def fetch(self, name: str, path: Path) -> str | None:
        """Fetch a piece of `names()` and return its digest. None if it was damaged; then it is reported and withdrawn."""
        raise KeyError(name)

    def over(self) -> bool:
        """Whether no process is doing the work any more, so that nobody would publish what a helper makes."""
        return False
