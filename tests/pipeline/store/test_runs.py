from pathlib import Path

from pipeline.engine.run import Run
from pipeline.store import runs
from pipeline.store.store import Store


def record(store: Store, profile: str, identity: str, stages: dict[str, str]) -> None:
    runs.RunRecord(id=identity, profile=profile, started_at=identity, stages=stages, state="completed").save(store)


def test_a_record_comes_back(tmp_path: Path) -> None:
    store, new = Store(tmp_path), runs.new("demo")
    new.stages["seen"] = "f00"
    new.save(store)
    assert runs.records(store) == [new]


def test_unreadable_records_are_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "demo", "1", {})
    (tmp_path / ".runs" / "2.json").write_text("{")
    (tmp_path / ".runs" / "3.json").write_text('{"other": 1}')
    assert [r.id for r in runs.records(store)] == ["1"]


def test_a_store_that_cannot_be_written_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    runs.new("demo").save(Store(tmp_path / "store"))


def test_garbage_is_what_no_kept_run_used(fake, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from pipeline.engine.graph import stage

    store = Store(fake.root)
    made = []
    for images, profile in ((1, "demo"), (2, "demo"), (3, "hico-vitb")):
        config = fake.config(f"data.world.test_images={images}").model_copy(update={"profile": profile})
        run = Run(config, store)
        made.append(run.step(stage("annotations")).artifact)
        run.finish("completed")
    work = fake.root / ".work" / "abc"
    (work / "scratch").mkdir(parents=True)
    (work / "scratch" / "shard").write_bytes(b"12345")

    assert runs.garbage(store, keep_runs=2).artifacts == ()
    found = runs.garbage(store, keep_runs=1)
    assert found.artifacts == (made[0],) and found.bytes == made[0].manifest.bytes and found.work == ()
    with_work = runs.garbage(store, keep_runs=1, work=True)
    assert with_work.work == ("abc",) and with_work.bytes == found.bytes + 5
    assert len(runs.garbage(store, keep_runs=0).artifacts) == 3

    runs.collect(store, with_work)
    assert store.artifacts() == made[1:] and not work.exists() and len(runs.records(store)) == 2


def test_work_in_progress_is_never_garbage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.workspace("f00") as space:
        (space.scratch / "shard").write_text("1")
        assert runs.garbage(store, keep_runs=0, work=True).work == ()
    assert len(runs.garbage(store, keep_runs=0, work=True).work) == 1
