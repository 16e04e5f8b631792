"""Locks on works in progress: each is a file beside the work's folder, which its holder removes on release.

Its content says who the holder is (`pipeline/machine/holder.py`), for those who wait.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import IO

from pipeline.machine import holder, locks
from pipeline.machine.holder import Claimant

FIRST_POLL_SECONDS, POLL_SECONDS = 0.01, 0.5
"""The pause in seconds between two looks at a lock of another process; it doubles from the first to the second value."""
GRACE_SECONDS = 0.3
"""Seconds of a wait that is not reported, in which a new holder has time to write its note."""


def of(folder: Path) -> Path:
    """The lock of a work's folder."""
    return folder.with_name(f"{folder.name}.lock")


def take(path: Path, claimant: Claimant | None = None, *, wait: bool = True) -> IO[str] | None:
    """Take a lock, which `release` is given in the end; None if another process has it and we shall not wait.

    A holder removes the file on release, so a lock counts only if its file still is the one at `path`.
    """
    claimant = claimant or Claimant()
    while True:
        file = _opened(path)
        try:
            if not locks.take(file):
                if not wait:
                    file.close()
                    return None
                _await(file, claimant)
            if _is_at(file, path):
                _leave_note(file, claimant.holder())
                claimant.got()
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def release(path: Path, file: IO[str]) -> None:
    """Release a lock and remove its file."""
    try:
        path.unlink(missing_ok=True)
    finally:
        file.close()


def held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with path.open(encoding="utf-8") as file:
            return not locks.take(file, shared=True)
    except FileNotFoundError:
        return False


def _opened(path: Path) -> IO[str]:
    """Open the lock's file. No link is followed, so that nothing is written to another file."""
    return open(path, "a+", encoding="utf-8", opener=_own)


def _own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _await(file: IO[str], claimant: Claimant) -> None:
    """Wait until this process has the lock."""
    began, pause = time.monotonic(), FIRST_POLL_SECONDS
    while not locks.take(file):
        if time.monotonic() - began >= GRACE_SECONDS:
            claimant.waits_for(holder.read(os.pread(file.fileno(), holder.LONGEST, 0)))
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)


def _leave_note(file: IO[str], mine: holder.Holder) -> None:
    """Write who holds the lock now; a full disk does not stop the work."""
    with contextlib.suppress(OSError):
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), mine.note())


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
