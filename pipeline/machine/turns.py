"""Things that one process at a time may hold, such as GPUs: a process gets all that it wants or none, in order of waiting.

Each thing is a file in a folder, held by a lock that ends with its holder's process. A process that has to wait makes a ticket,
a file

    <nanoseconds of the machine's clock>-<process>-<random>.ticket        names of what is wanted, one a line

that it keeps locked while it waits. Nobody takes what an earlier living ticket wants, so a process that needs several GPUs gets
them even where others come for one at a time. A ticket whose lock is free was left by a process that died.

A holder says so in a file of the same kind, `....holder`, for those who wait: the note of `holder.py` in the first line, then
the names.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.machine import holder, lock_folders, locks
from pipeline.machine.holder import Claimant, Holder

POLL_SECONDS = 1.0
GRACE_SECONDS = 3.0
"""Seconds after which a ticket counts; nothing is left idle for a shorter wait."""
LONGEST_TICKET = 1 << 16
"""The most bytes that are read of a ticket, which anybody can write."""


@dataclass
class Held:
    """What is held: {key: open lock}."""

    locks: dict[str, int] = field(default_factory=dict)
    note: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Removes the note that says who holds them."""

    def release(self) -> None:
        """Release everything; to do so again does no harm."""
        self.note.close()
        while self.locks:
            os.close(self.locks.popitem()[1])


def take(
    folder: Path,
    wanted: Mapping[str, str],
    *,
    count: int = 1,
    most: int = 1,
    wait: bool = True,
    claimant: Claimant | None = None,
    thing: str = "",
) -> Held | None:
    """Hold `count` of the wanted things, {key: name}, and up to `most` of them if so many are free.

    None if they are not free and we do not `wait`. `thing` names them where the claimant reports its wait.

    Raises:
        OSError: the folder or a file in it cannot be used.
        StoreError: the file system has no locks.
    """
    claimant, ticket = claimant or Claimant(), None
    with contextlib.ExitStack() as stack:
        while True:
            if not _earlier(folder, set(wanted.values()), ticket):
                held = _all_or_none(folder, wanted, count, max(count, most))
                if held.locks:
                    claimant.got()
                    _leave_note(folder, held, claimant, [wanted[key] for key in held.locks])
                    return held
                if not wait:
                    return None
            elif not wait:
                return None
            claimant.waits_for(*_holders(folder, set(wanted.values())), thing=thing)
            if ticket is None:
                ticket = stack.enter_context(_written(folder, "ticket", wanted.values()))
            time.sleep(POLL_SECONDS)


def taken(folder: Path, name: str) -> bool:
    """Whether a process holds the thing now."""
    try:
        handle = lock_folders.open_file(_file(folder, name), create=False)
    except FileNotFoundError:
        return False
    try:
        return not locks.take(handle, shared=True)
    finally:
        os.close(handle)


def _all_or_none(folder: Path, wanted: Mapping[str, str], count: int, most: int) -> Held:
    """Take all or none, so that two processes never hold what the other one waits for."""
    held = Held()
    try:
        for key, name in wanted.items():
            handle = lock_folders.open_file(_file(folder, name))
            if locks.take(handle):
                held.locks[key] = handle
            else:
                os.close(handle)
            if len(held.locks) == most:
                break
    except BaseException:
        held.release()
        raise
    if len(held.locks) < count:
        held.release()
    return held


def _leave_note(folder: Path, held: Held, claimant: Claimant, names: list[str]) -> None:
    """Leave a note of who holds these until they are released; if it cannot be written, the work goes on."""
    with contextlib.suppress(OSError, StoreError):
        held.note.enter_context(_written(folder, "holder", [claimant.holder().note().decode(), *names]))


def _holders(folder: Path, names: set[str]) -> list[Holder]:
    """The holders of some of these, as far as they left a note."""
    found = []
    for path in sorted(folder.glob("*.holder")):
        first, *held = _living(path) or [""]
        if names & set(held) and (who := holder.read(first.encode())) is not None:
            found.append(who)
    return found


@contextmanager
def _written(folder: Path, kind: str, lines: Iterable[str]) -> Iterator[Path]:
    """Write a ticket or a holder's note of this process."""
    path = folder / f"{time.monotonic_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{kind}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(handle, 0o644)
        locks.take(handle)
        os.write(handle, "\n".join(lines).encode())
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _earlier(folder: Path, names: set[str], mine: Path | None) -> bool:
    """Whether another process has waited longer for one of these."""
    for path in sorted(folder.glob("*.ticket")):
        if mine is not None and path.name >= mine.name:
            break
        number = path.name.partition("-")[0]
        age = time.monotonic_ns() - int(number) if number.isdecimal() else 0
        if age >= GRACE_SECONDS * 1e9 and names & set(_living(path)):
            return True
    return False


def _living(path: Path) -> list[str]:
    """The lines of a ticket or a note; none if its process is gone."""
    try:
        handle = lock_folders.open_file(path, create=False)
    except OSError:
        return []
    try:
        if not locks.take(handle, shared=True):
            return os.read(handle, LONGEST_TICKET).decode(errors="replace").splitlines()
        with contextlib.suppress(OSError):  # another user's
            path.unlink()
        return []
    finally:
        os.close(handle)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{''.join(c if c.isalnum() or c in '-.' else '_' for c in name)}.lock"
