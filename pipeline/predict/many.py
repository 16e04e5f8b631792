"""Predicting many pictures: threads decode ahead, this one computes, others draw.

Only a few batches are in memory, so memory does not grow with the number of pictures.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from PIL.Image import Image

from pipeline.errors import DataError
from pipeline.machine.files import sentence
from pipeline.predict import drawing
from pipeline.predict.boxes import Boxes
from pipeline.predict.folder import Folder
from pipeline.predict.journal import ELSEWHERE, Journal
from pipeline.predict.listing import Listed, Stamp
from pipeline.predict.pictures import opened
from pipeline.predict.predictor import Predictor
from pipeline.predict.prepared import Prepared
from pipeline.predict.records import Picture
from pipeline.work import claims, shards
from pipeline.work.claims import Claim
from pipeline.work.shards import Shard

BATCH = 8
"""How many pictures a forward pass has."""
AHEAD = 2
"""How many batches are decoded while one is computed, and how many may wait to be drawn."""

Progress = Callable[[int, int, str], None]
"""Called with (done, total, note)."""


@dataclass(frozen=True)
class Read:
    """A picture that was read."""

    name: str
    stamp: Stamp
    """The stamp of its file, before it was read."""
    prepared: Prepared
    """The picture prepared for the model."""
    image: Image
    """The picture at the size at which it is drawn."""


@dataclass(frozen=True)
class Unread:
    """A picture that could not be read, and why."""

    name: str
    why: str


@dataclass
class _Batch:
    """Pictures that are computed together, claimed by this process."""

    claim: Claim
    wanted: set[str]
    """The names of the pictures that are not done."""
    reading: list[Future[Read | Unread]]
    left: int = 0
    """How many of them are not written yet."""


@dataclass(frozen=True)
class _Drawing:
    """A picture that is predicted and being drawn."""

    batch: _Batch
    record: Picture
    stamp: Stamp
    drawn: Future[Stamp]


@dataclass(frozen=True, kw_only=True)
class Many:
    """How pictures are predicted and drawn; `run` does it.

    Args:
        boxes: the boxes of a picture by its name; None asks the predictor's detector.
        top, threshold, only: as for `Predictor`.
        idle: whether pairs without an interaction are drawn.
    """

    predictor: Predictor
    folder: Folder
    boxes: Callable[[str], Boxes] | None
    top: int | None
    threshold: float
    only: Sequence[str] = ()
    idle: bool = False
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)

    def run(self, pictures: Sequence[Listed], progress: Progress) -> dict[str, str]:
        """Predict the pictures that the folder does not have yet; return {name: why} of those that could not be read.

        Several processes share the pictures: each takes some that no other one is computing, then waits for the others, and
        takes over if they die. What is done stays done, whatever ends this. A picture always shares its batch with the same
        others, whichever process computes it and whatever is done already, because the last digits of a score depend on it.
        """
        done = {picture.name for picture in pictures if self.folder.has(picture)}
        self.folder.journal.forget(picture.name for picture in pictures if picture.name not in done)
        plan = shards.plan({"pictures": range(len(pictures))}, size=BATCH)
        plan = [shard for shard in plan if not done.issuperset(pictures[i].name for i in shard.ids)]
        pace = _Pace(self.folder.journal, sum(picture.name not in done for picture in pictures), progress)
        with ThreadPoolExecutor(self.workers) as readers, ThreadPoolExecutor(self.workers) as drawers:
            take = partial(self._take, pictures=pictures, readers=readers, drawers=drawers, pace=pace)
            take(plan, wait=False)
            for shard in plan:  # what other processes were at is theirs, unless they died of it
                take([shard], wait=True)
        faults = self.folder.journal.faults
        return {picture.name: faults[picture.name] for picture in pictures if picture.name in faults}

    def _take(
        self,
        plan: Sequence[Shard],
        *,
        wait: bool,
        pictures: Sequence[Listed],
        readers: Executor,
        drawers: Executor,
        pace: _Pace,
    ) -> None:
        """Predict the pictures of a plan that no other process is computing; wait for those of others, or skip them."""
        coming = claims.each(
            self.folder.path,
            plan,
            settled=lambda shard: self.folder.settled([pictures[i] for i in shard.ids]),
            wait=wait,
            elsewhere=ELSEWHERE,
        )
        ahead: deque[_Batch] = deque()
        waiting: deque[_Drawing] = deque()
        with ExitStack() as held:
            try:
                while True:
                    while len(ahead) <= AHEAD and (claim := next(coming, None)) is not None:
                        held.callback(claim.release)
                        ahead.append(self._begun(claim, [pictures[i] for i in claim.shard.ids], readers))
                    if not ahead:
                        break
                    waiting += self._predicted(ahead.popleft(), drawers)
                    self._keep(waiting, most=AHEAD * BATCH)
                    pace.tell()
                self._keep(waiting, most=0)
                pace.tell()
            except BaseException:
                readers.shutdown(wait=False, cancel_futures=True)
                self._keep(waiting, most=0)
                raise

    def _begun(self, claim: Claim, pictures: Sequence[Listed], readers: Executor) -> _Batch:
        wanted = {picture.name for picture in pictures if not self.folder.has(picture)}
        return _Batch(claim, wanted, [readers.submit(self._read, picture) for picture in pictures])

    def _read(self, picture: Listed) -> Read | Unread:
        try:
            stamp = picture.stamp  # before it is read: a change in between makes it be predicted again
            image = opened(picture.path)
            boxes = None if self.boxes is None else self.boxes(picture.name)
            return Read(picture.name, stamp, self.predictor.prepare(image, boxes, picture.name), drawing.sized(image))
        except OSError as error:
            return Unread(picture.name, sentence(error, path=picture.path))
        except DataError as error:
            return Unread(picture.name, str(error))

    def _predicted(self, batch: _Batch, drawers: Executor) -> Iterator[_Drawing]:
        """Compute a batch and draw its wanted pictures; those that cannot be read are noted."""
        found = [future.result() for future in batch.reading]
        for one in found:
            if isinstance(one, Unread) and one.name in batch.wanted:
                self.folder.add_fault(one.name, one.why)
        read = [one for one in found if isinstance(one, Read)]
        batch.left = sum(one.name in batch.wanted for one in read)
        if not batch.left:
            batch.claim.release()
            return
        prepared = [one.prepared for one in read]
        records = self.predictor.predict(prepared, top=self.top, threshold=self.threshold, only=self.only)
        for one, record in zip(read, records, strict=True):
            if one.name in batch.wanted:
                yield _Drawing(batch, record, one.stamp, drawers.submit(self._draw, record, one.image))

    def _draw(self, record: Picture, image: Image) -> Stamp:
        return self.folder.draw(record.name, drawing.draw(image, record, idle=self.idle))

    def _keep(self, waiting: deque[_Drawing], *, most: int) -> None:
        """Wait until at most so many pictures are being drawn, and note those that are."""
        while len(waiting) > most or (waiting and waiting[0].drawn.done()):
            one = waiting.popleft()
            self.folder.journal.add(one.record, one.stamp, one.drawn.result())
            one.batch.left -= 1
            if not one.batch.left:
                one.batch.claim.release()


@dataclass(frozen=True)
class _Pace:
    """How far all processes that share the pictures are, since this one began."""

    journal: Journal
    total: int
    progress: Progress
    before: int = field(init=False)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", self.journal.added)

    def tell(self) -> None:
        """Report how many are done, how fast it goes, and how much time is left: "12.3 a second, 40 s left"."""
        done = min(self.journal.added - self.before, self.total)
        rate = done / max(time.monotonic() - self.begun, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        self.progress(done, self.total, f"{rate:.1f} a second, {left:.0f} s left" if done else "")
