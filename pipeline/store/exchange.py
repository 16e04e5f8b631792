"""How finished pieces of unfinished work reach other processes, where those see the same disk: they are there already.

A piece is one file of a stage's scratch folder: a shard, a checkpoint or a journal. On one disk whoever sees the folder has
them all, and `Exchange` has nothing to hand over. Between machines that share an object store only, `ObjectExchange`
(pipeline/store/remote/exchange.py) does it.
"""

from __future__ import annotations

from pathlib import Path


class Exchange:
    """One disk: nothing has to be handed over."""

    def names(self, *, fresh: bool = False) -> frozenset[str]:
        """Pieces that lie elsewhere and can be fetched; with `fresh` as of now."""
        return frozenset()

    def offer(self, path: Path, *, content: str | None = None) -> None:
        """Publish a finished piece, unless another one was first; `content` is its digest, where it is known."""

    def keep(self, path: Path, *, step: int, content: str | None = None) -> None:
        """Let another machine go on from this file, as it was after a step, in place of its last version."""

    def resume(self, path: Path, *, beyond: int) -> str | None:
        """Have the last version that was kept, by whatever machine, if it is of a later step; its digest then."""
        return None

    def withdraw(self, name: str) -> None:
        """Take a piece back, so that it is made again."""

    def fetch(self, name: str, path: Path) -> str | None:
        """Have a piece of `names()` here, whole; its digest. None if it was damaged: then it is said and taken back."""
        raise KeyError(name)

    def over(self) -> bool:
        """True once no process is at the work any more, so that nobody would publish what a helper makes."""
        return False
