"""Folders as wholes: exchange two in one step, delete one without following links, list what lies in one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from pathlib import Path
from stat import S_ISDIR

from pipeline.errors import StoreError
from pipeline.machine.files import sentence
from pipeline.store.names import STAGE

AT_FDCWD = -100
RENAME_EXCHANGE = 2
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP)


def swap(one: Path, other: Path) -> bool:
    """Exchange two paths of one file system in one step; False where the system or the file system cannot (NFS, macOS)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    if call(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))


def remove(path: Path, *, within: Path) -> None:
    """Delete a file, a folder or a link (not its target) below `within`. StoreError if a folder on the way to it is a link."""
    for folder in path.relative_to(within).parents:
        if folder.parts and (within / folder).is_symlink():
            raise StoreError(
                f"{within / folder} is a link: nothing behind it is deleted. Remove what you mean by hand."
            )
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def entries(folder: Path) -> dict[str, os.stat_result]:
    """{name: stat} of all files and links below a folder; links are not followed, and what cannot be read is left out."""
    found = {}
    for here, folders, files in os.walk(folder):
        for path in [Path(here, name) for name in (*files, *folders)]:
            with contextlib.suppress(OSError):
                stat = path.lstat()
                if not S_ISDIR(stat.st_mode):
                    found[path.relative_to(folder).as_posix()] = stat
    return found


def size(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(stat.st_size for stat in entries(path).values())


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def demand_listable(root: Path) -> None:
    """StoreError if a folder of the store or of a stage may not be listed, since `glob` would just find nothing."""
    for folder in demand_folder(root):
        if STAGE.fullmatch(folder.name):
            demand_folder(folder)


def demand_folder(path: Path) -> list[Path]:
    """The folders in a folder; none if it is missing. StoreError if it may not be listed, or is something else."""
    try:
        if not path.is_dir() and (path.is_symlink() or path.exists()):
            kind = "a link to nothing" if path.is_symlink() and not path.exists() else "no folder"
            raise StoreError(f"the store cannot be listed: {path} is {kind}. Remove it, or choose another store.root")
        with os.scandir(path) as found:
            return [Path(entry.path) for entry in found if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"the store cannot be listed: {sentence(error, path=path)}") from error
