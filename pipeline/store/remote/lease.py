"""A lock in an object store: the process that creates the next numbered object holds it as long as it keeps renewing it.

    <name>/000017    {"holder": "host:pid:token", "beat": 17, "who": {"pid": ...}}    or, once released, {"free": true}

Object stores have no locks that end with their holder. So the holder rewrites its object every few seconds, and a waiting
process takes over once the object has not changed for `ttl` seconds *by the waiter's own clock*: the clocks of machines need
not agree. To take over is to create the next number, which only one of several can do (a conditional write).

A machine that slept longer than `ttl` may wake at any moment and go on as if it still held the lease. So no number is used
twice (the newest object stays when the lease is released), an object is rewritten only as long as it is what its holder wrote
last, and `check` asks the store.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.errors import StoreError
from pipeline.machine import holder
from pipeline.machine.holder import Claimant, Holder

log = logging.getLogger("ezhoi.store")
TTL_SECONDS = 60.0
BEATS = 12
"""How often a lease is renewed within the time that it may stay unchanged."""
POLL_SECONDS = 1.0
FREE = json.dumps({"free": True}).encode()
NUMBER = re.compile(r"[0-9]{6,18}")


class LostError(StoreError):
    """Another process has taken over the lease."""


class Objects(Protocol):
    """The operations of an object store that a lease needs; names are relative to its root."""

    def read(self, name: str) -> bytes | None:
        """The content; None if there is no such object."""

    def create(self, name: str, content: bytes) -> bool:
        """Create an object; False if it is there already."""

    def replace(self, name: str, content: bytes, *, old: bytes) -> bool:
        """Replace an object that has the content `old`; False if it has another by now or is gone."""

    def names(self, folder: str) -> list[str]:
        """The names of the objects under a folder, sorted."""

    def delete(self, names: list[str]) -> None:
        """Remove objects; a missing one is no error."""


@dataclass(frozen=True)
class State:
    """The newest object of a lease; number 0 if there is none."""

    number: int = 0
    content: bytes = b""

    @property
    def held(self) -> bool:
        """Whether a process holds it, or died holding it."""
        return self.number > 0 and self._said().get("free") is not True

    @property
    def holder(self) -> str:
        """The name of its holder, for people."""
        return str(self._said().get("holder", "another process"))

    @property
    def who(self) -> Holder | None:
        """What the holder says about itself; None if it says nothing."""
        return holder.parse(self._said().get("who"))

    def _said(self) -> dict[str, Any]:
        try:
            said = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


@dataclass(frozen=True)
class Mine:
    """The content of a holder's object."""

    name: str
    """The name of this holder and of no other."""
    who: Holder
    """What it says about itself to people."""

    def content(self, beat: int) -> bytes:
        """The content of the object after so many renewals."""
        return json.dumps({"holder": self.name, "beat": beat, "who": self.who.model_dump()}).encode()


class Watch:
    """Remembers since when leases have not changed, by this process's clock, for callers that ask several times."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[State, float]] = {}

    def look(self, objects: Objects, folder: str) -> tuple[State, float]:
        """The newest state of a lease, and for how many seconds it has not changed."""
        state = _newest(objects, folder)
        before, since = self._seen.get(folder, (None, 0.0))
        if not state.held or state != before:
            since = time.monotonic()
            self._seen[folder] = (state, since)
        return state, time.monotonic() - since


class Lease:
    """A held lease; call `check` before everything that only the holder may do."""

    def __init__(self, objects: Objects, folder: str, number: int, mine: Mine, ttl: float) -> None:
        self._objects, self._folder, self._mine, self._ttl = objects, folder, mine, ttl
        self._number, self._name = number, _name(folder, number)
        self._beat = 0
        self._lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """LostError if another process has taken over meanwhile."""
        newest = _newest(self._objects, self._folder)
        if self._lost or (newest.number, newest.holder) != (self._number, self._mine.name):
            raise LostError(
                f"the lease {self._folder} was taken over: this process did not renew it for {self._ttl:.0f} s. "
                "Run again: what the other one makes is reused."
            )

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the lease; if the store is away, it runs out by itself."""
        self._stop.set()
        self._thread.join()
        try:
            if not self._lost:
                self._objects.replace(self._name, FREE, old=self._mine.content(self._beat))
        except StoreError as error:
            log.warning("the lease %s was not released: %s", self._folder, error)

    def _renew(self) -> None:
        while not self._stop.wait(self._ttl / BEATS):
            try:
                before, after = (self._mine.content(beat) for beat in (self._beat, self._beat + 1))
                kept = self._objects.replace(self._name, after, old=before)
            except StoreError as error:  # the store is away; if for too long, `check` will tell
                log.warning("the lease %s could not be renewed: %s", self._folder, error)
                continue  # with the same beat: it may have got through
            if not kept:
                self._lost = True
                log.warning("the lease %s was taken over", self._folder)
                return
            self._beat += 1


def claim(
    objects: Objects,
    folder: str,
    claimant: Claimant | None = None,
    *,
    ttl: float = TTL_SECONDS,
    watch: Watch | None = None,
) -> Lease:
    """Wait for the lease and hold it, until it is released."""
    number, mine = _take(objects, folder, claimant or Claimant(), ttl, watch or Watch())
    return Lease(objects, folder, number, mine, ttl)


def forget(objects: Objects, folder: str) -> None:
    """Delete the objects of a lease, unless somebody holds it; for leases whose work is gone."""
    if not _newest(objects, folder).held:
        objects.delete(objects.names(folder))


def _take(objects: Objects, folder: str, claimant: Claimant, ttl: float, watch: Watch) -> tuple[int, Mine]:
    """Create the next object of the lease; return its number and its content."""
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    while True:
        state, still = watch.look(objects, folder)
        expired = state.held and still > ttl
        number = state.number + 1
        if NUMBER.fullmatch(f"{number:06d}") is None:
            raise StoreError(
                f"the lease {folder} is at its last number, which is none of ours. Delete what is under it"
            )
        mine = Mine(name, claimant.holder())
        if (not state.held or expired) and objects.create(_name(folder, number), mine.content(0)):
            numbers = _numbers(objects, folder)
            if max(numbers, default=0) == number:
                if expired:
                    log.warning("took over the lease %s, which %s no longer renews", folder, state.holder)
                objects.delete([name for n, name in numbers.items() if n < number])
                claimant.got()
                return number, mine
            objects.delete([_name(folder, number)])  # this process slept after its look, and others have been here
            continue
        if state.held:
            claimant.waits_for(state.who)
        time.sleep(POLL_SECONDS)


def _newest(objects: Objects, folder: str) -> State:
    numbers = _numbers(objects, folder)
    if not numbers:
        return State()
    newest = max(numbers)
    return State(newest, objects.read(numbers[newest]) or b"")


def _numbers(objects: Objects, folder: str) -> dict[int, str]:
    """{number: object} of a lease; other objects there are ignored."""
    names = [name for name in objects.names(folder) if NUMBER.fullmatch(name.removeprefix(f"{folder}/"))]
    return {int(name.rpartition("/")[2]): name for name in names}


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:06d}"
