"""The artifacts that `gc` removes, and those that it keeps."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from old_records import ID, OLD, annotated, put

from pipeline.engine.graph import stage
from pipeline.engine.run import Run
from pipeline.errors import StoreError
from pipeline.store import garbage, marks, runs
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

WRONG: list[Any] = [
    "{",
    "\0\0",
    "[]",
    "[" * 100_000,
    OLD | {"started_at": 5},
    OLD | {"started_at": "yesterday"},
    OLD | {"stages": 6},
    OLD | {"stages": {"seen": {"fingerprint": "0a"}}},
    OLD | {"stages": {"seen": "../other"}},
    OLD | {"stages": {"..": "f00"}},
    OLD | {"id": "/home/me"},
    OLD | {"id": "../../me"},
    OLD | {"id": "20260131T120000-ffffff"},
    OLD | {"state": None},
    {"other": 1},
]


@pytest.mark.parametrize("content", WRONG, ids=lambda value: str(value)[:60])
def test_a_record_that_cannot_be_read_stops_the_collection(fake: Any, content: Any) -> None:
    """It may name any artifact, so nothing is removed. Whoever only looks passes it over."""
    store = Store(fake.root)
    run = Run(fake.config(), store)
    run.step(stage("vocabulary"))
    run.finish("completed")
    put(store, content)
    assert [r.id for r in runs.records(store)] == [run.record.id]
    with pytest.raises(StoreError, match=rf"nothing was removed(.|\n)*\.runs/{ID}\.json(.|\n)*run it again"):
        garbage.garbage(store, keep_runs=0)
    store.remove_record(f"{ID}.json")
    assert len(garbage.garbage(store, keep_runs=0).artifacts) == 1


def test_a_file_that_cannot_be_opened_stops_it_too(tmp_path: Path) -> None:
    (tmp_path / ".runs" / f"{ID}.json").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be opened"):
        garbage.garbage(Store(tmp_path), keep_runs=0)


def test_no_folder_outside_is_removed_whatever_a_record_says(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    store = Store(tmp_path / "store")
    for name in (str(mine), "../../mine"):
        put(store, OLD | {"id": name, "started_at": "2020-01-01T00:00:00+00:00"})
        with pytest.raises(StoreError):
            garbage.collect(store, garbage.garbage(store, keep_runs=1))
    pages = tmp_path / "store" / ".runs" / ID
    pages.symlink_to(mine)
    (mine / "index.html").write_text("")
    put(store, OLD)
    garbage.collect(store, garbage.garbage(store, keep_runs=0))
    assert (mine / "index.html").exists() and not pages.is_symlink() and runs.records(store) == []


def test_what_a_running_run_uses_stays(fake: Any) -> None:
    """Three newer runs of its profile push it out of those that are kept; it is at work even so."""
    store = Store(fake.root)
    living = Run(fake.config("data.world.test_images=9"), store)
    artifact = annotated(living)
    for images in (1, 2, 3, 4):
        run = Run(fake.config(f"data.world.test_images={images}"), store)
        annotated(run)
        run.finish("completed")
    found = garbage.garbage(store, keep_runs=3)
    assert len(found.artifacts) == 1 and artifact not in found.artifacts and living.record.id not in found.runs
    living.finish("completed")
    assert artifact in garbage.garbage(store, keep_runs=3).artifacts


def crowd(fake: Any, store: Store) -> None:
    """Add newer runs of the profile, more than are kept."""
    from pipeline.engine.graph import stage

    for images in (1, 2, 3, 4):
        run = Run(fake.config(f"data.world.test_images={images}"), store)
        run.step(stage("vocabulary"))
        run.step(stage("annotations"))
        run.finish("completed")


def test_what_a_running_run_was_told_to_use_stays(fake: Any) -> None:
    """A pinned checkpoint is named in no other record that is kept, and the run has not come to its stage yet."""
    from pipeline.engine.choice import Choice
    from pipeline.engine.graph import stage
    from pipeline.engine.run import run

    store = Store(fake.root)
    checkpoint = run(fake.config("seen.epochs=3"))["seen"].artifact
    living = Run(fake.config(), store, given={"seen": Choice(checkpoint, "pinned")})
    crowd(fake, store)
    assert checkpoint not in garbage.garbage(store, keep_runs=0, stages=["seen"]).artifacts
    living.step(stage("vocabulary"))
    living.finish("failed")
    assert checkpoint in garbage.garbage(store, keep_runs=0, stages=["seen"]).artifacts, "it never came to be used"


def test_what_a_running_run_will_find_stays(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language model is asked for hours; the checkpoint that the run takes from the store afterwards stays."""
    from pipeline.engine.run import run

    store = Store(fake.root)
    first = run(fake.config())
    module = sys.modules["pipeline.stages.descriptions"]
    real = module.run

    def asked(work: Any) -> Any:
        if work.stage == "descriptions":
            crowd(fake, store)
            garbage.collect(store, garbage.garbage(store, keep_runs=3))
            fake.executed()
        return real(work)

    with monkeypatch.context() as patch:
        patch.setattr(module, "run", asked)
        second = run(fake.config("descriptions.template=describe-v1"))
    assert second["seen"].hit and second["seen"].artifact == first["seen"].artifact
    assert "seen" not in fake.executed()


def test_what_a_run_took_up_since_it_was_listed_stays(fake: Any) -> None:
    store = Store(fake.root)
    first = Run(fake.config(), store)
    artifact = first.step(stage("vocabulary")).artifact
    first.finish("completed")
    found = garbage.garbage(store, keep_runs=0)
    assert found.artifacts == (artifact,)
    Run(fake.config(), store).step(stage("vocabulary"))  # while the user thinks about the question
    garbage.collect(store, found)
    assert store.artifacts() == [artifact]


def test_garbage_is_what_no_kept_run_used(fake: Any) -> None:
    store = Store(fake.root)
    made = []
    for images, profile in ((1, "demo"), (2, "demo"), (3, "hico-vitb")):
        config = fake.config(f"data.world.test_images={images}").model_copy(update={"profile": profile})
        run = Run(config, store)
        made.append(annotated(run))
        run.finish("completed")
    work = fake.root / ".work" / "abc"
    (work / "scratch").mkdir(parents=True)
    (work / "scratch" / "shard").write_bytes(b"12345")

    assert garbage.garbage(store, keep_runs=2).artifacts == ()
    found = garbage.garbage(store, keep_runs=1)
    assert found.artifacts == (made[0],) and found.bytes == made[0].manifest.bytes and found.work == ()
    with_work = garbage.garbage(store, keep_runs=1, work=True)
    assert with_work.work == ("abc",) and with_work.bytes == found.bytes + 5
    assert len(garbage.garbage(store, keep_runs=0).artifacts) == 4

    garbage.collect(store, with_work)
    assert store.artifacts("annotations") == made[1:] and not work.exists() and len(runs.records(store)) == 2


def test_an_artifact_of_an_earlier_version_is_collected_unless_a_kept_run_names_it(fake: Any) -> None:
    store = Store(fake.root)
    run = Run(fake.config(), store)
    artifact = annotated(run)
    run.finish("completed")
    path = fake.root / "annotations" / artifact.fingerprint / "manifest.json"
    content = json.loads(path.read_text())
    del content["manifest_digest"]
    path.write_text(json.dumps(content))
    assert garbage.garbage(store, keep_runs=1).unusable == ()
    found = garbage.garbage(store, keep_runs=0)
    assert [u.fingerprint for u in found.unusable] == [artifact.fingerprint]
    assert found.bytes >= artifact.manifest.bytes and "earlier version" in found.unusable[0].fault
    garbage.collect(store, found)
    assert not path.parent.exists()


def test_work_in_progress_is_never_garbage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.workspace("f00") as space:
        (space.scratch / "shard").write_text("1")
        assert garbage.garbage(store, keep_runs=0, work=True).work == ()
    assert len(garbage.garbage(store, keep_runs=0, work=True).work) == 1


def test_what_deletions_left_is_garbage_under_its_own_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    gone = tmp_path / ".work" / "f00.gone-0a1b2c3d"
    gone.mkdir(parents=True)
    (gone / "shard").write_text("12345")
    found = garbage.garbage(store, keep_runs=0, work=True)
    assert found.work == () and found.leftovers == (".work/f00.gone-0a1b2c3d",) and found.bytes == 5
    garbage.collect(store, found)
    assert not gone.exists()


def test_half_a_file_beside_records_and_pages_is_garbage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [
        ".runs/.keep-f00.json.0123456789ab.part",
        f".runs/{ID}/.index.html.0123456789ab.part",
        ".seals/.f00.json.ab0123456789.part",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (0, 0))
    found = garbage.garbage(store, keep_runs=0)
    assert sorted(found.leftovers) == sorted(names) and found.bytes == 12
    garbage.collect(store, found)
    assert not any((tmp_path / name).exists() for name in names)


def complete(fake: Any, *settings: str, days: float = 0.0) -> RunRecord:
    """A run that ended and began so long ago."""
    from pipeline.engine import run

    run.run(fake.config(*settings))
    store = Store(fake.root)
    record = runs.records(store)[-1]
    began = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    record.started_at = began.isoformat()
    record.save(store)
    return record


def test_partial_runs_push_out_no_complete_one(fake: Any) -> None:
    """What a newcomer did: two settings to their end, then three runs of a part. Nothing of the results goes."""
    first, second = complete(fake, "setting=rf_uc"), complete(fake, "setting=uv")
    store = Store(fake.root)
    crowd(fake, store)
    going = {(a.stage, a.fingerprint) for a in garbage.garbage(store, keep_runs=3).artifacts}
    assert {stage for stage, _ in going} == {"annotations"}, "of the oldest partial run"
    assert not going & {(s, f) for r in (first, second) for s, f in r.stages.items()}


def test_a_run_of_a_clock_that_was_ahead_is_not_the_last_one_for_ever(fake: Any) -> None:
    """It counts among its like, as it may be the last one all the same."""
    ahead, last = complete(fake, "seed=0", days=-400), complete(fake, "seed=1")
    store = Store(fake.root)
    assert [r.id for r in runs.records(store)] == [ahead.id, last.id]
    assert garbage.garbage(store, keep_runs=1, results=True).artifacts == ()
    assert runs.relative(store, last) == ahead


def test_results_and_trainings_go_only_when_they_are_named(fake: Any) -> None:
    runs_of = [complete(fake, f"seed={seed}", days=9 - seed) for seed in range(5)]
    store = Store(fake.root)
    found = garbage.garbage(store, keep_runs=3)
    assert found.artifacts and not {a.stage for a in found.artifacts} & set(garbage.PRECIOUS)
    assert found.precious == 6, "two evaluations, two checkpoints and two bundles"
    assert not found.runs, "their records tell what the results that stay are"
    named = garbage.garbage(store, keep_runs=3, stages=["evaluation"])
    assert {a.stage for a in named.artifacts} == {"evaluation"} and named.precious == 0
    assert {a.fingerprint for a in named.artifacts} == {r.stages["evaluation"] for r in runs_of[:2]}
    for stage_name in garbage.PRECIOUS:
        garbage.collect(store, garbage.garbage(store, keep_runs=3, stages=[stage_name]))
    assert set(garbage.garbage(store, keep_runs=3).runs) == {r.id for r in runs_of[:2]}


def test_what_is_marked_stays_until_it_is_released(fake: Any) -> None:
    records = [complete(fake, f"seed={seed}", days=9 - seed) for seed in range(2)]
    store = Store(fake.root)
    kept = store.get("seen", records[0].stages["seen"])
    assert kept is not None
    found = garbage.garbage(store, keep_runs=1, stages=["seen"])
    assert found.artifacts == (kept,)
    marks.keep(store, kept, "the paper's")
    assert marks.read(store)[kept.fingerprint].note == "the paper's"
    assert garbage.garbage(store, keep_runs=1, stages=["seen"]).artifacts == ()
    garbage.collect(store, found)
    assert store.get("seen", kept.fingerprint) is not None, "it was marked since it was listed"
    (fake.root / ".runs" / f"keep-{kept.fingerprint}.json").write_text("{")
    assert kept.fingerprint in marks.read(store), "a damaged mark keeps too"
    assert runs.read(store)[1] == [], "and is no record of a run"
    marks.release(store, kept.fingerprint)
    assert garbage.garbage(store, keep_runs=1, stages=["seen"]).artifacts == (kept,)


def test_only_what_is_old_goes_if_that_is_asked(fake: Any) -> None:
    for seed in range(3):
        complete(fake, f"seed={seed}")
    store = Store(fake.root)
    assert garbage.garbage(store, keep_runs=0).artifacts
    assert garbage.garbage(store, keep_runs=0, older_than=dt.timedelta(hours=1)).artifacts == ()
    assert garbage.garbage(store, keep_runs=0, older_than=dt.timedelta(0)).artifacts
