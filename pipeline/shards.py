"""The shards of an image stage, and how processes share them.

A shard is one file in `work.scratch`, whole or absent. Whoever computes it holds a lock on it, which the system lets go
when its process dies: each shard is computed once, and what a dead worker left undone another one takes up. An image
that cannot be read never stops the others; the stage reports all of them when the rest is done.

    plan     cut the splits into shards
    share    run the stage's `compute(work)` here and in `images.runtime.workers` - 1 further processes
    claims   what `compute` iterates over (see `pipeline/stream.py`)
    gather   publish the files, or say which images could not be read
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.work import Work, atomic

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


@dataclass
class Claim:
    """A shard that this process alone may compute until it lets go."""

    shard: Shard
    handle: int

    def release(self) -> None:
        """Let go; more than once does no harm."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def plan(splits: Mapping[str, Sequence[int]], *, size: int) -> list[Shard]:
    """Cut every split into shards of `size` images, in order."""
    return [
        Shard(split, number, tuple(ids[start : start + size]))
        for split, ids in splits.items()
        for number, start in enumerate(range(0, len(ids), size))
    ]


def claims(work: Work, shards: Sequence[Shard], *, wait: bool = False) -> Iterator[Claim]:
    """The shards that are neither done nor another's, locked; with `wait`, once the other is done with them or dead.

    Ends early in a worker whose parent has died: nobody would publish what it makes.
    """
    from multiprocessing import parent_process

    parent = parent_process()
    for shard in shards:
        if settled(work, shard):
            continue
        if parent is not None and not parent.is_alive():
            return
        handle = _lock(work.scratch / ".locks" / shard.name, wait=wait)
        if handle is None:
            continue
        if settled(work, shard):
            os.close(handle)
            continue
        yield Claim(shard, handle)


def settled(work: Work, shard: Shard) -> bool:
    """Whether its file is there, or this run knows that it cannot be made."""
    return (work.scratch / shard.name).exists() or (work.scratch / f"{shard.name}.faults.json").exists()


def _lock(path: Path, *, wait: bool) -> int | None:
    path.parent.mkdir(exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def share(work: Work, compute: Callable[[Work], None]) -> None:
    """Run `compute`, which claims shards until none is left, here and in further processes.

    A further process that dies costs time only: this one goes on until every shard is settled.
    """
    for path in work.scratch.glob("*.faults.json"):  # the images may have been mended since
        if not path.with_name(path.name.removesuffix(".faults.json")).exists():
            path.unlink()
    start = time.perf_counter()
    others = [_start(work, index) for index in range(1, work.config.images.runtime.workers)]
    compute(work)
    for process in others:
        process.join()
    for path in sorted(work.scratch.glob("*.seconds.json")):
        for kind, seconds in json.loads(path.read_text()).items():
            work.clock.add(kind, seconds)
        path.unlink()
    work.clock.add("wall", time.perf_counter() - start)


def _start(work: Work, index: int) -> Any:
    from multiprocessing import get_context

    arguments = (work.stage, work.config, dict(work.inputs), work.out, work.scratch, index)
    process = get_context("spawn").Process(target=_worker, args=arguments, daemon=True)
    process.start()
    return process


def _worker(stage: str, config: Any, inputs: Any, out: Path, scratch: Path, index: int) -> None:
    """A further process's share; several GPUs are dealt out in turn."""
    import torch

    if config.device in ("auto", "cuda") and torch.cuda.is_available():
        config = config.model_copy(update={"device": f"cuda:{index % torch.cuda.device_count()}"})
    work = Work(stage=stage, config=config, inputs=inputs, out=out, scratch=scratch)
    importlib.import_module(f"pipeline.stages.{stage}").compute(work)
    with atomic(scratch / f"{os.getpid()}.seconds.json") as temporary:
        temporary.write_text(json.dumps(work.clock.seconds))


def note_faults(work: Work, shard: Shard, faults: Mapping[int, str]) -> None:
    """Remember which images of a shard could not be read, and why."""
    with atomic(work.scratch / f"{shard.name}.faults.json") as temporary:
        temporary.write_text(json.dumps(faults))


def gather(work: Work, shards: Sequence[Shard]) -> dict[int, str]:
    """Move the shards' files to `work.out`; returns the images that were left out, and why.

    Raises DataError naming the images that could not be read, unless they are to be left out. The shards without such
    images are kept for the next run.
    """
    left_out: dict[int, str] = {}
    undone = []
    for shard in shards:
        path = work.scratch / f"{shard.name}.faults.json"
        if path.exists():
            left_out |= {int(i): reason for i, reason in json.loads(path.read_text()).items()}
        if not (work.scratch / shard.name).exists():
            undone.append(shard)
    if undone:
        reasons = list(left_out.values())
        more = f"\n  and {len(reasons) - LISTED} more" if len(reasons) > LISTED else ""
        raise DataError(
            f"stage {work.stage}: {len(reasons)} images cannot be used:\n  "
            + "\n  ".join(reasons[:LISTED])
            + more
            + f"\n{len(shards) - len(undone)} of {len(shards)} shards are done and kept. Mend these files and run again, or"
            " go on without them: --set images.runtime.unreadable=skip"
        )
    for shard in shards:
        (work.out / shard.name).hardlink_to(work.scratch / shard.name)
    return left_out
