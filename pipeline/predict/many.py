"""Many pictures through a predictor: threads decode ahead, this one computes, others draw.

No more than a few batches are in memory, so it does not grow with the number of pictures.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from PIL.Image import Image

from pipeline.errors import DataError
from pipeline.predict import drawing
from pipeline.predict.boxes import Boxes
from pipeline.predict.folder import Folder
from pipeline.predict.listing import Listed
from pipeline.predict.pictures import opened
from pipeline.predict.predictor import Predictor, Prepared
from pipeline.predict.records import Picture

BATCH = 8
"""Pictures a forward pass."""
AHEAD = 2
"""Batches that are decoded while one is computed, and that wait to be drawn."""

Progress = Callable[[int, int, str], None]
"""(done, total, note)"""
Read = tuple[Listed, Prepared, Image]
"""A picture, what the model needs of it, and the image as large as it is drawn."""


@dataclass(frozen=True)
class Unread:
    """A picture that could not be read, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Many:
    """How pictures are predicted and drawn; `run` does it.

    Args:
        boxes: the boxes of a picture by its name; None asks the predictor's detector.
        top, threshold, only: as of `Predictor`.
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
        """Predict those pictures that the folder does not have; {name: why} of those that could not be read.

        What is done stays done, whatever ends this. Pictures are computed in the same company whether some are done or not:
        the last digits of a score depend on it.
        """
        faults: dict[str, str] = {}
        had = {picture.name for picture in pictures if self._has(picture)}
        batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        batches = [batch for batch in batches if not had.issuperset(picture.name for picture in batch)]
        total, begun, done = sum(map(len, batches)), time.monotonic(), 0
        with ThreadPoolExecutor(self.workers) as readers, ThreadPoolExecutor(self.workers) as drawers:
            reading = ([readers.submit(self._read, picture) for picture in batch] for batch in batches)
            ahead: deque[list[Future[Read | Unread]]] = deque()
            waiting: deque[tuple[Listed, Picture, Future[None]]] = deque()
            try:
                while True:
                    while len(ahead) <= AHEAD and (batch := next(reading, None)) is not None:
                        ahead.append(batch)
                    if not ahead:
                        break
                    batch = ahead.popleft()
                    read = self._settled(batch, faults)
                    for (picture, _, image), record in zip(read, self._predict([p for _, p, _ in read]), strict=True):
                        if picture.name not in had:
                            waiting.append((picture, record, drawers.submit(self._draw, picture, record, image)))
                    done += len(batch)
                    self._keep(waiting, most=AHEAD * BATCH)
                    progress(done, total, _pace(done, total, time.monotonic() - begun))
                self._keep(waiting, most=0)
            except BaseException:
                readers.shutdown(wait=False, cancel_futures=True)
                self._keep(waiting, most=0)
                raise
        return faults

    def _has(self, picture: Listed) -> bool:
        try:
            return self.folder.has(picture)
        except OSError:  # it is gone, and reading it says so
            return False

    def _read(self, picture: Listed) -> Read | Unread:
        try:
            image = opened(picture.path)
            boxes = None if self.boxes is None else self.boxes(picture.name)
            return picture, self.predictor.prepare(image, boxes, picture.name), drawing.sized(image)
        except DataError as error:
            return Unread(picture.name, str(error))

    def _settled(self, batch: Sequence[Future[Read | Unread]], faults: dict[str, str]) -> list[Read]:
        """The pictures of a batch that could be read; the others go to the faults."""
        found = [future.result() for future in batch]
        faults |= {one.name: one.why for one in found if isinstance(one, Unread)}
        return [one for one in found if not isinstance(one, Unread)]

    def _predict(self, prepared: Sequence[Prepared]) -> list[Picture]:
        return self.predictor.predict(prepared, top=self.top, threshold=self.threshold, only=self.only)

    def _draw(self, picture: Listed, record: Picture, image: Image) -> None:
        self.folder.draw(picture, drawing.draw(image, record, idle=self.idle))

    def _keep(self, waiting: deque[tuple[Listed, Picture, Future[None]]], *, most: int) -> None:
        """Wait until at most so many pictures are being drawn, and note those that are."""
        while len(waiting) > most or (waiting and waiting[0][2].done()):
            picture, record, drawn = waiting.popleft()
            drawn.result()
            self.folder.add(picture, record)


def _pace(done: int, total: int, seconds: float) -> str:
    """How fast it goes and how long it takes yet: "12.3 a second, 40 s left"."""
    rate = done / max(seconds, 1e-9)
    return f"{rate:.1f} a second, {(total - done) / max(rate, 1e-9):.0f} s left"
