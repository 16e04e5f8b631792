"""Things that one process at a time may hold, such as GPUs: several at once or none, and who waits longest comes first.

Each thing is a file in a folder, held by a lock that dies with its holder. Who has to wait draws a ticket, a file

    <nanoseconds of the machine's clock>-<process>-<random>.ticket        names of what is wanted, one a line

that it keeps locked for as long as it waits. What an earlier living ticket wants is left alone, so a process that needs several
GPUs gets them even where others come for one at a time. A ticket whose lock is free was left by a process that died.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.machine import lock_folders, locks

POLL_SECONDS = 1.0
GRACE_SECONDS = 3.0
"""Age from which a ticket counts. A shorter wait is none, and nothing need lie idle for it."""
LONGEST_TICKET = 1 << 16
"""Bytes that are read of a ticket, which anybody can write."""


@dataclass
class Held:
    """What is held: {key: open lock}."""

    locks: dict[str, int] = field(default_factory=dict)

    def release(self) -> None:
        """Let go of it all; more than once does no harm."""
        while self.locks:
            os.close(self.locks.popitem()[1])


def take(
    folder: Path,
    wanted: Mapping[str, str],
    *,
    count: int = 1,
    most: int = 1,
    wait: bool = True,
    waiting: Callable[[], None] = lambda: None,
) -> Held | None:
    """Hold `count` of the wanted things, {key: name}, and up to `most` of them if so many are free.

    None if they are not free and we do not `wait`; `waiting` is called once before a wait.

    Raises:
        OSError: the folder or a file in it cannot be used.
        StoreError: the file system has no locks.
    """
    ticket: Path | None = None
    with contextlib.ExitStack() as stack:
        while True:
            if not _earlier(folder, set(wanted.values()), ticket):
                held = _all_or_none(folder, wanted, count, max(count, most))
                if held.locks or not wait:
                    return held if held.locks else None
            elif not wait:
                return None
            if ticket is None:
                waiting()
                ticket = stack.enter_context(_drawn(folder, wanted.values()))
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
    """Two processes that want several never hold what the other one waits for."""
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


@contextmanager
def _drawn(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """A ticket of ours."""
    path = folder / f"{time.monotonic_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}.ticket"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(handle, 0o644)
        locks.take(handle)
        os.write(handle, "\n".join(names).encode())
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _earlier(folder: Path, names: set[str], mine: Path | None) -> bool:
    """Whether somebody waits for one of these for longer than we do."""
    for path in sorted(folder.glob("*.ticket")):
        if mine is not None and path.name >= mine.name:
            break
        number = path.name.partition("-")[0]
        age = time.monotonic_ns() - int(number) if number.isdecimal() else 0
        if age >= GRACE_SECONDS * 1e9 and names & _living(path):
            return True
    return False


def _living(path: Path) -> set[str]:
    """What the ticket's process waits for; nothing if that is gone."""
    try:
        handle = lock_folders.open_file(path, create=False)
    except OSError:
        return set()
    try:
        if not locks.take(handle, shared=True):
            return set(os.read(handle, LONGEST_TICKET).decode(errors="replace").splitlines())
        with contextlib.suppress(OSError):  # another user's
            path.unlink()
        return set()
    finally:
        os.close(handle)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{''.join(c if c.isalnum() or c in '-.' else '_' for c in name)}.lock"
