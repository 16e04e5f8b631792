"""Seals: sizes and times of an artifact's files when their digests were last checked, so that they need not be read again.

    <root>/.seals/<fingerprint>.json     {file: [bytes, mtime, inode, ctime, digest]}, times in ns

Nobody can set back the time of change (ctime): a flipped bit breaks the seal even if the modification time was restored.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.machine.files import atomic

Stamp = list[int | str]


def stamp(stat: os.stat_result, digest: str) -> Stamp:
    """Numbers that stay equal as long as nobody touches the file, with its digest."""
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns, digest]


def read(root: Path, fingerprint: str) -> dict[str, Any]:
    """The stamps of an artifact's files; empty if there are none or the seal is damaged."""
    try:
        value = json.loads(_path(root, fingerprint).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write(root: Path, fingerprint: str, stamps: Mapping[str, Stamp]) -> None:
    """Keep the stamps of an artifact's files; a read-only store works without them, only slower."""
    path = _path(root, fingerprint)
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(stamps), encoding="utf-8")


def remove(root: Path, fingerprint: str) -> None:
    """Remove an artifact's seal."""
    _path(root, fingerprint).unlink(missing_ok=True)


def _path(root: Path, fingerprint: str) -> Path:
    return root / ".seals" / f"{fingerprint}.json"
