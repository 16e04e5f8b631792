"""Files that people write: read as UTF-8 within a bound, as JSON or YAML; what is wrong is one error that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DataError, EzhoiError

LARGEST_FILE = 64 << 20
"""Bytes of a file of texts, edits, a profile or a template; HICO-DET's 600 descriptions have a quarter of a megabyte."""
LONGEST_TEXT = 100_000
"""Characters of one text."""
MOST_ROWS = 100_000
"""Rows of a table of texts."""
MOST_PIXELS = 89_478_485
"""Pixels of a picture: from here on Pillow too suspects that a small file was made to fill the memory."""
LARGEST_PICTURE = 20 << 20
"""Bytes of a picture file that a language model is shown."""


def text(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> str:
    """A file's text without a byte-order mark; `what` is its name in the message.

    Raises `error` if it cannot be read, is larger than `LARGEST_FILE` or is not UTF-8.
    """
    name = what or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        raise error(f"{name}: cannot be read: {fault}") from None
    if len(content) > LARGEST_FILE:
        raise error(f"{name}: is larger than {LARGEST_FILE >> 20} MiB, the most that is read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(
            f"{name}: cannot be read: it is not UTF-8 (byte {fault.start}: {content[fault.start]:#04x}); save it as UTF-8"
        ) from None


def json_value(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> Any:
    """A file's JSON value; raises `error` as `text` does, and if it is not JSON, nested too deep or has a key twice."""
    try:
        return json.loads(text(path, what=what, error=error), object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise error(f"{what or path}: is nested too deep to be read") from None
    except ValueError as fault:
        raise error(f"{what or path}: is not JSON: {fault}") from None


def yaml_node(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> yaml.Node | None:
    """A file's YAML as nodes, which know their lines; None if it is empty. Raises `error` as `json_value` does."""
    content = text(path, what=what, error=error)
    try:
        return yaml.compose(content, Loader=yaml.SafeLoader)
    except RecursionError:
        raise error(f"{what or path}: is nested too deep to be read") from None
    except (yaml.YAMLError, ValueError) as fault:
        raise error(f"{what or path}: cannot be read as YAML: {fault}") from None


def yaml_value(path: Path, *, what: str = "", error: type[EzhoiError] = DataError) -> Any:
    """A file's YAML as plain values; raises `error` as `json_value` does."""
    content = text(path, what=what, error=error)
    try:
        return yaml.safe_load(content)
    except RecursionError:
        raise error(f"{what or path}: is nested too deep to be read") from None
    except (yaml.YAMLError, ValueError) as fault:
        raise error(f"{what or path}: cannot be read as YAML: {fault}") from None


def check_pixels(width: int, height: int, *, what: str) -> None:
    """DataError if a picture of this size is more than is decoded."""
    if width * height > MOST_PIXELS:
        raise DataError(f"{what}: {width} x {height} pixels are more than the {MOST_PIXELS:,} that are read")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice; keep one")
        found[key] = value
    return found
