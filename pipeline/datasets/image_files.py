"""The image files of a data set on disk: their sizes by their headers, and why one is absent."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.folder import link_to_nowhere
from pipeline.errors import DataError
from pipeline.outside import pictures
from pipeline.outside.pictures import Unreadable

EMPTY, MISSING = "empty, 0 bytes", "no such image file"


def why_absent(path: Path) -> str:
    """Why there is no picture at a path: it is a link to nowhere, an empty file, or nothing."""
    if nowhere := link_to_nowhere(path):
        return nowhere
    return EMPTY if path.exists() else MISSING


def image_size(path: Path, *, decode: bool = False) -> tuple[int, int]:
    """Width and height by the file's header; DataError naming the file if it has none, or if it does not decode."""
    try:
        with pictures.opened(path) as image:
            if decode:
                image.load()
            return image.size
    except Unreadable as error:
        why = why_absent(path) if not path.exists() or path.stat().st_size == 0 else str(error)
        raise DataError(f"{path}: not a readable image ({why})") from error
