"""Which pictures a user means by paths, folders, patterns and a list; nothing is opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError
from pipeline.machine.home import expanded
from pipeline.outside.file_names import DRAWN, FRAMES, JOURNAL
from pipeline.store import digest

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes of the files of a folder that are taken for pictures, in either case. A file that is named is always one."""


@dataclass(frozen=True)
class Listed:
    """A picture's file and what it is called: its path from the folder that all have in common, with slashes."""

    name: str
    path: Path

    @property
    def stamp(self) -> list[int]:
        """Size in bytes and time of the last change in nanoseconds: what changes if the file does."""
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns]


def pictures(given: Sequence[str]) -> list[Listed]:
    """The pictures of the paths, in order, each once.

    Of a folder they are its files with one of `SUFFIXES`, by name, those of folders in it included; hidden ones are not, nor
    those that an earlier prediction drew or took from a video: else each would be predicted again when its folder is. A
    pattern such as `a/*.jpg` counts where no file is called so; `a/**` leaves out what a folder does.

    Raises:
        DataError: a path that leads nowhere, a folder that cannot be looked into or has no picture, a pattern without a file.
    """
    found = list(dict.fromkeys(path for text in given for path in _files(text)))
    if not found:
        raise DataError("there is no picture to look at: name files, folders or patterns")
    common = Path(os.path.commonpath([path.absolute().parent for path in found]))
    return [Listed(_readable(path.absolute().relative_to(common)), path) for path in found]


def digest_of(pictures: Sequence[Listed]) -> str:
    """Digest of which files they are; not of what is in them."""
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
    if any(letter in text for letter in "*?["):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 -- pathlib's own gives hidden files too
        fixed = set(path.parts)
        paths = sorted(Path(name) for name in names if Path(name).is_file())
        if matching := [path for path in paths if not _was_written(path, fixed)]:
            return matching
        raise DataError(f"{text}: no file is called so")
    raise DataError(f"{text}: there is no such file or folder")


def _was_written(path: Path, named: Set[str]) -> bool:
    """Whether an earlier prediction drew a picture or took it from a video, and nobody named the folder where it put it."""
    return any(
        place.name in (DRAWN, FRAMES) and place.name not in named and (place.parent / JOURNAL).exists()
        for place in path.parents
    )


def _of_folder(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be looked into ({error.strerror})")

    found = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        left_out = {DRAWN, FRAMES} if JOURNAL in files else set()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in left_out)
        found += [Path(place) / name for name in files if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    if not found:
        raise DataError(f"{folder}: has no picture ({', '.join(SUFFIXES)})")
    return sorted(found)
