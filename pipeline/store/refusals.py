"""The messages of a store where the disk refuses to write."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreError

NOT_WRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOENT,  # where nothing can be made, as under /proc
    errno.ENAMETOOLONG,
)
"""Error numbers that another folder or other rights would avoid."""


@contextmanager
def explained(root: Path, path: Path) -> Iterator[None]:
    """Turn a refusal to write at `path` into a StoreError that names the store at `root` and says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(f"no space left for {path}. Free some (`ezhoi artifacts gc`), run again.") from error
        if error.errno in NOT_WRITABLE:
            raise StoreError(
                f"the artifact store {root} cannot be written ({error.strerror}: {error.filename}). "
                "Make it writable, or choose another with --set store.root=FOLDER."
            ) from error
        raise
