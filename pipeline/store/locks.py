"""Locks of one machine's processes, which the system lets go when their holder dies: `flock` on a file beside the folder."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path
from typing import IO

from pipeline.errors import StoreError

log = logging.getLogger("ezhoi.store")
UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


def of(folder: Path) -> Path:
    """The lock of a work's folder."""
    return folder.with_name(f"{folder.name}.lock")


def take(path: Path, *, wait: bool = True) -> IO[str] | None:
    """Hold a lock, to be handed to `release` in the end; None if another process has it and we shall not wait.

    A holder removes the file as it lets go, so a lock counts only if its file still is the one at `path`.
    """
    said = False
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            if not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                if not wait:
                    file.close()
                    return None
                if not said:
                    log.info("artifact %s is being made by another process; waiting for it", path.stem)
                    said = True
                _lock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            raise
        if _is_at(file, path):
            return file
        file.close()


def release(path: Path, file: IO[str]) -> None:
    """Let a lock go and leave no file of it."""
    try:
        path.unlink(missing_ok=True)
    finally:
        file.close()


def held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with path.open(encoding="utf-8") as file:
            return not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False


def _lock(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in UNKNOWN:
            raise StoreError(
                f"{file.name}: this file system has no locks ({error.strerror}), so two runs could not be kept apart. "
                "Mount it with locks, or choose another with --set store.root=FOLDER."
            ) from None
        raise
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
