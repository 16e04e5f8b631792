"""What is done of a folder of predictions: a file of lines that several processes write at once and that survives their kill.

The first line says who predicts, with which options. Each other one is a picture that is done, or could not be read; of a
picture's lines the last one counts. A line is added under a lock and taken in by the other processes when they look; what a
killed process left of one is cut off by the next that adds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pipeline.errors import DataError
from pipeline.machine import locks
from pipeline.predict import records
from pipeline.predict.records import Picture

CHUNK = 1 << 22
"""Bytes that are taken in at a time."""
ELSEWHERE = "choose an --out on another one"


@dataclass
class Journal:
    """A journal that this process reads and adds to; not for several threads.

    Args:
        path: the file, which is open.
        alone: the file that is locked while a line is added.
    """

    path: Path
    file: IO[bytes]
    alone: Path
    stamps: dict[str, list[int]] = field(default_factory=dict)
    """{name: stamp of the file} of the pictures that are done."""
    faults: dict[str, str] = field(default_factory=dict)
    """{name: why} of the pictures that could not be read."""
    tried: set[str] = field(default_factory=set)
    """Pictures of which any process found, since this one opened the journal, that they cannot be read."""
    added: int = 0
    """How many pictures were done since then, or found to be unreadable, by whatever process."""
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """{name: (place, length)} of a picture's line."""
    _end: int = 0
    """Where the lines end that were taken in."""

    def begin(self, about: Mapping[str, Any]) -> None:
        """Forget all lines, and say who predicts; for a process that has the journal for itself."""
        self._write(0, json.dumps({"about": about}, ensure_ascii=False).encode() + b"\n")

    def open(self, about: Mapping[str, Any]) -> None:
        """Take in what is there; DataError if it was made otherwise, or is no journal."""
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
        self.tried.clear()
        self.added = 0

    def refresh(self) -> None:
        """Take in the whole lines that were added, by whatever process."""
        while True:
            chunk = self._read(CHUNK)
            if not (whole := chunk[: chunk.rfind(b"\n") + 1]):
                return
            for line in whole.splitlines(keepends=True):
                self._take_in(line)
                self._end += len(line)

    def add(self, record: Picture, stamp: list[int]) -> None:
        """A picture is done."""
        self._add({"stamp": stamp, "picture": record.as_json()})

    def add_fault(self, name: str, why: str) -> None:
        """A picture could not be read."""
        if self.faults.get(name) == why:
            self.tried.add(name)  # said in an earlier run too: the file need not grow
            self.added += 1
        else:
            self._add({"name": name, "unread": why})

    def __contains__(self, name: str) -> bool:
        """Whether a picture of that name is done."""
        return name in self._places

    def records(self, names: Sequence[str]) -> Iterator[Picture]:
        """The records of pictures that are done."""
        for name in names:
            place, length = self._places[name]
            yield records.of_json(json.loads(os.pread(self.file.fileno(), length, place))["picture"])

    def _read(self, size: int) -> bytes:
        """What comes after the lines that were taken in; at least one line, however long, if one is whole."""
        handle = self.file.fileno()
        chunk = os.pread(handle, size, self._end)
        while len(chunk) == size and b"\n" not in chunk:
            size *= 2
            chunk = os.pread(handle, size, self._end)
        return chunk

    def _add(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        with locks.held(self.alone, elsewhere=ELSEWHERE):
            self.refresh()
            self._write(self._end, line)
        self.refresh()

    def _write(self, place: int, line: bytes) -> None:
        """End the file with a line at that place, whole or not at all."""
        handle, written = self.file.fileno(), 0
        os.ftruncate(handle, place)
        try:
            while written < len(line):
                written += os.pwrite(handle, line[written:], place + written)
        except BaseException:
            os.ftruncate(handle, place)
            raise

    def _take_in(self, line: bytes) -> None:
        """Of a line that is none nothing is known: its picture is predicted again."""
        try:
            entry = json.loads(line)
            if "unread" in entry:
                name, why = str(entry["name"]), str(entry["unread"])
            else:
                name, stamp = records.of_json(entry["picture"]).name, list(entry["stamp"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        self.added += 1
        if "unread" in entry:
            self.faults[name] = why
            self.tried.add(name)
            self._places.pop(name, None)
            self.stamps.pop(name, None)
        else:
            self._places[name], self.stamps[name] = (self._end, len(line)), stamp
            self.faults.pop(name, None)
            self.tried.discard(name)
