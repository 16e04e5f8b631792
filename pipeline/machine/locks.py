"""Locks on files that end with their holder's process (flock), and one message where the file system has none.

Every lock of this project is taken here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.errors import StoreError

MISSING = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
STORE = "choose a store on another one with --set store.root=FOLDER"


def take(file: IO[str] | int, *, wait: bool = False, shared: bool = False, elsewhere: str = STORE) -> bool:
    """Lock an open file; False if another process holds the lock and we do not wait.

    Args:
        file: The open file; closing it releases the lock.
        wait: Whether to wait for the process that holds it.
        shared: Whether other processes may have a shared lock on it at the same time.
        elsewhere: What a user can do who cannot mount the file system with locks, for the message.

    Raises:
        StoreError: its file system has no such locks.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in MISSING:
            raise
        name = "" if isinstance(file, int) else f" of {file.name}"
        raise StoreError(
            f"the file system{name} has no file locks (flock: {error.strerror}), which keep two runs apart. Mount it with "
            f"them (Lustre: -o flock), or {elsewhere}."
        ) from error
    return True


@contextmanager
def held(path: Path, *, elsewhere: str = STORE) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is missing; waits for another holder. Raises as `take` does."""
    with path.open("a", encoding="utf-8") as file:
        take(file, wait=True, elsewhere=elsewhere)
        yield


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while a file in it is read and written anew, so that of two who do it nothing is lost.

    Where the file system has no locks for folders, as over NFS, nothing is held.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError, StoreError):
            take(handle, wait=True)
        yield
    finally:
        os.close(handle)
