"""The lease: one holder at a time, and a holder that slept is no holder."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest

from pipeline.errors import StoreError
from pipeline.machine.holder import Claimant
from pipeline.store.remote import lease
from pipeline.store.remote.objects import ObjectFolder


@pytest.fixture(params=["s3", "memory"])
def objects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectFolder:
    """An S3 store, which compares as it writes, and one that cannot."""
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.05)
    name = uuid.uuid4().hex[:8]
    if request.param == "memory":
        return ObjectFolder(f"memory://{name}")
    gate: Any = request.getfixturevalue("gate")
    gate.closed = False
    return ObjectFolder(f"s3://bucket/{name}")


def test_numbers_are_never_used_again_and_do_not_pile_up(objects: ObjectFolder) -> None:
    for number in (1, 2, 3):
        with lease.claim(objects, ".leases/x", ttl=5):
            assert objects.names(".leases/x") == [f".leases/x/{number:06d}"]
        assert objects.names(".leases/x") == [f".leases/x/{number:06d}"]
        assert objects.read(f".leases/x/{number:06d}") == b'{"free": true}'
        assert not lease.Watch().look(objects, ".leases/x")[0].held


def test_who_lost_it_neither_renews_nor_frees_nor_passes_the_check(objects: ObjectFolder) -> None:
    slept = lease.claim(objects, "x", ttl=0.3)
    slept.check()
    slept._stop.set()  # it sleeps
    slept._thread.join()
    with lease.claim(objects, "x", ttl=0.3) as successor:
        with pytest.raises(StoreError, match="was taken over"):
            slept.check()
        slept.release()
        successor.check()
    with pytest.raises(StoreError, match="was taken over"):
        slept.check()
    lease.forget(objects, "x")
    assert objects.names("x") == []
    with lease.claim(objects, "x", ttl=5) as third:
        assert objects.names("x") == ["x/000001"]
        with pytest.raises(StoreError, match="was taken over"):
            slept.check()
        third.check()


def test_a_renewal_tells_that_the_lease_is_gone(objects: ObjectFolder) -> None:
    mine = lease.claim(objects, "x", ttl=0.6)
    objects.delete(["x/000001"])
    objects.create("x/000002", b'{"holder": "another", "beat": 0}')
    mine._thread.join(60)
    assert mine._lost and objects.names("x") == ["x/000002"], "its object did not come back"


def test_who_slept_before_creating_a_number_does_not_hold_it(objects: ObjectFolder) -> None:
    """Between its look and its creation others took the lease and deleted the number it creates."""
    create, calls = objects.create, []

    def late(name: str, content: bytes) -> bool:
        if not calls:
            calls.append(name)
            objects.write("x/000007", b'{"holder": "another", "beat": 0}')
        return create(name, content)

    objects.create = late  # type: ignore[method-assign]
    with lease.claim(objects, "x", ttl=0.3) as mine:  # once the other one has not renewed it
        assert calls == ["x/000001"] and objects.names("x") == ["x/000008"]
        mine.check()


def test_who_waits_is_told_for_whom(objects: ObjectFolder) -> None:
    said: list[str] = []
    with lease.claim(objects, "x", Claimant("20260131T120000-0a1b2c", "full"), ttl=5):
        waiter = threading.Thread(target=lambda: lease.claim(objects, "x", Claimant(tell=said.append), ttl=5).release())
        waiter.start()
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            time.sleep(0.02)
    waiter.join(20)
    assert len(said) == 1 and said[0].startswith("waits for run 20260131T120000-0a1b2c of full (process ")


@pytest.mark.parametrize("who", ["null", "[]", '{"pid": "x"}', '{"pid": 1, "host": "\\u001b[2J", "since": ""}'])
def test_a_holder_that_says_nothing_readable_is_another_process(objects: ObjectFolder, who: str) -> None:
    objects.write("x/000001", f'{{"holder": "of an earlier version", "beat": 3, "who": {who}}}'.encode())
    assert lease.Watch().look(objects, "x")[0].who is None
    said: list[str] = []
    lease.claim(objects, "x", Claimant(tell=said.append), ttl=0.2).release()
    assert said == ["waits for another process"]


def test_a_dead_holder_is_waited_for_and_taken_over(objects: ObjectFolder) -> None:
    objects.write("x/000004", b'{"holder": "dead", "beat": 9}')
    start = time.monotonic()
    with lease.claim(objects, "x", ttl=0.5):
        assert time.monotonic() - start >= 0.5
        assert objects.names("x") == ["x/000005"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"5", b"[" * 100_000])
def test_a_damaged_lease_counts_as_held_until_it_runs_out(objects: ObjectFolder, content: bytes) -> None:
    objects.write("x/000001", content)
    objects.write("x/../../odd", b"")
    objects.write("x/latest", b"")
    assert lease.Watch().look(objects, "x")[0].held
    with lease.claim(objects, "x", ttl=0.2) as taken:
        taken.check()


def test_replace_compares(objects: ObjectFolder) -> None:
    objects.write("a", b"1")
    assert objects.replace("a", b"2", old=b"1") and objects.read("a") == b"2"
    start = time.monotonic()
    assert not objects.replace("a", b"3", old=b"1") and objects.read("a") == b"2"
    assert not objects.replace("b", b"3", old=b"1") and objects.read("b") is None
    assert objects.replace("a", b"2", old=b"1"), "its own answer was lost"
    assert time.monotonic() - start < 10, "a refusal is final: nothing is asked again"


def test_of_two_that_compare_the_same_one_replaces(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 itself compares: what comes between the reading and the writing is not overwritten."""
    gate.closed = False
    objects = ObjectFolder(f"s3://bucket/{uuid.uuid4().hex[:8]}", patience=5)
    objects.write("a", b"1")
    read = objects.read

    def slow(name: str) -> bytes | None:
        content = read(name)
        monkeypatch.setattr(objects, "read", read)
        objects.write(name, b"2")
        return content

    monkeypatch.setattr(objects, "read", slow)
    assert not objects.replace("a", b"3", old=b"1") and objects.read("a") == b"2"


def test_a_number_that_is_none_of_ours_ends_the_wait(objects: ObjectFolder) -> None:
    """The next one would have a digit too many, be seen by nobody and be created again and again."""
    objects.write(".leases/x/999999999999999999", b'{"free": true}')
    with pytest.raises(StoreError, match=r"\.leases/x is at its last number"):
        lease.claim(objects, ".leases/x", ttl=1)
    assert objects.names(".leases/x") == [".leases/x/999999999999999999"]
