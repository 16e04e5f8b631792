"""Who holds a lock, as a note that the holder leaves for those who wait: a run, its process, the machine, since when.

A note is a help for people and decides nothing: the lock itself does. It may be missing, be half written, be that of a holder
that died, or have been written by another user. So reading one never fails, and it can say nothing but names and numbers.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

LONGEST = 4096
"""Bytes that are read of a note."""
UNKNOWN = "another process"
LONGEST_NAME = 200
UNFIT = re.compile(r"[^\w.:/+ -]")
"""What no name in a note has: a terminal or a page might take it for an order."""
Name = Annotated[str, StringConstraints(pattern=rf"^[\w.:/+ -]{{0,{LONGEST_NAME}}}$")]


class Holder(BaseModel):
    """A process that holds a lock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: Annotated[int, Field(ge=0, lt=1 << 31)]
    host: Name
    since: Name
    """Date and time (UTC) by ISO 8601."""
    run: Name = ""
    """Id of its run, where it is one."""
    by: Name = ""
    """The deployment or command that made the run."""

    def __str__(self) -> str:
        """`run 20261126T120000-0a1b2c of ezhoi run (process 4711 on vm, at it since 2026-11-26 12:00:31 UTC)`"""
        process = f"process {self.pid} on {self.host}"
        since = f"at it since {self.since[:19].replace('T', ' ')} UTC"
        by = f" of {self.by}" if self.by else ""
        return f"run {self.run}{by} ({process}, {since})" if self.run else f"{process} ({since})"

    def note(self) -> bytes:
        """What the holder writes."""
        return self.model_dump_json().encode()


def read(note: bytes) -> Holder | None:
    """The holder that a note names; None if it names none."""
    try:
        return Holder.model_validate_json(note[:LONGEST])
    except ValidationError:
        return None


def parse(said: object) -> Holder | None:
    """The same of what was read as JSON already."""
    try:
        return Holder.model_validate(said)
    except ValidationError:
        return None


def _fit(name: str) -> str:
    return UNFIT.sub("_", name)[:LONGEST_NAME]


@dataclass(frozen=True)
class Wait:
    """A wait that is over."""

    what: str
    """`run 20261126T120000-0a1b2c of ...`, or `cuda:0, which run ... has`"""
    seconds: float


@dataclass
class Claimant:
    """Who asks for locks: what it leaves with those that it gets, and whom it tells for whom it waits."""

    run: str = ""
    by: str = ""
    tell: Callable[[str], None] = lambda line: None
    """Is given `waits for run ...`, again when that is another one."""
    waits: list[Wait] = field(default_factory=list)
    _now: tuple[str, float] | None = None
    """What it waits for, and since when by the process's clock."""

    def holder(self) -> Holder:
        """What it says of itself once it has the lock, from now on."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        host = _fit(socket.gethostname())
        return Holder(pid=os.getpid(), host=host, since=now, run=_fit(self.run), by=_fit(self.by))

    def waits_for(self, *who: Holder | None, thing: str = "") -> None:
        """The lock is theirs now (None: nobody can say whose); may be called again and again.

        `thing` is what they have, where that is more than the work that both want done.
        """
        named = " and ".join(str(one or UNKNOWN) for one in who or (None,))
        what = f"{thing}, which {named} {'has' if len(who) < 2 else 'have'}" if thing else named
        if self._now is None or self._now[0] != what:
            self.got()
            self._now = (what, time.monotonic())
            self.tell(f"waits for {what}")

    def got(self) -> None:
        """The wait is over, if there was one."""
        if self._now is not None:
            self.waits.append(Wait(self._now[0], time.monotonic() - self._now[1]))
            self._now = None
