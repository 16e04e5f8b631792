"""The shards of an image stage, and how processes of one machine or of several share them.

A shard is one piece in `work.scratch`, whole or absent: what an earlier run left is checked before it is used. Whoever
computes it holds a lock on it, which the system lets go when its process dies, and among machines that share an object
store a lease (`work.exchange`): each shard is computed once, and what a dead worker left undone another one takes up. An
image that cannot be read never stops the others; the stage reports all of them when the rest is done.

    plan     cut the splits into shards
    share    run the stage's `compute(work)` here and in helper processes (`pipeline/work/helpers.py`)
    assist   the same for a stage that another run is at
    claims   what `compute` iterates over (see `pipeline/work/stream.py`)
    gather   publish the files, or say which images could not be read
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from pipeline.errors import DataError, EzhoiError
from pipeline.machine import locks
from pipeline.work import helpers
from pipeline.work.work import Work

FAULTS = ".faults.json"
LISTED = 20
"""Unreadable images that an error names; it counts the rest."""


@dataclass(frozen=True)
class Shard:
    """Some images of a split, computed and stored together."""

    split: str
    number: int
    ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its file."""
        return f"{self.split}-{self.number:03d}.parquet"


def _faults(shard: Shard) -> str:
    return shard.name + FAULTS


@dataclass
class Claim:
    """A shard that this process alone may compute until it lets go."""

    shard: Shard
    rights: ExitStack

    def release(self) -> None:
        """Let go; more than once does no harm."""
        self.rights.close()


def plan(splits: Mapping[str, Sequence[int]], *, size: int) -> list[Shard]:
    """Cut every split into shards of `size` images, in order."""
    return [
        Shard(split, number, tuple(ids[start : start + size]))
        for split, ids in splits.items()
        for number, start in enumerate(range(0, len(ids), size))
    ]


def claims(work: Work, shards: Sequence[Shard], *, wait: bool = False) -> Iterator[Claim]:
    """The shards that are neither done nor another's, claimed; with `wait`, once the other is done with them or dead.

    Ends early where nobody would publish what is made: in a worker whose parent has died, and when the work that was
    assisted is over.
    """
    from multiprocessing import parent_process

    parent = parent_process()
    for shard in shards:
        if settled(work, [shard]):
            continue
        if parent is not None and not parent.is_alive():
            return
        with ExitStack() as rights:
            for right in (_local_right, _right_among_machines):
                claimed = right(work, shard, wait)
                if claimed is None:
                    break
                rights.enter_context(claimed)
            else:
                if not settled(work, [shard], fresh=True):
                    if not work.scratch.is_dir() or work.exchange.over():
                        return
                    yield Claim(shard, rights.pop_all())


def settled(work: Work, shards: Sequence[Shard], *, fresh: bool = False) -> list[Shard]:
    """Those whose file is here or elsewhere, or of which it is known that it cannot be made; `fresh`: as of now."""
    elsewhere = work.exchange.names(fresh=fresh)
    return [
        shard
        for shard in shards
        if any(name in elsewhere or (work.scratch / name).exists() for name in (shard.name, _faults(shard)))
    ]


def _local_right(work: Work, shard: Shard, wait: bool) -> AbstractContextManager[object] | None:
    """A lock on this machine; None if another process has it, or the work is over."""
    try:
        (work.scratch / ".locks").mkdir(exist_ok=True)
        file = (work.scratch / ".locks" / shard.name).open("a", encoding="utf-8")
    except FileNotFoundError:
        return None
    if not locks.take(file, wait=wait):
        file.close()
        return None
    return file


def _right_among_machines(work: Work, shard: Shard, wait: bool) -> AbstractContextManager[object] | None:
    return work.exchange.claim(shard.name, unless=lambda: not wait or bool(settled(work, [shard])))


def share(work: Work, compute: Callable[[Work], int]) -> None:
    """Run `compute`, which claims shards until none is left, here and in helper processes.

    A helper that dies costs time only: this one goes on until every shard is settled. Shards that are damaged,
    here or where another machine left them, are computed again.
    """
    _drop_damaged(work)
    names = {path.name for path in work.scratch.iterdir()} | work.exchange.names(fresh=True)
    for name in names:
        if name.endswith(FAULTS) and name.removesuffix(FAULTS) not in names:  # the images may have been mended since
            work.pieces.drop(name)
            work.exchange.withdraw(name)
    start = time.perf_counter()
    helpers.together(work, compute)
    if not _bring(work):
        helpers.together(work, compute)
    work.clock.add("wall", time.perf_counter() - start)


def _drop_damaged(work: Work) -> None:
    """Of what an earlier run left, keep what is as it was written."""
    for path in sorted(work.scratch.glob("*")):
        if path.name.endswith((".parquet", FAULTS)) and work.pieces.digest_of(path.name) is None:
            work.pieces.drop(path.name.removesuffix(FAULTS))  # whose faults are not known is computed again


def _bring(work: Work) -> bool:
    """Have the pieces that lie elsewhere here; False if one was damaged there, so that it has to be made again."""
    whole = True
    for name in sorted(work.exchange.names(fresh=True)):
        if not (work.scratch / name).exists():
            content = work.exchange.fetch(name, work.scratch / name)
            if content is None:
                whole = False
            else:
                work.pieces.adopt(name, content)
    return whole


def assist(work: Work, compute: Callable[[Work], int]) -> int:
    """Compute shards of a stage that another run is at, until none is left; how many were made here.

    Whether an image can be read is for that run to judge: a shard with an image that cannot be read here is left to it.
    """
    try:
        return helpers.together(work, compute)
    except FileNotFoundError:
        if work.scratch.is_dir():
            raise
        return 0  # published meanwhile, and the folder is gone


def offer(work: Work, name: str) -> None:
    """Let other machines have a piece that is finished here."""
    work.exchange.offer(work.scratch / name, content=work.pieces.digest_of(name))


def note_faults(work: Work, shard: Shard, faults: Mapping[int, str]) -> None:
    """Remember which images of a shard could not be read, and why."""
    with work.pieces.writing(_faults(shard)) as temporary:
        temporary.write_text(json.dumps(faults), encoding="utf-8")
    offer(work, _faults(shard))


def gather(work: Work, shards: Sequence[Shard]) -> dict[int, str]:
    """Move the shards' files to `work.out`; returns the images that were left out, and why.

    Raises DataError naming the images that could not be read, unless they are to be left out. The shards without such
    images are kept for the next run.
    """
    left_out: dict[int, str] = {}
    undone = []
    _bring(work)
    for shard in shards:
        if work.pieces.digest_of(_faults(shard)) is not None:
            text = (work.scratch / _faults(shard)).read_text(encoding="utf-8")
            left_out |= {int(i): reason for i, reason in json.loads(text).items()}
        if work.pieces.digest_of(shard.name) is None:
            undone.append(shard)
    if undone and not left_out:
        raise EzhoiError(
            f"stage {work.stage}: {len(undone)} of {len(shards)} shards were not computed. Run again: it goes on"
        )
    if undone:
        reasons = list(left_out.values())
        more = f"\n  and {len(reasons) - LISTED} more" if len(reasons) > LISTED else ""
        raise DataError(
            f"stage {work.stage}: {len(reasons)} images cannot be used:\n  "
            + "\n  ".join(reasons[:LISTED])
            + more
            + f"\n{len(shards) - len(undone)} of {len(shards)} shards are done and kept. Mend these files and run again, or"
            " go on without them: --set images.unreadable=skip"
        )
    for shard in shards:
        work.hand_over(shard.name)
    return left_out
