"""Pieces of unfinished work between two machines that share an object store and nothing else."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.config.loading import load
from pipeline.errors import DataError
from pipeline.store import digest
from pipeline.store.remote import exchange as remote_exchange
from pipeline.store.remote import lease
from pipeline.store.remote.exchange import ObjectExchange
from pipeline.store.remote.remote import RemoteStore
from pipeline.store.store import Store, Workspace
from pipeline.tables import arrays
from pipeline.work import helpers, shards
from pipeline.work.claims import claims
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Place, Work

PLAN = shards.plan({"train": range(12)}, size=2)
TTL = 4.0
WITH_ONE_HELPER, THE_HELPER = Place(0, 2), Place(1, 2)


@pytest.fixture
def machines(gate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RemoteStore, RemoteStore]:
    """Two stores at one address, each with a cache of its own."""
    gate.closed = False
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.1)
    url = f"s3://bucket/{uuid.uuid4().hex[:8]}"
    return RemoteStore(url, cache=tmp_path / "one", ttl=TTL), RemoteStore(url, cache=tmp_path / "other", ttl=TTL)


def work_in(space: Workspace, *, helper: bool = False, place: Place | None = WITH_ONE_HELPER) -> Work:
    config = load(environment={})
    folders = {"out": space.out, "scratch": space.scratch, "exchange": space.exchange}
    return Work(stage="image_embeddings", config=config, inputs={}, helper=helper, place=place, **folders)


class Machine:
    """A stage that computes shards and counts which ones."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.made: list[int] = []
        self.seconds = seconds

    def compute(self, work: Work, *, then: Callable[[], None] = lambda: None) -> int:
        def make(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
            time.sleep(self.seconds)
            self.made.append(shard.number)
            then()
            return {"image_id": np.array(ids)}

        return stream(work, PLAN, read=lambda shard, i: i, compute=make, batch=2)


def test_the_pieces_of_a_work_are_those_here_and_those_handed_over(machines: Any, tmp_path: Path) -> None:
    one, other = machines
    assert other.pieces("f00") == frozenset()
    (tmp_path / "train-000.parquet").write_bytes(b"four")
    one.exchange("f00").offer(tmp_path / "train-000.parquet")
    mine = other.root / ".work" / "f00" / "scratch"
    mine.mkdir(parents=True)
    (mine / "train-001.parquet").write_bytes(b"five")
    assert other.pieces("f00") == {"train-000.parquet", "train-001.parquet"}
    assert one.pieces("f00") == {"train-000.parquet"}


def test_a_piece_is_handed_over_whole_or_not_at_all(
    machines: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = (ObjectExchange(m.url, "f00", ttl=TTL) for m in machines)
    (tmp_path / "a.parquet").write_bytes(b"four")
    here.offer(tmp_path / "a.parquet")
    assert there.names() == {"a.parquet"}
    assert there.fetch("a.parquet", tmp_path / "copy") == digest.of_file(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"four"
    here.withdraw("a.parquet")
    assert there.names(fresh=True) == frozenset()
    here.offer(tmp_path / "a.parquet")
    (stored,) = there.objects.names(".work/f00")
    there.objects.write(stored, b"torn")
    assert there.names(fresh=True) == {"a.parquet"}
    assert there.fetch("a.parquet", tmp_path / "again") is None
    assert "damaged" in caplog.text
    assert not (tmp_path / "again").exists() and not list(tmp_path.glob(".again*"))
    assert there.names(fresh=True) == frozenset(), "a damaged piece is made anew"


def test_of_two_that_made_the_same_piece_the_first_counts(machines: Any, tmp_path: Path) -> None:
    here, there = (ObjectExchange(m.url, "f00", ttl=TTL) for m in machines)
    path = tmp_path / "a.parquet"
    path.write_text("first")
    here.offer(path)
    path.write_text("second")
    there.offer(path)
    assert len(here.objects.names(".work/f00")) == 1
    assert there.fetch("a.parquet", tmp_path / "copy") and (tmp_path / "copy").read_text() == "first"
    here.objects.upload(path, here.object_of("a.parquet", digest.of_file(path)))  # at the very moment of the first
    smaller = min(here.objects.names(".work/f00"))
    assert [set(machine._pieces(fresh=True).values()) for machine in (here, there)] == [{smaller}] * 2
    here.withdraw("a.parquet")
    assert here.objects.names(".work/f00") == [], "it is made again, so neither may come back"


def test_a_checkpoint_goes_forward_only(machines: Any, tmp_path: Path) -> None:
    here, there = (ObjectExchange(m.url, "f00", ttl=TTL) for m in machines)
    path, copy = tmp_path / "w.safetensors", tmp_path / "there" / "w.safetensors"
    copy.parent.mkdir()
    for step in (9, 100):
        path.write_text(f"step {step}")
        here.keep(path, step=step)
    assert len(there.objects.names(".work/f00")) == 1
    there.resume(copy, beyond=100)
    assert not copy.exists(), "what is here is as far"
    there.resume(copy, beyond=99)
    assert copy.read_text() == "step 100"
    path.write_text("step 9")
    there.objects.upload(path, ".work/f00/w.safetensors~000000000009-ffffffffffffffffffffffff")  # its deletion was cut
    there.resume(copy, beyond=50)
    assert copy.read_text() == "step 100"


def test_a_machine_that_slept_takes_no_later_checkpoint_away(machines: Any, tmp_path: Path) -> None:
    slept, successor = (ObjectExchange(m.url, "f00", ttl=TTL) for m in machines)
    path, copy = tmp_path / "w.safetensors", tmp_path / "there" / "w.safetensors"
    copy.parent.mkdir()
    path.write_text("step 500")
    successor.keep(path, step=500)
    path.write_text("step 100")
    slept.keep(path, step=100)
    successor.resume(copy, beyond=0)
    assert copy.read_text() == "step 500"


def test_a_dead_run_is_helped_only_until_its_lease_runs_out(machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = machines
    with one.workspace("f00"):
        one._leases["f00"]._stop.set()  # dies: nobody renews its lease
        with other.helper_workspace("image_embeddings", "f00") as space:
            assert space is not None
            coming = claims(work_in(space, helper=True), PLAN)
            next(coming).release()
            time.sleep(TTL + 0.2)
            assert list(coming) == []
        sleepless = SimpleNamespace(
            monotonic=time.monotonic, sleep=lambda seconds: pytest.fail("it is known to be dead")
        )
        monkeypatch.setattr(lease, "time", sleepless)
        with other.workspace("f00"):
            pass


def test_interrupted_work_is_listed_and_dropped(machines: Any, tmp_path: Path) -> None:
    one, other = machines
    with one.workspace("f00") as space:
        (space.scratch / "a.parquet").write_bytes(b"four")
        space.exchange.offer(space.scratch / "a.parquet")
        assert one.interrupted() == other.interrupted() == {}
    assert one.interrupted() == {"f00": 8} and other.interrupted() == {"f00": 4}
    for store in (other, one):
        store.drop_interrupted("f00")
    assert one.interrupted() == {} and one.objects.names(".work") == []


@pytest.mark.parametrize("place", [THE_HELPER, None], ids=["asked for", "by itself"])
def test_a_helper_on_another_machine_makes_what_the_publisher_does_not(machines: Any, place: Place | None) -> None:
    one, other = machines
    first, second, helped = Machine(seconds=0.5), Machine(seconds=0.5), threading.Event()

    def wait_for_help() -> None:
        assert len(first.made) != 2 or helped.wait(60)

    def tell() -> None:
        if len(second.made) == 3:  # two of them can be found by then
            helped.set()

    def help_out() -> None:
        with other.helper_workspace("image_embeddings", "f00") as space:
            assert space is not None
            helpers.help_with(work_in(space, helper=True, place=place), partial(second.compute, then=tell))

    with one.workspace("f00") as space:
        thread = threading.Thread(target=help_out)
        thread.start()
        work = work_in(space)
        helpers.compute_all(work, partial(first.compute, then=wait_for_help))
        shards.gather(work, PLAN)
        assert sorted(p.name for p in work.out.iterdir()) == [s.name for s in PLAN]
        for shard in PLAN:
            assert arrays.read(work.out / shard.name)["image_id"].tolist() == list(shard.ids)
        thread.join(60)
    assert set(first.made + second.made) == set(range(6)), "twice is harmless"
    assert len(first.made) < 6 and second.made
    assert first.made[:2] == [0, 2], "a machine begins with its own"
    assert place is None or second.made[:2] == [1, 3]
    assert not list(other.root.glob(".work/*")), "a helper leaves nothing on its machine"


def test_nobody_is_at_work(machines: Any, tmp_path: Path) -> None:
    for store in (machines[0], Store(tmp_path / "local")):
        with store.helper_workspace("image_embeddings", "f00") as space:
            assert space is None


def test_another_machine_goes_on_from_finished_shards(machines: Any) -> None:
    one, other = machines
    first, second = Machine(), Machine()

    def die() -> None:
        if len(first.made) == 4:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError), one.workspace("f00") as space:
        first.compute(work_in(space), then=die)
    with other.workspace("f00") as space:
        work = work_in(space)
        helpers.compute_all(work, second.compute)
        shards.gather(work, PLAN)
    kept = set(first.made) - set(second.made)
    assert len(kept) >= 2 and kept | set(second.made) == set(range(6))


def test_a_piece_that_is_damaged_in_the_object_store_is_made_again(
    machines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = machines
    first, second = Machine(), Machine()
    with one.workspace("f00") as space:
        first.compute(work_in(space))
    stored = next(n for n in other.objects.names(".work/f00") if "train-002.parquet~" in n)
    content = bytearray(other.objects.read(stored))
    content[40] ^= 1
    other.objects.write(stored, bytes(content))
    with other.workspace("f00") as space:
        work = work_in(space)
        helpers.compute_all(work, second.compute)
        assert shards.gather(work, PLAN) == {}
        assert arrays.read(work.out / "train-002.parquet")["image_id"].tolist() == [4, 5]
    assert second.made == [2]
    assert caplog.text.count("damaged") == 1


def test_nobody_waits_for_a_helper_that_died(machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, other), first = machines, Machine()
    with one.workspace("f00") as space, other.helper_workspace("image_embeddings", "f00") as helping:
        assert helping is not None
        assert next(claims(work_in(helping, helper=True, place=THE_HELPER), PLAN)).shard == PLAN[1]  # and dies of it
        sleepless = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: pytest.fail("it waits"))
        monkeypatch.setattr(lease, "time", sleepless)
        work = work_in(space)
        helpers.compute_all(work, first.compute)
        shards.gather(work, PLAN)
    assert sorted(first.made) == list(range(6))


def test_what_was_published_after_it_was_claimed_is_passed_over(machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are read ahead, so shards are claimed some time before they are computed."""
    monkeypatch.setattr(remote_exchange, "FRESH_SECONDS", 0.0)
    one, other = machines
    first, second = Machine(), Machine()
    with one.workspace("f00") as space, other.helper_workspace("image_embeddings", "f00") as helping:
        assert helping is not None
        helping_work = work_in(helping, helper=True)
        work = work_in(space)
        first.compute(work, then=lambda: second.compute(helping_work) if first.made == [0] else None)
        assert first.made == [0] and sorted(second.made) == list(range(6))
        assert not any((work.scratch / shard.name).exists() for shard in PLAN[1:])


@pytest.mark.parametrize("unreadable", ["error", "skip"])
def test_what_a_helper_cannot_read_the_publisher_judges(machines: Any, unreadable: str) -> None:
    """The helper may lack the image folder, or be told to skip what the run must not skip."""
    one, other = machines
    first = Machine()

    def bad(shard: Shard, i: int) -> int:
        if i < 3:
            raise DataError(f"image {i}: {i}.jpg is empty")
        return i

    with one.workspace("f00") as space, other.helper_workspace("image_embeddings", "f00") as helping:
        assert helping is not None
        helper = work_in(helping, helper=True)
        helper = replace(helper, config=load(environment={}, overrides=[f"images.unreadable={unreadable}"]))
        made = stream(helper, PLAN[:3], read=bad, compute=lambda s, ids, v: {"image_id": np.array(ids)}, batch=2)
        assert made == 1
        work = work_in(space)
        helpers.compute_all(work, first.compute)
        assert shards.gather(work, PLAN) == {}
    assert sorted(first.made) == [0, 1, 3, 4, 5]


def test_a_helper_comes_too_late(tmp_path: Path) -> None:
    """The work was published after the helper had found it and before it claimed it, on one disk."""
    store, late = Store(tmp_path), Machine()
    with store.workspace("f00"), store.helper_workspace("image_embeddings", "f00") as space:
        assert space is not None
        store.forget("f00")
        assert helpers.help_with(work_in(space, helper=True), late.compute) == 0
    assert late.made == [] and not list(tmp_path.glob(".work/f00*/scratch"))
