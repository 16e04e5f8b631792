"""The journal of a folder of predictions: a file of lines that several processes write at once and that survives their kill.

The first line says which model predicts, with which options. Every other line is a picture that is done or could not be read;
the last line of a picture counts. A line is added under a lock, and other processes read it when they look; the part of a line
that a killed process left is cut off by the next process that adds one. Each line ends with a digest of what is before: one
that was damaged or edited counts as not there, and so do those of earlier releases, which do not say of which files they are.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pipeline.errors import DataError
from pipeline.machine import locks
from pipeline.predict import records
from pipeline.predict.listing import Stamp
from pipeline.predict.records import Picture
from pipeline.store import digest

log = logging.getLogger("ezhoi.predict")

CHUNK = 1 << 22
"""How many bytes are read at a time."""
DIGEST = b', "digest": "'
"""Stands between the text of a line and its digest. In no text is it: there quotation marks have a backslash."""
ELSEWHERE = "choose an --out on another one"


@dataclass
class Journal:
    """A journal that this process reads and extends; only one thread may use it.

    Args:
        path: the file, which is open.
        alone: the file that is locked while a line is added.
    """

    path: Path
    file: IO[bytes]
    alone: Path
    stamps: dict[str, Stamp] = field(default_factory=dict)
    """{name: stamp of the file} of the pictures that are done."""
    drawings: dict[str, Stamp | None] = field(default_factory=dict)
    """{name: stamp of the drawing} of all pictures that a process drew, those that are forgotten too; None if the line is of an
    earlier release, which did not note it."""
    faults: dict[str, str] = field(default_factory=dict)
    """{name: why} of the pictures that could not be read."""
    tried: set[str] = field(default_factory=set)
    """Pictures that any process has found to be unreadable since this one opened the journal."""
    added: int = 0
    """How many pictures any process has finished since then, or found to be unreadable."""
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """{name: (place, length)} of a picture's line."""
    _end: int = 0
    """Where the lines that were read end."""
    _unused: int = 0
    """How many lines are damaged, or of an earlier release."""

    def begin(self, about: Mapping[str, Any]) -> None:
        """Forget all lines and write the first one anew; for a process that has the journal for itself."""
        self._write(0, json.dumps({"about": about}, ensure_ascii=False).encode() + b"\n")

    def open(self, about: Mapping[str, Any]) -> None:
        """Read what is there; DataError if it was made with other options, or is no journal."""
        first = os.pread(self.file.fileno(), CHUNK, 0).partition(b"\n")[0]
        try:
            before = json.loads(first)["about"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(
                f"{self.path}: is no journal of predictions. Choose another --out, or begin --anew"
            ) from None
        if not isinstance(before, dict) or before != json.loads(json.dumps(about)):
            before = before if isinstance(before, dict) else {}
            changed = sorted(key for key in {*before, *about} if before.get(key) != about.get(key))
            raise DataError(
                f"{self.path.parent}: holds predictions that were made otherwise ({', '.join(changed)}). Choose another "
                "--out, or begin --anew"
            )
        self._end = len(first) + 1
        self.refresh()
        if self._unused:
            log.warning(
                "%s: lines that are damaged, or of an earlier release, are not used (%d); a picture that no other line has is "
                "predicted again",
                self.path,
                self._unused,
            )
        self.tried.clear()
        self.added = 0

    def refresh(self) -> None:
        """Read the whole lines that any process has added."""
        while True:
            chunk = self._read(CHUNK)
            if not (whole := chunk[: chunk.rfind(b"\n") + 1]):
                return
            for line in whole.splitlines(keepends=True):
                self._take_in(line)
                self._end += len(line)

    def add(self, record: Picture, stamp: Stamp, drawing: Stamp) -> None:
        """Note that a picture is done: what is known of it, and the stamps of its file and of its drawing."""
        self._add({"stamp": stamp, "drawing": drawing, "picture": record.as_json()})

    def add_fault(self, name: str, why: str) -> None:
        """Note that a picture could not be read."""
        if self.faults.get(name) == why:
            self.tried.add(name)  # said in an earlier run too: the file need not grow
            self.added += 1
        else:
            self._add({"name": name, "unread": why})

    def forget(self, names: Iterable[str]) -> None:
        """Count pictures as not done, until a further line says that they are."""
        for name in names:
            self._places.pop(name, None)
            self.stamps.pop(name, None)

    def __contains__(self, name: str) -> bool:
        """Whether a picture of that name is done."""
        return name in self._places

    def records(self, names: Sequence[str]) -> Iterator[Picture]:
        """The records of pictures that are done."""
        for name in names:
            place, length = self._places[name]
            yield records.of_json(json.loads(os.pread(self.file.fileno(), length, place))["picture"])

    def _read(self, size: int) -> bytes:
        """The text after the lines that were read: at least one line, however long, if one is whole."""
        handle = self.file.fileno()
        chunk = os.pread(handle, size, self._end)
        while len(chunk) == size and b"\n" not in chunk:
            size *= 2
            chunk = os.pread(handle, size, self._end)
        return chunk

    def _add(self, entry: Mapping[str, Any]) -> None:
        line = _sealed(json.dumps(entry, ensure_ascii=False).encode())
        with locks.held(self.alone, elsewhere=ELSEWHERE):
            self.refresh()
            self._write(self._end, line)
        self.refresh()

    def _write(self, place: int, line: bytes) -> None:
        """Write a line at that place, whole or not at all, and end the file there."""
        handle, written = self.file.fileno(), 0
        os.ftruncate(handle, place)
        try:
            while written < len(line):
                written += os.pwrite(handle, line[written:], place + written)
        except BaseException:
            os.ftruncate(handle, place)
            raise

    def _take_in(self, line: bytes) -> None:
        """Take the content of a line, unless it is damaged or has no digest."""
        try:
            text, _, _ = line.rpartition(DIGEST)
            if line != _sealed(text + b"}"):
                raise ValueError("the line is another one than was written")
            entry = json.loads(line)
            if "unread" in entry:
                name, why = str(entry["name"]), str(entry["unread"])
            else:
                name = records.of_json(entry["picture"]).name
                stamp = Stamp(*entry["stamp"])
                drawing = Stamp(*entry["drawing"]) if "drawing" in entry else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._unused += 1
            return
        self.added += 1
        if "unread" in entry:
            self.faults[name] = why
            self.tried.add(name)
            self.forget([name])
        else:
            self._places[name], self.stamps[name] = (self._end, len(line)), stamp
            self.drawings[name] = drawing
            self.faults.pop(name, None)
            self.tried.discard(name)


def _sealed(entry: bytes) -> bytes:
    """The line of an entry, which is a JSON object: with the digest of all before it as its last value."""
    text = entry[:-1]
    return text + DIGEST + digest.of_bytes(text).encode() + b'"}\n'
