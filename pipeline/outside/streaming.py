"""A JSON object of any size, read part by part: its long lists are never in memory as a whole.

    for key, first, part in streaming.parts(path):
        first is None      `part` is the value of the key
        else               `part` is a list of some entries of the key's list, whose first one has the place `first` in it

It is as strict as `pipeline/outside/parsing.py`, whose hook it uses: Python's own parser decodes every value, and only what is
between the values of the outermost object and of its lists is read here. (Streaming parsers let the last of two equal keys win
in the objects that they build, or make an event of every number.) Only a text that is passed over is not decoded.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import DataError
from pipeline.outside import parsing, reading

LARGEST_VALUE = 64 << 20
"""The most characters of one entry of a list, or of one value that is no list."""
MOST_ENTRIES = 50_000_000
"""The most entries of one list."""
BATCH = 4096
"""The most entries that are handed on at once."""
_BLANK = " \t\n\r"
_END = re.compile(r'"|\\.?', re.DOTALL)
"""What ends a text, or is escaped in it; a backslash alone is the window's last character."""
_EDGE = 16
"""Characters of a word, number or escape that the end of the window may have cut: -Infinity, \\ud83d\\ude00."""
OnProgress = Callable[[int, int], None]
"""A function that is called with how much is done, and of how much: of a file, with numbers of bytes."""


class NoObjectError(Exception):
    """The file's value is no object in braces."""


def parts(
    path: Path, *, on_progress: OnProgress | None = None, passed_over: Collection[str] = ()
) -> Iterator[tuple[str, int | None, Any]]:
    """The parts of the object that a file has; see above. A list without entries is one empty part.

    Args:
        passed_over: keys whose text, where they have one, may be of any length and is "" here.

    Raises:
        NoObjectError: the file begins with anything but a brace.
        DataError: it cannot be read, is no JSON or no UTF-8, has a key twice in one object, or an entry that is too large.
    """
    try:
        reading.demand_no_pipe(path)
        size = path.stat().st_size
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            report = (lambda: on_progress(raw.tell(), size)) if on_progress else None
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                yield from _object(_Window(path, file, report), passed_over)  # type: ignore[arg-type]
    except (OSError, EOFError, ValueError, zlib.error) as fault:
        raise DataError(f"{path}: cannot be read: {reading.why(fault)}") from None


def _object(text: _Window, passed_over: Collection[str]) -> Iterator[tuple[str, int | None, Any]]:
    """The parts of the one object of a text."""
    if text.next() != "{":
        raise NoObjectError
    text.at += 1
    lines: dict[str, int] = {}
    if text.next() == "}":
        text.at += 1
        text.demand_end()
        return
    while True:
        if text.next() != '"':
            raise text.fault("Expecting property name enclosed in double quotes")
        line = text.line_of(text.at)
        key = text.value()
        if key in lines:
            raise text.no_json(parsing.given_twice(key, lines[key], line))
        lines[key] = line
        text.take(":")
        if text.next() == "[":
            yield from ((key, first, batch) for first, batch in _list(text, key))
        elif key in passed_over and text.next() == '"':
            text.pass_over()
            yield key, None, ""
        else:
            yield key, None, text.value()
        if text.take(",", "}") == "}":
            text.demand_end()
            return


def _list(text: _Window, key: str) -> Iterator[tuple[int, list[Any]]]:
    """The entries of a list, in batches with the place of their first."""
    text.at += 1
    first, batch = 0, []
    if text.next() == "]":
        text.at += 1
        yield 0, []
        return
    while True:
        batch.append(text.value())
        last = text.take(",", "]") == "]"
        if last or len(batch) >= BATCH:
            yield first, batch
            first, batch = first + len(batch), []
            if first > MOST_ENTRIES:
                raise DataError(f"{text.path}: {key} has more than {MOST_ENTRIES:,} entries, the most that are read")
        if last:
            return


class _Window:
    """The part of a text that is in memory, and the place in it that is read next."""

    def __init__(self, path: Path, file: BinaryIO, on_progress: Callable[[], None] | None) -> None:
        self.path, self.at = path, 0
        self._file, self._on_progress = file, on_progress
        self._text, self._ended = "", False
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._decode = json.JSONDecoder(object_pairs_hook=parsing.once).raw_decode
        self._counted, self._line = 0, 1  # a place in the window, and its line
        self._column = 1  # of the window's first character

    def next(self) -> str:
        """The next character that is no blank, which stays the next one; "" at the end."""
        while True:
            text, at, end = self._text, self.at, len(self._text)
            while at < end and text[at] in _BLANK:
                at += 1
            self.at = at
            if at < end:
                return text[at]
            if not self._more():
                return ""

    def take(self, *wanted: str) -> str:
        """Go past the next character, which must be one of the wanted ones."""
        found = self.next()
        if found not in wanted or not found:
            raise self.fault(f"Expecting {wanted[0]!r} delimiter")
        self.at += 1
        return found

    def value(self) -> Any:
        """Decode the next value and go past it."""
        self.next()
        while True:
            try:
                found, end = self._decode(self._text, self.at)
            except RecursionError:
                raise self.no_json("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if not (self._may_be_cut(error) and self._more()):
                    raise self.fault(error.msg, at=error.pos) from None
            except parsing.TwiceError:
                key, first, second = parsing.twice(self._text[self.at :])
                before = self.line_of(self.at) - 1
                raise self.no_json(parsing.given_twice(key, before + first, before + second)) from None
            except ValueError:  # Python reads no whole number of more than 4,300 digits
                raise self.no_json("it has a number of thousands of digits") from None
            else:
                # A number at the very end of the window may go on behind it.
                if end + 2 < len(self._text) or not self._more():
                    self.at = end
                    return found

    def pass_over(self) -> None:
        """Go past a text, of which only a piece at a time is in memory."""
        self.at += 1
        while True:
            found = _END.search(self._text, self.at)
            if found is not None and found[0] != "\\":
                self.at = found.end()
                if found[0] == '"':
                    return
            else:
                self.at = len(self._text) if found is None else found.start()
                if not self._more():
                    raise self.fault("Unterminated string")

    def demand_end(self) -> None:
        """Demand that only blanks are left."""
        if self.next():
            raise self.fault("Extra data")

    def line_of(self, at: int) -> int:
        """The line of a place in the window, from 1: counted on from the place that was asked for last, or back to it."""
        if at >= self._counted:
            self._line += self._text.count("\n", self._counted, at)
        else:
            self._line -= self._text.count("\n", at, self._counted)
        self._counted = at
        return self._line

    def fault(self, what: str, *, at: int | None = None) -> DataError:
        """The error for a place where the text is no JSON."""
        at = self.at if at is None else at
        before = self._text.rfind("\n", 0, at)
        column = at - before if before >= 0 else self._column + at
        return self.no_json(f"{what}: line {self.line_of(at)} column {column}; is it whole?")

    def no_json(self, why: str) -> DataError:
        """The error for a text that is no JSON, or none that is read here."""
        return DataError(f"{self.path}: not valid JSON: {why}")

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether more text may remove an error: it is at the end of the window, or about a text that has no end."""
        return (
            error.msg.startswith("Unterminated string")
            or error.pos >= len(self._text) - _EDGE
            or not self._text[error.pos :].strip(_BLANK)
        )

    def _more(self) -> bool:
        """Read on, and more at once the longer the unread text is; False at the end of the file."""
        if self._ended:
            return False
        left = len(self._text) - self.at
        if left > LARGEST_VALUE:
            raise DataError(
                f"{self.path}, line {self.line_of(self.at)}: a value of more than {LARGEST_VALUE:,} letters"
            )
        piece = self._file.read(max(reading.PIECE, left))
        self._ended = not piece
        try:
            more = self._utf8.decode(piece, final=self._ended)
        except UnicodeDecodeError as fault:
            line = self.line_of(len(self._text)) + fault.object[: fault.start].count(b"\n")
            says = f"not UTF-8 (byte {fault.object[fault.start]:#04x}); save it as UTF-8"
            raise DataError(f"{self.path}, line {line}: {says}") from None
        if not more and self._ended:
            return False
        before = self._text.rfind("\n", 0, self.at)
        self._column = self.at - before if before >= 0 else self._column + self.at
        self.line_of(self.at)
        self._text, self.at, self._counted = self._text[self.at :] + more, 0, 0
        if self._on_progress is not None:
            self._on_progress()
        return True
