"""The note that the holder of a lock leaves for those who wait: which run it is, its process, its machine, and since when.

A note only informs people; the lock itself decides. It may be missing, half written, left by a holder that died, or written by
another user. So reading one never fails, and it can contain only names and numbers.
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
"""The most bytes that are read of a note."""
UNKNOWN = "another process"
LONGEST_NAME = 200
UNFIT = re.compile(r"[^\w.:/+ -]")
"""Letters that no name in a note has, since a terminal or a page might act on them."""
Name = Annotated[str, StringConstraints(pattern=rf"^[\w.:/+ -]{{0,{LONGEST_NAME}}}$")]


class Holder(BaseModel):
    """A process that holds a lock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: Annotated[int, Field(ge=0, lt=1 << 31)]
    host: Name
    since: Name
    """The date and time (UTC) in ISO 8601."""
    run: Name = ""
    """The id of its run, if it is one."""
    by: Name = ""
    """The deployment or command that made the run."""

    def __str__(self) -> str:
        """`run 20261126T120000-0a1b2c of ezhoi run (process 4711 on vm, at it since 2026-11-26 12:00:31 UTC)`"""
        process = f"process {self.pid} on {self.host}"
        since = f"at it since {self.since[:19].replace('T', ' ')} UTC"
        by = f" of {self.by}" if self.by else ""
        return f"run {self.run}{by} ({process}, {since})" if self.run else f"{process} ({since})"

    def note(self) -> bytes:
        """The text that the holder writes."""
        return self.model_dump_json().encode()


def read(note: bytes) -> Holder | None:
    """The holder that a note names; None if it names none."""
    try:
        return Holder.model_validate_json(note[:LONGEST])
    except ValidationError:
        return None


def parse(said: object) -> Holder | None:
    """The holder that a note names, whose JSON was read already."""
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
    """A process that asks for locks: the note that it leaves with them, and whom it tells that it waits."""

    run: str = ""
    by: str = ""
    tell: Callable[[str], None] = lambda line: None
    """Called with `waits for run ...`, and again when it is another run."""
    waits: list[Wait] = field(default_factory=list)
    _now: tuple[str, float] | None = None
    """What it waits for, and since when, by the process's clock."""

    def holder(self) -> Holder:
        """What it says about itself as holder, from now on."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        host = _fit(socket.gethostname())
        return Holder(pid=os.getpid(), host=host, since=now, run=_fit(self.run), by=_fit(self.by))

    def waits_for(self, *who: Holder | None, thing: str = "") -> None:
        """Report that these hold the lock (None: not known); it may be called again and again.

        `thing` is what they hold, if it is something else than the work that both want done.
        """
        named = " and ".join(str(one or UNKNOWN) for one in who or (None,))
        what = f"{thing}, which {named} {'has' if len(who) < 2 else 'have'}" if thing else named
        if self._now is None or self._now[0] != what:
            self.got()
            self._now = (what, time.monotonic())
            self.tell(f"waits for {what}")

    def got(self) -> None:
        """Note that the wait is over, if there was one."""
        if self._now is not None:
            self.waits.append(Wait(self._now[0], time.monotonic() - self._now[1]))
            self._now = None
