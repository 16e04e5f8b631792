"""Writing files so that they are whole or absent, and explaining in one sentence what a file system refuses.

A file is written under a temporary name beside its own, `.<name>.<12 digits>.part`. What a killed writer left is known by its
age: the first write of a later process in the folder deletes it, and in a store `ezhoi artifacts gc` does too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from pipeline.errors import StoreError

REFUSALS = {
    errno.ENOSPC: "no space left for {path}. Free some (`ezhoi artifacts gc`), run again",
    errno.EDQUOT: "no space left for {path}: your quota is used up. Free some (`ezhoi artifacts gc`), run again",
    errno.EFBIG: "{path}: a file may not grow so large here. Look at `ulimit -f` and at the file system's own limit",
    errno.EROFS: "{path} cannot be written: its file system is read-only. Choose another folder",
    errno.EACCES: "{path}: no permission. Change its rights, or choose another folder",
    errno.EPERM: "{path}: not permitted here. Change its rights, or choose another folder",
    errno.ENAMETOOLONG: "{path}: the name is too long for the file system. Choose a shorter one",
    errno.EIO: "{path}: the disk reports an error. Look at its health before you run again",
    errno.EMFILE: "{path}: too many open files. Raise `ulimit -n`",
    errno.ENOENT: "{path}: no such file or folder",
    errno.ENOTDIR: "{path}: a file is where a folder should be",
    errno.EISDIR: "{path}: a folder is where a file should be",
    errno.EEXIST: "{path}: is there already, as a file where a folder should be",
}
"""What an error number means for the user who gave the path, and what to do."""
ENVIRONMENT = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.EIO,
    errno.EMFILE,
)
"""Error numbers that are never the fault of the code. Others may be, so a stage with them ends with a traceback."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers that only writing meets: the system names no file with them."""
NOT_POSSIBLE = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)
"""The error numbers of `link` where there are no hard links, or no more of them."""
TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{12}\.(part|probe)", re.DOTALL)
"""The names of files that this module writes before they have their own."""
STILL_SECONDS = 86_400.0
"""Seconds that such a file was not written to before it counts as left. A lock would tell sooner whether its writer lives, but
some file systems let nobody write to a locked file (SMB), and others keep each machine's locks to itself."""
_SWEPT: set[Path] = set()
"""The folders in which this process has looked for what killed ones left."""


def sentence(error: OSError, *, path: Path | str = "") -> str:
    """What the system refused, where, and what to do; `path` is used where the error names none."""
    where = str(error.filename or path)
    if error.errno == errno.ENOENT and where and not Path(where).parent.is_dir():
        return f"{where}: there is no folder {Path(where).parent}. Make it, or choose another"
    if error.errno in REFUSALS:
        return REFUSALS[error.errno].format(path=where or "what was to be written")
    return f"{where}: {error.strerror}" if where and error.strerror else str(error)


def said(error: Exception) -> str:
    """An error in words; what the system refuses is said as by `sentence`, without a number."""
    return sentence(error) if isinstance(error, OSError) else str(error)


@contextmanager
def refusals(what: str, *, path: Path) -> Iterator[None]:
    """Turn an error of the environment into one StoreError that begins with `what`; `path` is where the work is done."""
    try:
        yield
    except OSError as error:
        if error.errno not in ENVIRONMENT:
            raise
        raise StoreError(f"{what}: {sentence(error, path=path)}. What was computed is kept.") from error


def demand_writable(path: Path) -> None:
    """OSError if the result of a long computation, which is to follow, could not be written to `path`."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    probe = _temporary(path, "probe")
    probe.touch()
    probe.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well: the file is whole or absent, also after a power cut.

    OSError names `path` and never the temporary one. Of a copy it names what is copied from, unless there is no space left.
    """
    temporary = _temporary(path, "part")
    try:
        _sweep_once(path.parent)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        copied = _is(error.filename2, temporary)
        full = error.errno in FULL and (copied or error.filename is None)
        if full or _is(error.filename, temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        if copied:
            raise OSError(error.errno, error.strerror, error.filename) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _is(name: object, path: Path) -> bool:
    """Whether what an OSError names is this path."""
    return isinstance(name, str | bytes | os.PathLike) and os.fsdecode(name) == str(path)


def left_in(folder: Path) -> list[Path]:
    """The temporary files in a folder that nobody has written to for a day."""
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(one for one in folder.iterdir() if TEMPORARY.fullmatch(one.name)):
            with contextlib.suppress(OSError):  # its writer has just ended
                stat = path.lstat()
                if S_ISREG(stat.st_mode) and time.time() - stat.st_mtime > STILL_SECONDS:
                    found.append(path)
    return found


def _sweep_once(folder: Path) -> None:
    """Delete what killed writers left in a folder, when this process writes there for the first time."""
    if folder not in _SWEPT:
        _SWEPT.add(folder)
        for path in left_in(folder):
            with contextlib.suppress(OSError):
                path.unlink()


def _temporary(path: Path, kind: str) -> Path:
    """A name beside the path that nobody else has."""
    # Not the whole name: with the other parts it might be longer than a name can be. The number of a process is no name of
    # its own: threads have one, and containers that share a folder often the same.
    return path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:12]}.{kind}")


def sync_folder(folder: Path) -> None:
    """Bring the names in the folder to the disk, where the file system can do that for a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; a copy where the file system has no hard links (exFAT, SMB, many cluster ones)."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in NOT_POSSIBLE:
            raise
        shutil.copyfile(source, target)
