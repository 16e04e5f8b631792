"""Where the locks of a machine lie: those that all users must see, and those of one user.

`shared` is one folder for everybody, in which everybody may make files and nobody may remove those of others (mode 1777, like
/tmp). The first user makes it, who may be an attacker. So nothing there is trusted: a file is opened without following links,
without waiting and without ever being overwritten; it has to be a plain file, and only its lock counts. The worst that another
user can do is to hold a lock, which is what locks are for. If the folder cannot be used, a warning says so and the locks lie
in `own`.

`own` is the user's alone (mode 0700, which is checked): nobody else can make it first, hold its locks or read names in it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from functools import cache
from pathlib import Path

from pipeline.errors import EzhoiError

log = logging.getLogger("ezhoi.devices")
SHARED = Path("/tmp/ezhoi-locks")
"""The shared folder; not in $TMPDIR, which may be another one for each user and each job."""


@cache
def shared(place: Path = SHARED) -> Path:
    """The folder of locks that all users see; the user's own, with a warning, where it cannot be used."""
    try:
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
        found = place.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            place.chmod(0o1777)
            found = place.lstat()
        # A link, or without the sticky bit, is not what any of us makes.
        if stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o1777:
            return place
        why = f"it is no folder of mode 1777, but {stat.filemode(found.st_mode)} of user {found.st_uid}"
    except OSError as error:
        why = str(error)
    log.warning("%s cannot be used (%s): GPUs that other users hold are not seen. Its owner can remove it", place, why)
    return own()


def own() -> Path:
    """The user's folder of locks: in $XDG_RUNTIME_DIR where that is an absolute path, else `~/.ezhoi/locks`.

    A relative one would be another folder for each working directory; its standard has it ignored.

    Raises:
        EzhoiError: it cannot be made, or is not the user's alone.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    try:
        folder = (
            Path(runtime) / "ezhoi" if runtime and Path(runtime).is_absolute() else Path.home() / ".ezhoi" / "locks"
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            folder.chmod(0o700)
            return folder
    except (OSError, RuntimeError) as error:
        raise EzhoiError(f"no folder for locks: {error}. Set XDG_RUNTIME_DIR to a folder of yours") from None
    raise EzhoiError(f"no folder for locks: {folder} is not yours. Set XDG_RUNTIME_DIR to a folder of yours")


def open_file(path: Path, *, create: bool = True) -> int:
    """Open a file to lock it, and return its descriptor. A missing file is made, readable for all.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    # Not O_CREAT on a file that is there: in a sticky folder Linux refuses that for another user's file.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        if not create:
            raise
        try:
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(handle, 0o644)  # whatever the umask says: other users lock it too
        except FileExistsError:  # another process made it just now
            handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is no plain file")
    return handle
