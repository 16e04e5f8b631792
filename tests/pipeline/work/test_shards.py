"""Shards: each computed once by whoever claims it, decode, compute and write at once, unreadable images reported."""

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config.loading import load
from pipeline.errors import DataError, EzhoiError, StoreError
from pipeline.store import digest
from pipeline.store.exchange import Exchange
from pipeline.store.store import describe_files
from pipeline.tables import arrays
from pipeline.work import helpers, shards
from pipeline.work.claims import claims
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work


def work_in(folder: Path, *settings: str) -> Work:
    for name in ("out", "scratch"):
        (folder / name).mkdir(exist_ok=True)
    config = load(overrides=settings, environment={})
    return Work(stage="image_embeddings", config=config, inputs={}, out=folder / "out", scratch=folder / "scratch")


def double(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
    return {"image_id": np.array(ids), "value": np.array(values) * 2, "some": [[v] * (v % 3) for v in values]}


PLAN = shards.plan({"train": range(10), "test": range(10, 13)}, size=4)


def run(work: Work, read=lambda shard, i: i, compute=double, plan=PLAN) -> None:
    stream(work, plan, read=read, compute=compute, batch=3)


def test_a_plan_cuts_every_split_in_order() -> None:
    assert [(s.name, s.ids) for s in PLAN] == [
        ("train-000.parquet", (0, 1, 2, 3)),
        ("train-001.parquet", (4, 5, 6, 7)),
        ("train-002.parquet", (8, 9)),
        ("test-000.parquet", (10, 11, 12)),
    ]


def test_every_shard_holds_its_images_in_order(tmp_path: Path) -> None:
    work = work_in(tmp_path)
    told: list[tuple[int, int]] = []
    object.__setattr__(work, "progress_to", lambda stage, done, total, note: told.append((done, total)))
    run(work)
    assert shards.gather(work, PLAN) == {}
    for shard in PLAN:
        found = arrays.read(work.out / shard.name)
        assert found["image_id"].tolist() == list(shard.ids)
        assert found["value"].tolist() == [2 * i for i in shard.ids]
        assert found["some"] == [[i] * (i % 3) for i in shard.ids]
    assert len(told) == 4 and told[-1] == (13, 13)


def test_reading_overlaps_computing(tmp_path: Path) -> None:
    """While a batch is computed the next ones are read: computing waits for a reader that waits for it."""
    started = threading.Event()

    def read(shard: Shard, i: int) -> int:
        if i == 4:
            started.set()
        return i

    def compute(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
        assert started.wait(60), "image 4 is read only after the first batch is computed"
        return double(shard, ids, values)

    run(work_in(tmp_path), read, compute)


def test_two_workers_compute_each_shard_once(tmp_path: Path) -> None:
    work, computed = work_in(tmp_path), []

    def compute(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
        computed.extend(ids)
        time.sleep(0.02)
        return double(shard, ids, values)

    threads = [threading.Thread(target=run, args=(work,), kwargs={"compute": compute}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(computed) == list(range(13))
    assert len(shards.gather(work, PLAN)) == 0


def test_what_a_failing_worker_held_is_taken_up(tmp_path: Path) -> None:
    work = work_in(tmp_path)

    def fails(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
        if shard.number == 1:
            raise RuntimeError("out of memory")
        return double(shard, ids, values)

    with pytest.raises(RuntimeError, match="out of memory"):
        run(work, compute=fails)
    kept = work.scratch / PLAN[0].name
    inode = kept.stat().st_ino
    run(work)
    assert kept.stat().st_ino == inode
    shards.gather(work, PLAN)


def bad(shard: Shard, i: int) -> int:
    if i in (5, 12):
        raise DataError(f"image {i}: {i}.jpg is empty (0 bytes)")
    return i


def test_unreadable_images_are_all_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    work, read = work_in(tmp_path), []
    run(work, bad)
    with pytest.raises(
        DataError, match=r"(?s)2 images cannot be used:.*5\.jpg.*12\.jpg.*2 of 4 shards are done.*=skip"
    ):
        shards.gather(work, PLAN)
    helpers.compute_all(work, lambda work: run(work, lambda shard, i: read.append(i) or i))  # mended
    assert sorted(read) == [4, 5, 6, 7, 10, 11, 12]
    assert shards.gather(work, PLAN) == {}


def test_unreadable_images_are_left_out_where_asked(tmp_path: Path) -> None:
    work = work_in(tmp_path, "images.unreadable=skip")
    run(work, bad)
    assert shards.gather(work, PLAN) == {
        5: "image 5: 5.jpg is empty (0 bytes)",
        12: "image 12: 12.jpg is empty (0 bytes)",
    }
    assert arrays.read(work.out / PLAN[1].name)["image_id"].tolist() == [4, 6, 7]


def test_what_was_left_out_before_a_kill_is_still_reported(tmp_path: Path) -> None:
    work = work_in(tmp_path, "images.unreadable=skip")
    run(work, bad)
    helpers.compute_all(
        work, lambda work: stream(work, PLAN, read=bad, compute=double, batch=3)
    )  # the stage starts again
    assert sorted(shards.gather(work, PLAN)) == [5, 12]


def test_a_shard_of_unreadable_images_is_an_error_even_so(tmp_path: Path) -> None:
    work = work_in(tmp_path, "images.unreadable=skip")

    def none(shard: Shard, i: int) -> int:
        raise DataError(f"image {i}: no such folder")

    run(work, none)
    with pytest.raises(DataError, match=r"13 images cannot be used"):
        shards.gather(work, PLAN)


def test_other_errors_of_reading_are_not_the_images_fault(tmp_path: Path) -> None:
    def broken(shard: Shard, i: int) -> int:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        run(work_in(tmp_path), broken)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def strange(path: Path) -> None:
    """A whole shard that nobody recorded, as a version before digests would leave it."""
    arrays.write(path, {"image_id": [0]})


@pytest.mark.parametrize("damage", [flip, empty, strange])
def test_a_damaged_shard_is_said_and_computed_again(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    run(work_in(tmp_path))
    damage(tmp_path / "scratch" / PLAN[1].name)
    work, read = work_in(tmp_path), []  # another run
    helpers.compute_all(work, lambda work: run(work, lambda shard, i: read.append(i) or i))
    assert sorted(read) == [4, 5, 6, 7]
    assert shards.gather(work, PLAN) == {}
    assert arrays.read(work.out / PLAN[1].name)["value"].tolist() == [8, 10, 12, 14]
    assert caplog.text.count(PLAN[1].name) == 1


def test_a_shard_that_is_damaged_before_it_is_published_is_not_published(tmp_path: Path) -> None:
    work = work_in(tmp_path)
    run(work)
    flip(work.scratch / PLAN[0].name)
    with pytest.raises(EzhoiError, match=r"1 of 4 shards were not computed. Run again"):
        shards.gather(work, PLAN)


def test_damaged_notes_of_unreadable_images_are_made_again(tmp_path: Path) -> None:
    work = work_in(tmp_path, "images.runtime.unreadable=skip")
    run(work, bad)
    (work.scratch / (PLAN[1].name + shards.FAULTS)).write_text('{"6": "image 6 is fine"}')
    work = work_in(tmp_path, "images.runtime.unreadable=skip")
    helpers.compute_all(work, lambda work: run(work, bad))
    assert sorted(shards.gather(work, PLAN)) == [5, 12]


def test_publishing_does_not_hash_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    of_file = digest.of_file
    monkeypatch.setattr(digest, "of_file", lambda path: hashed.append(path.name) or of_file(path))
    work = work_in(tmp_path)
    helpers.compute_all(work, run)
    shards.gather(work, PLAN)
    records = describe_files(work.out, known=work.digests)
    assert len(hashed) == len(PLAN)
    assert {r.name: r.digest for r in records} == {s.name: of_file(work.out / s.name) for s in PLAN}


def test_without_hard_links_shards_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    work = work_in(tmp_path)
    run(work)
    shards.gather(work, PLAN)
    assert arrays.read(work.out / PLAN[0].name)["value"].tolist() == [0, 2, 4, 6]


def test_without_file_locks_one_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match=r"file system of .*train-000.* has no file locks \(flock"):
        run(work_in(tmp_path))


def test_an_orphaned_worker_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(is_alive=lambda: False))
    assert list(claims(work_in(tmp_path), PLAN)) == []


NO_SHARDS = {
    "train-001.parquet": b"no table",
    "test-000.parquet": b"PAR1" + bytes(20) + b"PAR1",
    f"train-000.parquet{shards.FAULTS}": b"[1]",
    f"train-002.parquet{shards.FAULTS}": b'{"8": 3}',
}


@pytest.mark.parametrize("name", NO_SHARDS)
def test_what_is_whole_and_no_shard_is_made_again(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    work = work_in(tmp_path)
    run(work)
    with work.pieces.writing(name) as temporary:
        temporary.write_bytes(NO_SHARDS[name])
    shards.drop_damaged(work)
    assert f"{name}: is whole, but cannot be read" in caplog.text and not (work.scratch / name).exists()
    run(work)
    assert shards.gather(work, PLAN) == {}
    assert [arrays.read(work.out / s.name)["image_id"].tolist() for s in PLAN] == [list(s.ids) for s in PLAN]


@pytest.mark.parametrize("name", NO_SHARDS)
def test_what_comes_whole_from_elsewhere_and_is_no_shard_is_taken_back(name: str, tmp_path: Path) -> None:
    """Whoever writes to a bucket can put a piece there whose digest is right."""

    there = {name}

    class Bucket(Exchange):
        def names(self, *, fresh: bool = False) -> frozenset[str]:
            return frozenset(there)

        def fetch(self, name: str, path: Path) -> str:
            path.write_bytes(NO_SHARDS[name])
            return digest.of_file(path)

        def withdraw(self, name: str) -> None:
            there.remove(name)

    work = work_in(tmp_path)
    object.__setattr__(work, "exchange", Bucket())
    assert not shards.bring(work) and there == set()
    run(work)
    assert shards.gather(work, PLAN) == {} and shards.bring(work)
