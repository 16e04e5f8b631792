"""A folder of pictures: which file an annotation means, and how large the picture is as it is shown.

Annotation tools show a picture turned as its EXIF orientation says, and their boxes lie in what they show. Names are written
by tools of all kinds: with a path of another machine before them, with backslashes, in another Unicode form, or as Label
Studio spells uploads. The longest end of the name that fits one file decides; two files that fit equally well are an error.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from pipeline.errors import DataError
from pipeline.outside import exif, pictures, walking
from pipeline.outside.file_names import JOURNAL, PREDICTED

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
READERS = 8
_DRIVE = re.compile(r"^[a-zA-Z]:(?=/)")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
_NOT_IN_UPLOADS = re.compile(r"[^\w.\-]")


@dataclass(frozen=True)
class Size:
    """Width and height of a picture: as it is shown, and as it is stored in the file."""

    shown: tuple[int, int]
    stored: tuple[int, int]


@dataclass(frozen=True)
class Match:
    """The file that a name means, if it means one.

    Attributes:
        file: path relative to the folder; None if none or several fit.
        candidates: those that fit equally well, or nearly.
        by_case: whether only another case of letters fits.
    """

    file: str | None
    candidates: tuple[str, ...] = ()
    by_case: bool = False


@dataclass(frozen=True)
class Pictures:
    """The picture files under a folder.

    Args:
        root: the folder.
        files: {path relative to it, with slashes: bytes}.
        sizes: sizes that are known already; the others are read from the files' headers.
        passed: {path: why} of the folders and pictures that could not be looked at.
    """

    root: Path
    files: Mapping[str, int]
    sizes: dict[str, Size] = field(default_factory=dict)
    passed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def under(cls, root: Path) -> Pictures:
        """The pictures in a folder and its subfolders."""
        passed: dict[str, str] = {}
        found = files_under(root, SUFFIXES, passed, twice=True)
        return cls(root, {path.relative_to(root).as_posix(): size for path, size in found}, passed=passed)

    def __bool__(self) -> bool:
        return bool(self.files)

    def read_sizes(self, names: Iterable[str]) -> dict[str, str]:
        """Read the sizes of these files; returns {file: why it cannot be read}."""
        wanted = [name for name in dict.fromkeys(names) if name not in self.sizes]
        faults: dict[str, str] = {}
        with ThreadPoolExecutor(READERS) as pool:
            for name, found in zip(wanted, pool.map(lambda name: _size(self.root / name), wanted), strict=True):
                if isinstance(found, Size):
                    self.sizes[name] = found
                else:
                    faults[name] = found
        return faults

    def find(self, name: str, *, uploaded: bool = False) -> Match:
        """The file that a plain name (`plain`) means.

        Args:
            uploaded: the name is Label Studio's of an upload: eight hexadecimal digits before it, odd letters changed.

        A name without an ending, such as a frame's of a video, may have any.
        """
        if name in self._by_name:
            return Match(self._by_name[name])
        tables = [(self._by_base, name)]
        if uploaded:
            tables.append((self._by_upload, _UPLOAD_PREFIX.sub("", name.rsplit("/", 1)[-1])))
        if "." not in name.rsplit("/", 1)[-1]:
            tables.append((self._by_stem, name))
        for table, wanted in tables:
            fits = table.get(wanted.rsplit("/", 1)[-1], [])
            if table is self._by_base:
                fits = _longest_end(wanted, fits)
            if fits:
                return Match(self._by_name[fits[0]]) if len(fits) == 1 else Match(None, tuple(fits))
        fits = _longest_end(name.lower(), self._by_lower.get(name.rsplit("/", 1)[-1].lower(), ()), lower=True)
        return Match(self._by_name[fits[0]], by_case=True) if len(fits) == 1 else Match(None, tuple(fits))

    @cached_property
    def _by_name(self) -> dict[str, str]:
        """{name in NFC: file}, since some systems write a letter with an accent as two."""
        return {unicodedata.normalize("NFC", name): name for name in self.files}

    @cached_property
    def _by_base(self) -> dict[str, list[str]]:
        return _grouped(self._by_name, lambda base: base)

    @cached_property
    def _by_lower(self) -> dict[str, list[str]]:
        return _grouped(self._by_name, str.lower)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped(self._by_name, lambda base: base.rpartition(".")[0])

    @cached_property
    def _by_upload(self) -> dict[str, list[str]]:
        return _grouped(self._by_name, uploaded_name)


def files_under(
    root: Path, suffixes: tuple[str, ...], passed: dict[str, str], *, twice: bool = False
) -> Iterator[tuple[Path, int]]:
    """The files with these suffixes in a folder and its subfolders that may be of a data set, each with its size in bytes.

    Hidden ones and a Mac's `__MACOSX` are not, nor what `ezhoi predict` wrote there: a picture that it drew is the user's own
    picture once more.

    Args:
        passed, twice: as of `walking.walk` and `walking.files`.
    """
    for folder, folders, names in walking.walk(root, passed, twice=twice):
        written = PREDICTED if os.path.exists(folder / JOURNAL) else ()  # noqa: PTH110, pathlib's raises where nobody may look
        folders[:] = [name for name in folders if name not in written]
        named = (folder / name for name in names if name.lower().endswith(suffixes) and name not in written)
        yield from walking.files(named, passed)


def plain(name: str) -> str:
    """A file's name with slashes, in NFC, without a drive, `.` and `..`."""
    parts = _DRIVE.sub("", unicodedata.normalize("NFC", name).replace("\\", "/")).split("/")
    found = "/".join(part for part in parts if part not in ("", ".", ".."))
    return name if found == name else found  # one text, where millions are kept


def uploaded_name(name: str) -> str:
    """How Label Studio spells the name of a file that is uploaded: blanks as `_`, signs left out, letters kept."""
    return _NOT_IN_UPLOADS.sub("", name.strip().replace(" ", "_"))


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    """The names by their last part, as `key` spells it."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name.rsplit("/", 1)[-1]), []).append(name)
    return found


def _longest_end(name: str, candidates: Iterable[str], *, lower: bool = False) -> list[str]:
    """Those candidates that share most last parts with a name: all of the shorter one, or two at least.

    So `street/1.jpg` is never taken for `yard/1.jpg`.
    """
    wanted = name.split("/")[::-1]
    agree = {}
    for candidate in candidates:
        parts = (candidate.lower() if lower else candidate).split("/")[::-1]
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(wanted, parts, strict=False)))
        if same >= min(2, len(wanted), len(parts)):
            agree[candidate] = same
    return [candidate for candidate, count in agree.items() if count == max(agree.values())]


def _size(path: Path) -> Size | str:
    """The sizes that the file's header says, or why it cannot be read."""
    try:
        with pictures.opened(path) as image:
            return Size(*exif.sizes(image))
    except DataError as error:
        return str(error)
    except pictures.Unreadable as error:
        return str(error) if str(error).startswith("it is empty") else f"it is no readable picture ({error})"
