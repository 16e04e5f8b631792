"""How many requests are in flight: up to a limit that the server sets by answering 429.

Additive increase, multiplicative decrease: the first 429 of a burst halves the limit and makes everybody wait as long as
the server asks for; every answer raises it again by a fraction, so that a full round of answers raises it by one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Slots for requests; for one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.slowed = 0
        """How often the limit was halved."""
        self.last_answer = time.monotonic()
        self._flying = 0
        self._resume_at = self._slowed_at = 0.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Wait for a free slot and hold it; yields the time it was taken."""
        async with self._changed:
            while True:
                wait = self._resume_at - time.monotonic()
                if wait > 0:
                    await self._nap(wait)
                elif self._flying < max(1, int(self.limit)):
                    break
                else:
                    await self._changed.wait()
            self._flying += 1
        try:
            yield time.monotonic()
        finally:
            self._flying -= 1
            async with self._changed:
                self._changed.notify(2)  # the limit may have risen by one

    def answered(self) -> None:
        """The server answered a request."""
        self.last_answer = time.monotonic()
        self.limit = min(float(self.most), self.limit + 1.0 / max(self.limit, 1.0))

    def slow_down(self, *, taken: float, wait: float) -> None:
        """The server refused a request whose slot was taken at `taken`: it has too many, and wants us to wait.

        Requests sent before the last slowing down belong to the same burst and slow down no further.
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
