"""Digests of files and of plain values: BLAKE2b, 16 bytes, as hexadecimal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def of_value(value: Any) -> str:
    """Digest of a JSON value; equal values have equal digests in any process (keys sorted, no whitespace)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def of_file(path: Path) -> str:
    """Digest of a file's bytes."""
    state = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def of_path(path: Path) -> str:
    """Digest of a file's bytes, or of a folder: names and sizes of all its files, the bytes of weights and of small ones."""
    if path.is_file():
        return of_file(path)
    found = sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return of_value(
        [
            [str(p.relative_to(path)), size, of_file(p) if _counts(p, size) else ""]
            for p in found
            for size in [p.stat().st_size]
        ]
    )


def _counts(path: Path, size: int) -> bool:
    return path.suffix == ".safetensors" or (size < 64 << 20 and path.suffix != ".jpg")


def of_files(entries: Iterable[tuple[str, str]]) -> str:
    """Digest of a set of named files: (name, digest) pairs in any order."""
    return of_value(sorted([name, digest] for name, digest in entries))
