"""Locks on works in progress: each is a file beside the work's folder, which its holder removes as it lets go."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import IO

from pipeline.machine import locks

log = logging.getLogger("ezhoi.store")


def of(folder: Path) -> Path:
    """The lock of a work's folder."""
    return folder.with_name(f"{folder.name}.lock")


def take(path: Path, *, wait: bool = True) -> IO[str] | None:
    """Hold a lock, to be handed to `release` in the end; None if another process has it and we shall not wait.

    A holder removes the file as it lets go, so a lock counts only if its file still is the one at `path`.
    """
    said = False
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            if not locks.take(file):
                if not wait:
                    file.close()
                    return None
                if not said:
                    log.info("artifact %s is being made by another process; waiting for it", path.stem)
                    said = True
                locks.take(file, wait=True)
        except BaseException:
            file.close()
            raise
        if _is_at(file, path):
            return file
        file.close()


def release(path: Path, file: IO[str]) -> None:
    """Let a lock go and leave no file of it."""
    try:
        path.unlink(missing_ok=True)
    finally:
        file.close()


def held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with path.open(encoding="utf-8") as file:
            return not locks.take(file, shared=True)
    except FileNotFoundError:
        return False


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
