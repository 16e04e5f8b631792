"""Which pictures a user means by paths, folders, patterns and a list. No picture is opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.machine.home import expanded
from pipeline.outside.file_names import DRAWN, FRAMES, JOURNAL
from pipeline.outside.walking import Visits
from pipeline.store import digest

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""The suffixes by which files of a folder are taken for pictures, in either case. A file that is named always is one."""


class Stamp(NamedTuple):
    """A file as it was at some time."""

    size: int
    """In bytes."""
    changed: int
    """When its content was changed last, in nanoseconds. It can be set, as archives do to that of all their files."""
    entered: int
    """When its entry was changed last (ctime). It cannot be set, but several files may be written in one of its steps."""
    number: int
    """The number of its entry (inode)."""
    digest: str
    """Of its content; empty for what has no size, as a device, whose content has no end."""


@dataclass(frozen=True)
class Listed:
    """The file of a picture and its name: its path from the folder that all have in common, with slashes."""

    name: str
    path: Path

    @property
    def stamp(self) -> Stamp:
        """What the file is now; OSError if it cannot be read."""
        entry = self._entry()
        return Stamp(*entry, digest.of_file(self.path) if entry[0] else "")

    def has(self, stamp: Stamp) -> bool:
        """Whether the file is still what it was then: by its entry, or, where that alone differs, by its content.

        OSError if it cannot be read.
        """
        entry = self._entry()
        return stamp[:-1] == entry or (stamp.size == entry[0] > 0 and stamp.digest == digest.of_file(self.path))

    def _entry(self) -> tuple[int, int, int, int]:
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def pictures(given: Sequence[str]) -> list[Listed]:
    """The pictures of the paths, in order, each once.

    A folder stands for its files with one of `SUFFIXES`, by name, including those in folders below. Hidden files are left out,
    and so are pictures that an earlier prediction drew or took from a video, or they would be predicted too. A pattern such as
    `a/*.jpg` counts if no file has this name; `a/**` leaves out the same files as a folder.

    Raises:
        DataError: a path that leads nowhere, a folder that cannot be looked into or has no picture, a pattern without a file.
    """
    found = list(dict.fromkeys(path for text in given for path in _files(text)))
    if not found:
        raise DataError("there is no picture to look at: name files, folders or patterns")
    common = Path(os.path.commonpath([path.absolute().parent for path in found]))
    return [Listed(_readable(path.absolute().relative_to(common)), path) for path in found]


def digest_of(pictures: Sequence[Listed]) -> str:
    """The digest of which files they are, not of their content."""
    return digest.of_value([_readable(picture.path.absolute()) for picture in pictures])


def _readable(path: Path) -> str:
    """A path as text that can be written anywhere; bytes of it that are no UTF-8 as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _files(text: str) -> Iterable[Path]:
    path = expanded(text)
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        return [path]
    if (matching := of_pattern(text)) is not None:
        return matching
    raise DataError(f"{text}: there is no such file or folder")


def of_pattern(text: str) -> list[Path] | None:
    """The files that a pattern means; None where the text is none, or a file has this name. DataError if it means no file."""
    path = expanded(text)
    if not any(letter in text for letter in "*?[") or path.exists():
        return None
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207 -- pathlib's own gives hidden files too
    fixed = set(path.parts)
    paths = sorted(Path(name) for name in names if Path(name).is_file())
    if matching := [path for path in paths if not _was_written(path, fixed)]:
        return matching
    raise DataError(f"{text}: no file is called so")


def _was_written(path: Path, named: Set[str]) -> bool:
    """Whether an earlier prediction drew the picture or took it from a video, and its folder was not named explicitly."""
    return any(
        place.name in (DRAWN, FRAMES) and place.name not in named and (place.parent / JOURNAL).exists()
        for place in path.parents
    )


def _of_folder(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be looked into ({error.strerror})")

    found = []
    visits = Visits(folder)  # which says how far it is; links are not followed, so none leads back
    for place, folders, files in os.walk(folder, onerror=refuse):
        visits.add(Path(place), place)
        left_out = {DRAWN, FRAMES} if JOURNAL in files else set()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in left_out)
        found += [Path(place) / name for name in files if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    if not found:
        raise DataError(f"{folder}: has no picture ({', '.join(SUFFIXES)})")
    return sorted(found)
