"""What a kill leaves in a store that is of no use: half-written files of records, pages and seals, and in `.work` folders whose
deletion was interrupted, and locks that nobody holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.machine import files
from pipeline.store import locks, trees

GONE = ".gone-"
"""A part of the name of a work's folder that is being deleted."""


def found(root: Path, *, pages: bool = True) -> dict[str, int]:
    """The leftovers, as {path below the store's root: bytes}; `pages`: also those in the folder of each run's pages."""
    sizes = {}
    for path in sorted((root / ".work").glob("*")):
        with contextlib.suppress(OSError, StoreError):  # another user's, or whoever deletes it is still at it
            lock = path.suffix == ".lock" and path.is_file()
            if (lock and not locks.held(path)) or (GONE in path.name and not lock):
                sizes[f".work/{path.name}"] = trees.size(path)
    of_runs = sorted((root / ".runs").glob("*/")) if pages else []
    for folder in (root / ".seals", root / ".runs", *of_runs):
        for path in [] if folder.is_symlink() else files.left_in(folder):
            with contextlib.suppress(OSError):
                sizes[path.relative_to(root).as_posix()] = trees.size(path)
    return sizes


def drop(root: Path, names: Iterable[str]) -> None:
    """Delete some leftovers, as far as this process may; a lock that somebody holds stays."""
    for name in names:
        path = root / name
        with contextlib.suppress(OSError, StoreError):
            if path.suffix != ".lock":
                trees.remove(path, within=root)
            elif (lock := locks.take(path, wait=False)) is not None:
                locks.release(path, lock)
