"""Things that one process at a time holds: who waits longest comes first, and what a dead process left does not count."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.machine import locks, turns
from pipeline.machine.holder import Claimant
from pipeline.machine.turns import Held

PATIENCE = 60
"""After so many seconds of a test nobody waits any more."""
BOTH = {"cuda:0": "GPU-a", "cuda:1": "GPU-b"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0.1)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as somebody found what it wants held, drew a ticket and waits; an error for who does so without end."""
    found, end = threading.Event(), time.monotonic() + PATIENCE

    def sleep(seconds: float) -> None:
        found.set()
        assert time.monotonic() < end, "nobody gives what is waited for"
        time.sleep(seconds)

    monkeypatch.setattr(turns, "time", SimpleNamespace(sleep=sleep, monotonic_ns=time.monotonic_ns))
    return found


def taken(folder: Path, count: int = 1, wanted: dict[str, str] = BOTH) -> Held:
    held = turns.take(folder, wanted, count=count)
    assert held is not None
    return held


def test_one_that_needs_both_is_not_starved_by_those_that_come_for_one(tmp_path: Path) -> None:
    """Two take turns so that at every moment one of the two GPUs is held."""
    stop, got_both = threading.Event(), threading.Event()

    def one_after_the_other(start: float) -> None:
        time.sleep(start)
        while not stop.is_set():
            held = taken(tmp_path)
            time.sleep(0.1)
            held.release()

    def both() -> None:
        held = taken(tmp_path, count=2)
        got_both.set()
        held.release()

    threads = [threading.Thread(target=one_after_the_other, args=(start,)) for start in (0, 0.05)]
    threads += [threading.Thread(target=both)]
    try:
        for thread in threads:
            thread.start()
        assert got_both.wait(20)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not list(tmp_path.glob("*.ticket"))


def test_who_waits_for_something_else_is_not_in_the_way(
    tmp_path: Path, waits: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0)
    first = taken(tmp_path, wanted={"cuda:1": "GPU-b"})
    waiter = threading.Thread(target=lambda: taken(tmp_path, wanted={"cuda:1": "GPU-b"}).release())
    waiter.start()
    assert waits.wait(20)
    held = turns.take(tmp_path, {"cuda:0": "GPU-a"}, wait=False)
    assert held is not None
    held.release()
    assert turns.take(tmp_path, {"cuda:1": "GPU-b"}, wait=False) is None
    first.release()
    waiter.join(60)


def test_tickets_of_the_dead_and_of_jokers_do_not_count(tmp_path: Path) -> None:
    old = tmp_path / f"{1:020d}-77-dead.ticket"
    old.write_text("GPU-a\nGPU-b")
    (tmp_path / "never-a-number.ticket").write_text("GPU-a")
    (tmp_path / f"{2:020d}-1-link.ticket").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / f"{3:020d}-1-pipe.ticket")
    (tmp_path / f"{4:020d}-1-binary.ticket").write_bytes(b"\xff\xfe\x00")
    (tmp_path / f"{5:020d}-1-folder.ticket").mkdir()
    taken(tmp_path, count=2).release()
    assert not old.exists()


def test_nothing_is_held_or_left_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "GPU-b.lock").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        turns.take(tmp_path, BOTH, count=2)
    assert turns.taken(tmp_path, "GPU-a") is False


def test_who_waits_is_told_who_has_it(tmp_path: Path) -> None:
    said: list[str] = []
    mine = turns.take(tmp_path, {"cuda:1": "GPU-b"}, claimant=Claimant("20260131T120000-0a1b2c", "full"))
    other = turns.take(tmp_path, {"cuda:0": "GPU-a"}, claimant=Claimant("20260131T130000-0a1b2c"))
    assert mine is not None and other is not None

    def wait() -> None:
        got = turns.take(tmp_path, {"cuda:1": "GPU-b"}, claimant=Claimant(tell=said.append), thing="cuda:1")
        assert got is not None
        got.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        time.sleep(0.02)
    mine.release()
    waiter.join(20)
    assert len(said) == 1 and said[0].startswith("waits for cuda:1, which run 20260131T120000-0a1b2c of full (process ")
    other.release()
    assert not [*tmp_path.glob("*.holder"), *tmp_path.glob("*.ticket")]


def test_notes_of_the_dead_and_of_jokers_name_nobody(tmp_path: Path) -> None:
    note = Claimant("20260131T120000-0a1b2c").holder().note().decode()
    (tmp_path / "1-1-dead.holder").write_text(f"{note}\nGPU-a")
    (tmp_path / "2-1-link.holder").symlink_to("/etc/passwd")
    held = taken(tmp_path, wanted={"cuda:0": "GPU-a"})
    with (tmp_path / "3-1-joker.holder").open("w+") as joker:
        joker.write("\x1b[2J\nGPU-a\n")
        joker.flush()
        assert locks.take(joker)
        (who,) = turns._holders(tmp_path, {"GPU-a"})
    assert who.run == "" and who.pid == os.getpid()
    assert not (tmp_path / "1-1-dead.holder").exists()
    held.release()
