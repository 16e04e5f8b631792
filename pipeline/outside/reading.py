"""Text files from outside: UTF-8 whatever the locale, read within a bound; anything wrong is one error that names the file.

What JSON and YAML may hold is in `pipeline/outside/parsing.py`.
"""

from __future__ import annotations

import errno
import gzip
import os
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DataError, EzhoiError
from pipeline.outside import parsing

LARGEST_FILE = 64 << 20
"""The most bytes of a file of texts, edits, a profile or a template; HICO-DET's 600 descriptions have 0.25 MB."""
LARGEST_DATA = 2 << 30
"""The most bytes of an annotation or a file of detections, unpacked; a million pairs in JSON have less than half a gigabyte."""
PIECE = 1 << 20
"""How many bytes are read at once."""
LONGEST_TEXT = 100_000
"""The most characters of one text."""
MOST_ROWS = 100_000
"""The most rows of a table of texts."""
MOST_PIXELS = 89_478_485
"""The most pixels of a picture; from here on Pillow too suspects a small file that was made to fill the memory."""
LARGEST_PICTURE = 20 << 20
"""The most bytes of a picture file that a language model is shown."""


def text(path: Path, *, what: str = "", error: type[EzhoiError] = DataError, largest: int | None = None) -> str:
    """Read a file's text without a byte-order mark, unpacked if it is gzipped; `what` is its name in the message.

    Raises `error` if it cannot be read, has more than `largest` bytes (`LARGEST_FILE` if left out) or is not UTF-8.
    """
    name, largest = what or str(path), LARGEST_FILE if largest is None else largest
    try:
        content = _content(path, largest + 1)
    except (OSError, EOFError, ValueError, zlib.error) as fault:
        raise error(f"{name}: cannot be read: {why(fault)}") from None
    if len(content) > largest:
        raise error(f"{name}: is larger than {largest >> 20:,} MiB, the most that is read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        byte = fault.object[fault.start]
        raise error(f"{name}, line {line}: not UTF-8 (byte {byte:#04x}); save it as UTF-8") from None


def _content(path: Path, most: int) -> bytes:
    """Read at most so many bytes of a file, unpacked."""
    demand_no_pipe(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    content = bytearray()
    with gzip.open(path) if packed else path.open("rb") as file:
        # By pieces: a single read of so many bytes would set aside the memory for all of them, however short the file is.
        while len(content) < most and (piece := file.read(min(PIECE, most - len(content)))):
            content += piece
    return bytes(content)


def json_value(
    path: Path,
    *,
    what: str = "",
    error: type[EzhoiError] = DataError,
    largest: int | None = None,
    each: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """Read a file's JSON value; raises `error` as `text` does, and if it is no JSON, nested too deeply or has a key twice.

    `each` decides what is kept of every object (see `parsing.json_value`).
    """
    content = text(path, what=what, error=error, largest=largest)
    return _parsed(partial(parsing.json_value, each=each), content, f"{what or path}: not valid JSON", error)


def yaml_value(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> Any:
    """A file's YAML as plain values; raises `error` as `json_value` does."""
    content = text(path, what=what, error=error)
    return _parsed(parsing.yaml_value, content, f"{what or path}: not valid YAML", error)


def yaml_node(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> yaml.Node | None:
    """A file's YAML as nodes, which know their lines; None if it is empty. Raises `error` as `json_value` does."""
    content = text(path, what=what, error=error)
    return _parsed(parsing.yaml_node, content, f"{what or path}: not valid YAML", error)


def _parsed(parse: Callable[[str], Any], content: str, fault: str, error: type[EzhoiError]) -> Any:
    try:
        return parse(content)
    except ValueError as why:
        raise error(f"{fault}: {why}") from None


def demand_no_pipe(path: Path) -> None:
    """ValueError for a pipe: it may never begin or never end, so opening it could wait for ever."""
    if path.is_fifo():
        raise ValueError("it is a pipe, not a file")


def why(fault: Exception) -> str:
    """Why something could not be read: the first line of the error, or the system's own words without path and number."""
    if type(fault) is FileNotFoundError:  # pyarrow's has no number, and says the path alone
        return os.strerror(errno.ENOENT)
    if isinstance(fault, OSError) and fault.errno:
        return os.strerror(fault.errno)
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]


def check_pixels(width: int, height: int, *, what: str) -> None:
    """DataError if a picture of this size is more than is decoded."""
    if width * height > MOST_PIXELS:
        raise DataError(f"{what}: {width} x {height} pixels are more than the {MOST_PIXELS:,} that are read")
