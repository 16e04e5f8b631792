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
BEATS = 12
"""Renewals within the time that a lease may stand still."""
POLL_SECONDS = 1.0


State = tuple[str, bytes] | None


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


class Watch:
    """Since when leases have stood still, by this process's clock. Who asks about one lease several times keeps it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[State, float]] = {}

    def look(self, objects: Objects, folder: str) -> tuple[State, float]:
        """The newest object of a lease and its content, None if nobody holds it, and for how many seconds it is so."""
        names = objects.names(folder)
        state = (names[-1], objects.read(names[-1]) or b"") if names else None
        before, since = self._seen.get(folder, (None, 0.0))
        if state is None or state != before:
            since = time.monotonic()
            self._seen[folder] = (state, since)
        return state, time.monotonic() - since


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
        """Let the next one in; if the store is away, the lease runs out by itself."""
        self._stop.set()
        self._thread.join()
        try:
            names = self._objects.names(self._folder)
            if names and names[-1] == self._name:
                self._objects.delete(names)
        except StoreError as error:
            log.warning("the lease %s was not let go: %s", self._folder, error)

    def _renew(self) -> None:
        while not self._stop.wait(self._ttl / BEATS):
            self._beat += 1
            try:
                self._objects.write(self._name, _content(self._holder, self._beat))
            except StoreError as error:  # the store is away; if for too long, `check` will tell
                log.warning("the lease %s could not be renewed: %s", self._folder, error)


@contextmanager
def held(objects: Objects, folder: str, *, ttl: float = TTL_SECONDS, watch: Watch | None = None) -> Iterator[Lease]:
    """Wait for the lease, hold it, let it go."""
    lease = claim(objects, folder, ttl=ttl, unless=lambda: False, watch=watch)
    assert lease is not None
    with lease:
        yield lease


def claim(
    objects: Objects, folder: str, *, ttl: float, unless: Callable[[], bool], watch: Watch | None = None
) -> Lease | None:
    """Wait for the lease; None as soon as `unless` holds, which is asked while another process has it."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    number = _take(objects, folder, holder, ttl, unless, watch or Watch())
    return None if number is None else Lease(objects, folder, number, holder, ttl)


def _take(
    objects: Objects, folder: str, holder: str, ttl: float, unless: Callable[[], bool], watch: Watch
) -> int | None:
    """The number under which the lease was created."""
    said = False
    while True:
        state, still = watch.look(objects, folder)
        expired = state is not None and still > ttl
        number = int(state[0].rsplit("/", 1)[1]) if state is not None else 0
        if (state is None or expired) and objects.create(_name(folder, number + 1), _content(holder, 0)):
            if expired:
                log.warning("took over the lease %s, which %s no longer renews", folder, _holder(state))
            return number + 1
        if unless():
            return None
        if not said and state is not None:
            log.info("%s is being made by %s; waiting for it", folder, _holder(state))
            said = True
        time.sleep(POLL_SECONDS)


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:06d}"


def _content(holder: str, beat: int) -> bytes:
    return json.dumps({"holder": holder, "beat": beat}).encode()


def _holder(state: State) -> str:
    try:
        return str(json.loads((state[1] if state else b"") or b"{}")["holder"])
    except (ValueError, KeyError):
        return "another process"
