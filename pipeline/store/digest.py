"""Digests of files and of plain values: BLAKE2b, 16 bytes, as hexadecimal."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.outside.walking import Visits

CHUNK = 1 << 20
OWN = "digest"
"""The key in a JSON object that stands for all its others: their digest."""


def of_value(value: Any) -> str:
    """The digest of a JSON value; equal values have equal digests in any process (keys sorted, no whitespace)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A file's name need not be UTF-8; Python has its other bytes as lone surrogates.
    return of_bytes(text.encode(errors="surrogatepass"))


def with_own(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the digest of itself, for a file in which a damaged or edited number must be noticed."""
    return {**content, OWN: of_value(content)}


def demand_own(content: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the digest of itself; those of earlier versions have none. ValueError if it is another's."""
    others = {key: value for key, value in content.items() if key != OWN}
    if OWN in content and content[OWN] != of_value(others):
        raise ValueError("it is not as it was written: it was damaged or edited")
    return OWN in content


def of_bytes(content: bytes) -> str:
    """The digest of bytes."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's bytes. OSError names the file, as that of a disk with a fault does not by itself."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                state.update(chunk)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    return state.hexdigest()


SETTLED_NS = 2 * 10**9
"""For how long a file has to be unchanged before its times tell the next change: clocks of file systems tick that slowly."""
_KNOWN: dict[tuple[int, ...], str] = {}
"""{device, inode, size and times of a file: its digest}, of the files that this process has read in `of_path`."""


def _of_untouched(path: Path) -> str:
    """`of_file`, but a file that this process has read and nobody has touched since is not read again.

    Nobody can set back the time of change. The file is opened to ask for it, so that a network's file system asks its server.
    """
    now = time.time_ns()  # before it is read, which may last longer than SETTLED_NS
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
    times = (found.st_mtime_ns, found.st_ctime_ns)
    state = (found.st_dev, found.st_ino, found.st_size, *times)
    if state not in _KNOWN:
        content = of_file(path)
        if now - max(times) < SETTLED_NS:
            return content
        _KNOWN[state] = content
    return _KNOWN[state]


def of_path(path: Path) -> str:
    """The digest of a file's bytes, or of a folder: the names and the bytes of all its files, including pictures and weights.

    A stage reads what is in a folder that it is given, also behind links. The images of a dataset are the one exception, and
    have a digest of their own (`pipeline/datasets/folder.py`). Ten stages name the weights of CLIP, which are read once, unless
    somebody touches them. DataError as of `walking.walk`.
    """
    if path.is_file():
        return _of_untouched(path)
    return of_value([[p.relative_to(path).as_posix(), _of_untouched(p)] for p in sorted(_files_below(path))])


def _files_below(root: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those below it; links are followed, but never in a circle."""
    above: dict[str, frozenset[Path]] = {str(root): frozenset()}
    visits = Visits(root)
    for here, folders, names in os.walk(root, followlinks=True):
        folder = Path(here)
        visits.add(folder, place := folder.resolve())
        over = above.pop(here) | {place}
        folders[:] = [n for n in folders if n != "__pycache__" and (folder / n).resolve() not in over]
        above |= {os.path.join(here, name): over for name in folders}  # noqa: PTH118, as os.walk spells it
        yield from (folder / name for name in names if (folder / name).is_file())


def of_files(entries: Iterable[tuple[str, str]]) -> str:
    """The digest of a set of named files: (name, digest) pairs in any order."""
    return of_value(sorted([name, digest] for name, digest in entries))
