"""Who holds a lock, as others read it: whatever lies there, reading it never fails and says nothing but names and numbers."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.machine import holder
from pipeline.machine.holder import Claimant, Holder

RUN = "20260131T120000-0a1b2c"
ANNA = Holder(pid=4711, host="vm-1", since="2026-01-31T12:00:31+00:00", run=RUN, by="ezhoi run")


def test_a_holder_in_a_sentence() -> None:
    at = "at it since 2026-01-31 12:00:31 UTC"
    assert str(ANNA) == f"run {RUN} of ezhoi run (process 4711 on vm-1, {at})"
    assert str(ANNA.model_copy(update={"run": "", "by": ""})) == f"process 4711 on vm-1 ({at})"


def test_what_a_holder_writes_is_read_back() -> None:
    mine = Claimant(RUN, "full").holder()
    assert holder.read(mine.note()) == mine and (mine.pid, mine.run, mine.by) == (os.getpid(), RUN, "full")
    assert holder.parse(mine.model_dump() | {"a later version's": 1}) == mine


def test_a_name_with_an_order_for_a_terminal_is_written_without_it() -> None:
    mine = Claimant(RUN, "\x1b]0;owned\x07<b>" + "x" * 500).holder()
    assert mine.by.startswith("__0_owned__b_xxx") and len(mine.by) == holder.LONGEST_NAME
    assert holder.read(mine.note()) == mine


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        ANNA.note()[:-9],
        ANNA.note().replace(b"vm-1", b"\\u001b[2J"),
        ANNA.note().replace(b"vm-1", b"x\\n"),
        ANNA.note().replace(b"vm-1", b"x" * 10_000),
        ANNA.note().replace(b"4711", b"9" * 3_000),
        ANNA.note().replace(b"4711", b"NaN"),
        b"\xff" + ANNA.note(),
    ],
)
def test_a_torn_or_a_hostile_note_names_nobody(note: bytes) -> None:
    assert holder.read(note) is None


@given(st.binary(max_size=300), st.integers(0, 120))
def test_no_note_is_an_error(noise: bytes, place: int) -> None:
    for note in (noise, ANNA.note()[:place] + noise, ANNA.note()[:place] + noise + ANNA.note()[place:]):
        found = holder.read(note)
        assert found is None or str(found).isprintable()


def test_each_holder_is_told_once_and_waits_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(holder.time, "monotonic", lambda: now[0])
    lines: list[str] = []
    claimant = Claimant(tell=lines.append)
    claimant.got()
    for seconds, who in ((1.0, None), (2.0, ANNA), (3.0, ANNA), (7.0, ANNA)):
        now[0] = seconds
        claimant.waits_for(who)
    now[0] = 9.0
    claimant.got()
    claimant.got()
    claimant.waits_for(ANNA, None, thing="cuda:0")
    assert lines == [
        "waits for another process",
        f"waits for {ANNA}",
        f"waits for cuda:0, which {ANNA} and another process have",
    ]
    assert [(w.what, w.seconds) for w in claimant.waits] == [("another process", 1.0), (str(ANNA), 7.0)]
    claimant.waits_for(thing="cuda:1")
    assert lines[-1] == "waits for cuda:1, which another process has"
