"""Decode, compute and write at the same time: threads read images, this one computes, another one writes finished shards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from pipeline.errors import DataError
from pipeline.tables import arrays
from pipeline.work import shards
from pipeline.work.claims import Claim, claims
from pipeline.work.shards import Shard
from pipeline.work.work import Work

T = TypeVar("T")
Columns = Mapping[str, Any]
AHEAD = 2
"""How many batches are read while one is computed."""


def stream(
    work: Work,
    plan: Sequence[Shard],
    *,
    read: Callable[[Shard, int], T],
    compute: Callable[[Shard, list[int], list[T]], Columns],
    batch: int,
    rows_a_group: int | None = None,
) -> int:
    """Compute the shards of the plan that no other process has computed, each into one file of `work.scratch`.

    This blocks until every shard is settled, or the run that we help is over, and returns how many this process computed.

    Args:
        read: reads an image of a shard by its id, in threads. DataError means that it cannot be read.
        compute: makes columns of equal length from a batch of images, in this thread.
        batch: how many images a call of `compute` gets.
        rows_a_group: how many rows a Parquet row group has; None: all rows of the shard.
    """
    pump = _Pump(work, plan, read, compute, batch, rows_a_group)
    pump.run(claims(work, plan))
    for shard in plan:  # what this machine's other processes were at is theirs, unless they died of it
        pump.run(claims(work, [shard], wait=True))
    return pump.settled


@dataclass
class _Batch:
    claim: Claim
    ids: tuple[int, ...]
    pending: list[Future[Any]]
    first: bool
    last: bool


@dataclass
class _Pump:
    work: Work
    plan: Sequence[Shard]
    read: Callable[[Shard, int], Any]
    compute: Callable[[Shard, list[int], list[Any]], Columns]
    batch: int
    rows_a_group: int | None
    parts: list[Columns] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    passed_over: bool = False
    """Whether another machine published the present shard after it was claimed here."""
    settled: int = 0
    """How many shards were computed here, or found to have unreadable images."""

    def run(self, coming: Iterator[Claim]) -> None:
        taken: list[Claim] = []
        with (
            ThreadPoolExecutor(self.work.config.images.runtime.readers) as readers,
            ThreadPoolExecutor(1) as writer,
        ):
            batches = self._batches(coming, readers, taken)
            ahead: deque[_Batch] = deque()
            writing: deque[Future[None]] = deque()
            try:
                while True:
                    while len(ahead) <= AHEAD and (found := next(batches, None)) is not None:
                        ahead.append(found)
                    if not ahead:
                        break
                    self._compute(ahead.popleft(), writer, writing)
                    self._settle(writing, most=1)
                self._settle(writing, most=0)
            finally:
                readers.shutdown(cancel_futures=True)
                writer.shutdown()
                with ExitStack() as rights:
                    for claim in taken:
                        rights.callback(claim.release)

    def _batches(self, coming: Iterator[Claim], readers: Executor, taken: list[Claim]) -> Iterator[_Batch]:
        for claim in coming:
            taken.append(claim)
            ids = claim.shard.ids
            for start in range(0, len(ids), self.batch):
                some = ids[start : start + self.batch]
                pending = [readers.submit(self._read, claim.shard, i) for i in some]
                yield _Batch(claim, some, pending, first=start == 0, last=start + self.batch >= len(ids))

    def _read(self, shard: Shard, image_id: int) -> Any:
        with self.work.clock("read"):
            try:
                return self.read(shard, image_id)
            except DataError as error:
                return error

    def _compute(self, batch: _Batch, writer: Executor, writing: deque[Future[None]]) -> None:
        if batch.first:
            self.passed_over = bool(shards.settled(self.work, [batch.claim.shard]))
        if self.passed_over:
            for future in batch.pending:
                future.cancel()
            if batch.last:
                batch.claim.release()
            return
        values = [future.result() for future in batch.pending]
        self.faults |= {i: str(v) for i, v in zip(batch.ids, values, strict=True) if isinstance(v, DataError)}
        good = [(i, v) for i, v in zip(batch.ids, values, strict=True) if not isinstance(v, DataError)]
        if good:
            with self.work.clock("compute"):
                self.parts.append(self.compute(batch.claim.shard, [i for i, _ in good], [v for _, v in good]))
        if batch.last:
            writing.append(writer.submit(self._write, batch.claim, self.parts, self.faults))
            self.parts, self.faults = [], {}

    def _write(self, claim: Claim, parts: list[Columns], faults: dict[int, str]) -> None:
        if faults and self.work.helper:
            claim.release()
            return
        with self.work.clock("write"):
            if faults:
                shards.note_faults(self.work, claim.shard, faults)
            if parts and (not faults or self.work.config.images.unreadable == "skip"):
                with self.work.pieces.writing(claim.shard.name) as temporary:
                    arrays.put(temporary, _joined(parts), rows_a_group=self.rows_a_group)
                shards.offer(self.work, claim.shard.name)
        claim.release()
        self.settled += 1

    def _settle(self, writing: deque[Future[None]], *, most: int) -> None:
        """Wait until at most `most` shards are being written, and report progress."""
        while len(writing) > most or (writing and writing[0].done()):
            writing.popleft().result()
            done = sum(len(s.ids) for s in shards.settled(self.work, self.plan))
            self.work.progress(done, sum(len(s.ids) for s in self.plan), "images")


def _joined(parts: Sequence[Columns]) -> Columns:
    def join(values: Iterable[Any]) -> Any:
        found = list(values)
        return np.concatenate(found) if isinstance(found[0], np.ndarray) else [row for part in found for row in part]

    return {name: join(part[name] for part in parts) for name in parts[0]}
