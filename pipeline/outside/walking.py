"""Walking folders from outside, whatever lies in them and however they change meanwhile.

Other programs write and remove files meanwhile; folders may be closed to us, links may lead in circles, and among the files
may be pipes and devices. None of that ends a walk: what cannot be read is skipped and reported.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.parsing import shown

log = logging.getLogger("ezhoi.outside")
MACS = "__MACOSX"
"""The folder that a Mac adds to an archive; it holds no data."""
KINDS: Mapping[int, str] = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
"""Entries that are no readable files, by their type (`stat.S_IFMT`)."""
SHOWN = 5
MOST_AGAIN = 10_000
"""How often a walk comes by a further way to a folder where it was. Below /sys links lead to each other by more ways than can
be walked; 600 classes of a data set may well have a link each to one folder with some others."""
EVERY = 10.0
"""After so many seconds a line says how far a walk is, and then again."""


class Visits:
    """How often a walk from `root` has come to each folder; it says from time to time how many these are."""

    def __init__(self, root: Path) -> None:
        self._root, self._said = root, time.monotonic()
        self._count, self._folders = 0, set[Hashable]()

    def add(self, folder: Path, key: Hashable) -> None:
        """Note that the walk comes to a folder, which `key` tells from others; DataError if it does so again and again."""
        self._count += 1
        self._folders.add(key)
        if self._count - len(self._folders) > MOST_AGAIN:
            raise DataError(
                f"{self._root}: links in it lead again to folders that have another name in it, more than {MOST_AGAIN:,} "
                f"times, as {shown(str(folder))} does. Name the folder that has the data"
            )
        if time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            log.warning("%s: %s folders so far; now in %s", self._root, f"{self._count:,}", folder)


def walk(root: Path, passed: dict[str, str], *, twice: bool = False) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder from `root` down, the names of the folders in it and those of its other entries, both in order.

    Hidden names are left out and so is `MACS`; links are followed, but never in a circle. A name that the caller
    removes from the list of folders is not walked into (as in `os.walk`).

    Args:
        passed: gets {path: why} of the folders that could not be looked into.
        twice: whether a folder to which several links lead comes by each of their names, or only by the first one.

    Raises:
        DataError: folders come more than `MOST_AGAIN` times by a further name.
    """

    def pass_over(error: OSError) -> None:
        passed[os.fsdecode(error.filename)] = reading.why(error)

    def key(folder: Path) -> tuple[int, int] | None:
        try:
            state = folder.stat()
        except OSError as error:
            pass_over(error)
            return None
        return state.st_dev, state.st_ino

    seen = {key(root)}
    above = {str(root): frozenset(seen)}
    visits = Visits(root)
    for here, folders, names in os.walk(root, followlinks=True, onerror=pass_over):
        folder = Path(here)
        over = above.pop(here)
        visible = [name for name in folders if name != MACS and not name.startswith(".")]
        folders.clear()
        for name in sorted(visible, key=lambda name: ((folder / name).is_symlink(), name)):  # ways without a link first
            found = key(folder / name)
            if found is not None and found not in (over if twice else seen):
                seen.add(found)
                visits.add(folder / name, found)
                above[os.path.join(here, name)] = over | {found}  # noqa: PTH118, as os.walk spells it
                folders.append(name)
        yield folder, folders, sorted(name for name in names if not name.startswith("."))


def demand(path: Path) -> None:
    """DataError unless a file or a folder is there: a pipe or a device may never begin or never end."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if not path.is_file() and not path.is_dir():
        kind = KINDS.get(stat.S_IFMT(path.stat().st_mode), "something else")
        raise DataError(f"{path}: is {kind}; save what it has as a file, and name that")


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link whose target is not there, or that leads in a circle."""
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114, pathlib's raise where nobody may look


def files(paths: Iterable[Path], passed: dict[str, str]) -> Iterator[tuple[Path, int]]:
    """The paths that are files or links to files, each with its size in bytes.

    Args:
        passed: gets {path: why} of the others, but not of links to nowhere, since nothing is missed there.
    """
    for path in paths:
        try:
            state = path.stat()
        except OSError as error:
            if not leads_nowhere(path):
                passed[str(path)] = reading.why(error)
        else:
            if stat.S_ISREG(state.st_mode):
                yield path, state.st_size
            else:
                passed[str(path)] = f"it is {KINDS.get(stat.S_IFMT(state.st_mode), 'no file')}"


def skipped_line(passed: Mapping[str, str]) -> str:
    """One line about what was skipped; empty if nothing was."""
    if not passed:
        return ""
    some = "; ".join(f"{path} ({why})" for path, why in list(passed.items())[:SHOWN])
    count = len(passed)
    return f"passed over {count:,} {'entry' if count == 1 else 'entries'} that cannot be read: {some}" + (
        "; ..." if count > SHOWN else ""
    )
