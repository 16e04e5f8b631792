"""How many requests are in flight: up to a limit that the server sets by answering 429.

Additive increase, multiplicative decrease: the first 429 of a burst halves the limit and makes everybody wait as long as
the server asks for; every answer raises it again by a fraction, so that a full round of answers raises it by one.

A server may reject every question. So `FEW` go first, and the others after the first answer or after `OPENING` seconds, in
which a rejection would have come. If the first `FEW` that came back were all rejected, no other one goes out until one of
those in flight is answered; if none is, `InVain` is raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FEW = 5
"""From this many rejected questions on, none being answered yet, the server is in doubt."""
OPENING = 0.25


class InVain(Exception):
    """The server has rejected every question so far, and none is in flight."""


class Pace:
    """Slots for requests; for one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.slowed = 0
        """How often the limit was halved."""
        self.last_answer = time.monotonic()
        self.rejected = 0
        """How many questions were rejected before the first answer."""
        self._takes = self._in_doubt = False
        self._opening: asyncio.Task[None] | None = None
        self._flying = 0
        self._resume_at = self._slowed_at = 0.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Wait for a free slot and hold it; yields the time it was taken. Raises InVain if the server rejects everything."""
        async with self._changed:
            while True:
                wait = self._resume_at - time.monotonic()
                if self.in_vain:
                    raise InVain
                if wait > 0:
                    await self._nap(wait)
                elif self._flying < self._room:
                    break
                else:
                    await self._changed.wait()
            self._flying += 1
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
        try:
            yield time.monotonic()
        finally:
            self._flying -= 1
            async with self._changed:
                # The limit may have risen by one, or the doubt be over.
                self._changed.notify(max(2, self._room - self._flying))

    @property
    def _room(self) -> int:
        """How many requests may be in flight now."""
        if self._in_doubt:
            return 0
        first = not self._takes and (self._opening is None or not self._opening.done())
        return max(1, int(min(self.limit, FEW) if first else self.limit))

    async def _open(self) -> None:
        await asyncio.sleep(OPENING)
        async with self._changed:
            self._changed.notify_all()

    @property
    def in_vain(self) -> bool:
        """Whether the server rejected every question, and none is in flight that it may still answer."""
        return self._in_doubt and self._flying == 0

    def answered(self) -> None:
        """The server answered a request."""
        self.last_answer = time.monotonic()
        self._takes, self._in_doubt = True, False
        self.limit = min(float(self.most), self.limit + 1.0 / max(self.limit, 1.0))

    def turned_down(self) -> None:
        """The server rejected a question: it will never answer it."""
        if not self._takes:
            self.rejected += 1
            self._in_doubt = self.rejected >= FEW

    def slow_down(self, *, taken: float, wait: float) -> None:
        """The server refused a request whose slot was taken at `taken`: it has too many and asks to wait.

        Requests sent before the last slowing down belong to the same burst and do not halve the limit again.
        """
        now = time.monotonic()
        if taken >= self._slowed_at:
            self.limit = max(1.0, min(self.limit, float(self._flying)) / 2)
            self.slowed += 1
            self._slowed_at = now
        self._resume_at = max(self._resume_at, now + wait)

    async def _nap(self, seconds: float) -> None:
        """Sleep without holding the lock."""
        self._changed.release()
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._changed.acquire()
