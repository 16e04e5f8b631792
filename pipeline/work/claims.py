"""Who computes which shard, among the processes of one machine and among machines.

On one machine whoever computes a shard holds a lock on it, which the system lets go when its process dies: each shard is
computed once, and what a dead process left undone another one takes up. Machines that share nothing but an object store do
not wait for each other. Each begins with shards of its own, passes over those that are published, and computes whatever is
missing then. Two of them may compute the same shard, which costs time at the very end and is harmless: the bytes are the
same, and the first ones published count.
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
"""In the folder of a work: a file a shard, which whoever computes it has locked."""


@dataclass(frozen=True)
class Claim:
    """A shard that no other process of this machine computes until the claim is released."""

    shard: Shard
    lock: IO[str]

    def release(self) -> None:
        """Let go; more than once does no harm."""
        self.lock.close()


def claims(work: Work, shards: Sequence[Shard], *, wait: bool = False) -> Iterator[Claim]:
    """The shards of a stage that are not settled, in the order of this machine; as `each` says.

    Ends early, in a helper, when the work is over: nobody would publish what is made then.
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
    """The shards that are not settled, claimed; passes over those of this machine's other processes, or waits for them.

    Ends early where nobody would use what is made: the folder is gone, or this process was started by one that has died.

    Args:
        folder: that of the work; the locks lie in it.
        settled: whether a shard needs no more work, wherever it was done.
        over: whether the whole work is over.
        wait: whether to wait for a shard that another process has claimed.
        elsewhere: what a user can do whose file system has no locks.
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
    """The shards in the order in which a machine takes them up: its own first, every n-th one, then the others.

    The others come in an order of chance, another one in each process: were it the same everywhere, all machines that have
    come to the end of their own would go on with the same shard.
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
