"""A lock in an object store: whoever creates the next numbered object holds it, for as long as it keeps renewing it.

    <name>/000001    {"holder": "host:pid:token", "beat": 17}

Object stores have no locks that die with their holder. So the holder rewrites its object every few seconds, and who waits
for it takes over once the object has stood still for `ttl` seconds *by the waiter's own clock*: clocks of machines need
not agree. Taking over is creating the next number, which only one of several can do (a conditional write).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pipeline.errors import StoreError

log = logging.getLogger("ezhoi.store")
TTL_SECONDS = 60.0
POLL_SECONDS = 1.0


class Objects(Protocol):
    """What a lease needs of an object store; names are relative to its root."""

    def read(self, name: str) -> bytes | None:
        """Content, None if there is no such object."""

    def write(self, name: str, content: bytes) -> None:
        """Create or replace an object, atomically."""

    def create(self, name: str, content: bytes) -> bool:
        """Create an object; False if it is there already."""

    def names(self, folder: str) -> list[str]:
        """Names of the objects under a folder, sorted."""

    def delete(self, names: list[str]) -> None:
        """Remove objects; what is not there is no error."""


class Lease:
    """A held lease; `check` before whatever only the holder may do."""

    def __init__(self, objects: Objects, folder: str, number: int, holder: str, ttl: float) -> None:
        self._objects, self._folder, self._holder, self._ttl = objects, folder, holder, ttl
        self._name = _name(folder, number)
        self._beat = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """StoreError if another process has taken over meanwhile."""
        newest = self._objects.names(self._folder)
        if not newest or newest[-1] != self._name:
            raise StoreError(
                f"the lease {self._folder} was taken over: this process did not renew it for {self._ttl:.0f} s. "
                "Run again: what the other one makes is reused."
            )

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the next one in."""
        self._stop.set()
        self._thread.join()
        names = self._objects.names(self._folder)
        if names and names[-1] == self._name:
            self._objects.delete(names)

    def _renew(self) -> None:
        while not self._stop.wait(self._ttl / 4):
            self._beat += 1
            try:
                self._objects.write(self._name, _content(self._holder, self._beat))
            except StoreError as error:  # the store is away; if for too long, `check` will tell
                log.warning("the lease %s could not be renewed: %s", self._folder, error)


@contextmanager
def held(objects: Objects, folder: str, *, ttl: float = TTL_SECONDS) -> Iterator[Lease]:
    """Wait for the lease, hold it, let it go."""
    lease = claim(objects, folder, ttl=ttl, unless=lambda: False)
    assert lease is not None
    with lease:
        yield lease


def claim(objects: Objects, folder: str, *, ttl: float = TTL_SECONDS, unless: Callable[[], bool]) -> Lease | None:
    """Wait for the lease; None as soon as `unless` holds, which is asked while another process has it."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    number = _take(objects, folder, holder, ttl, unless)
    return None if number is None else Lease(objects, folder, number, holder, ttl)


def _take(objects: Objects, folder: str, holder: str, ttl: float, unless: Callable[[], bool]) -> int | None:
    """The number under which the lease was created."""
    seen: tuple[str, bytes | None] | None = None
    still_since, said = time.monotonic(), False
    while True:
        names = objects.names(folder)
        newest = names[-1] if names else None
        now = (newest, objects.read(newest)) if newest else None
        if now != seen:
            seen, still_since = now, time.monotonic()
        number = int(newest.rsplit("/", 1)[1]) if newest else 0
        expired = newest is not None and time.monotonic() - still_since > ttl
        if (newest is None or expired) and objects.create(_name(folder, number + 1), _content(holder, 0)):
            if expired:
                log.warning("took over the lease %s, which %s no longer renews", folder, _holder(now))
            return number + 1
        if unless():
            return None
        if not said and newest is not None:
            log.info("%s is being made by %s; waiting for it", folder, _holder(now))
            said = True
        time.sleep(POLL_SECONDS)


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:06d}"


def _content(holder: str, beat: int) -> bytes:
    return json.dumps({"holder": holder, "beat": beat}).encode()


def _holder(seen: tuple[str, bytes | None] | None) -> str:
    try:
        return str(json.loads((seen[1] if seen else None) or b"{}")["holder"])
    except (ValueError, KeyError):
        return "another process"
