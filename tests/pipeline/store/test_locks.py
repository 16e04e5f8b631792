"""The lock of unfinished work: holding it decides who has the work, and a file that lies there decides nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from pipeline.machine.holder import Claimant
from pipeline.store import locks


@pytest.mark.parametrize("left", ["", "stale", '{"pid": 1, "host": "vm", "since": "2026-01-31T12:00:31+00:00", "run'])
def test_a_holder_says_who_it_is_whatever_the_last_one_left(tmp_path: Path, left: str) -> None:
    lock = locks.of(tmp_path / "f00")
    lock.write_text(left)
    file = locks.take(lock, Claimant("20260131T120000-0a1b2c", "ezhoi run"))
    assert file is not None
    said: list[str] = []
    got: list[object] = []
    waiter = threading.Thread(target=lambda: got.append(locks.take(lock, Claimant(tell=said.append))))
    waiter.start()
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        time.sleep(0.02)
    lock.write_text("torn {")  # it was told already; what becomes of the note is no error
    locks.release(lock, file)
    waiter.join(20)
    assert got and got[0] is not None and len(said) == 1
    assert said[0].startswith(f"waits for run 20260131T120000-0a1b2c of ezhoi run (process {os.getpid()} on ")


def test_a_lock_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("dear diary")
    (tmp_path / "f00.lock").symlink_to(tmp_path / "diary")
    with pytest.raises(OSError, match="symbolic links"):
        locks.take(tmp_path / "f00.lock")
    (tmp_path / "f00.lock").unlink()
    (tmp_path / "f00.lock").hardlink_to(tmp_path / "diary")
    file = locks.take(tmp_path / "f00.lock")
    assert file is not None and (tmp_path / "diary").read_text() == "dear diary"
    file.close()
