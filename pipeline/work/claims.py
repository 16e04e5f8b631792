"""Which process computes which shard, on one machine and on several.

On one machine a process holds a lock on the shard that it computes, which the system releases when the process dies: each
shard is computed once, and another process takes up what a dead one left. Machines that share only an object store do not
wait for each other. Each begins with shards of its own, skips those that are published, and then computes whatever is
missing. Two machines may compute the same shard; this costs time at the very end but is harmless, since the bytes are equal
and the first ones published count.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.machine import locks
from pipeline.work.shards import Shard, settled
from pipeline.work.work import Place, Work

LOCKS = ".locks"
"""The folder, in that of a work, with a lock file for each shard."""


@dataclass(frozen=True)
class Claim:
    """A shard that no other process of this machine may compute until the claim is released."""

    shard: Shard
    lock: IO[str]

    def release(self) -> None:
        """Release the claim; to do so again does no harm."""
        self.lock.close()


def claims(work: Work, shards: Sequence[Shard], *, wait: bool = False) -> Iterator[Claim]:
    """Claim the shards of a stage that are not settled, in the order of this machine; see `each`.

    In a helper it ends early when the work is over, because nobody would publish what is made then.
    """
    return each(
        work.scratch,
        order(shards, work.place),
        settled=lambda shard: bool(settled(work, [shard])),
        over=work.exchange.over,
        wait=wait,
    )


def each(
    folder: Path,
    shards: Iterable[Shard],
    *,
    settled: Callable[[Shard], bool],
    over: Callable[[], bool] = lambda: False,
    wait: bool = False,
    elsewhere: str = locks.STORE,
) -> Iterator[Claim]:
    """Claim the shards that are not settled; those of this machine's other processes are skipped, or waited for.

    It ends early where nobody would use what is made: if the folder is gone, or the process that started this one has died.

    Args:
        folder: the folder of the work, in which the locks lie.
        settled: whether a shard needs no more work, wherever it was done.
        over: whether the whole work is over.
        wait: whether to wait for a shard that another process has claimed.
        elsewhere: what a user can do if the file system has no locks, for the message.
    """
    from multiprocessing import parent_process

    parent = parent_process()
    for shard in shards:
        if settled(shard):
            continue
        if parent is not None and not parent.is_alive():
            return
        lock = _lock(folder, shard, wait, elsewhere)
        if lock is None:
            continue
        with ExitStack() as held:
            held.enter_context(lock)
            if not settled(shard):
                if not folder.is_dir() or over():
                    return
                held.pop_all()
                yield Claim(shard, lock)


def order(shards: Sequence[Shard], place: Place | None) -> list[Shard]:
    """The shards in the order in which a machine takes them up: first its own, every n-th one, then the others.

    The others come in a random order, which differs in each process: otherwise all machines that have finished their own
    would go on with the same shard.
    """
    own = shards[place.number :: place.count] if place is not None else []
    mine = {shard.name for shard in own}
    others = [shard for shard in shards if shard.name not in mine]
    random.Random().shuffle(others)  # whatever the seeds of the stage
    return [*own, *others]


def _lock(folder: Path, shard: Shard, wait: bool, elsewhere: str) -> IO[str] | None:
    """A lock on this machine; None if another process has it, or the work is over."""
    try:
        (folder / LOCKS).mkdir(exist_ok=True)
        file = (folder / LOCKS / shard.name).open("a", encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        taken = locks.take(file, wait=wait, elsewhere=elsewhere)
    except BaseException:
        file.close()
        raise
    if not taken:
        file.close()
        return None
    return file
