"""How long a stage would take: last time's seconds, by the pictures there are now and without the shards that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.pages import plans
from pipeline.config.loading import load
from pipeline.engine import estimate, graph, plan
from pipeline.engine.run import run
from pipeline.engine.status import StageStatus
from pipeline.store.store import Store
from pipeline.work import shards


def status(fake: Any, *settings: str) -> dict[str, StageStatus]:
    """The plan by stage."""
    config = fake.config(*settings)
    return {s.stage: s for s in plan.plan(config, Store(config.store.root))}


def factor(entry: StageStatus) -> float:
    """By how much longer than last time a stage should take."""
    assert entry.expected is not None and entry.seconds
    return entry.expected / entry.seconds


def unfinished(fake: Any, fingerprint: str | None, *names: str) -> None:
    """Pieces that a run left which was interrupted."""
    folder = fake.root / ".work" / str(fingerprint) / "scratch"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def test_estimates_grow_with_the_pictures_that_a_stage_looks_at(fake: Any) -> None:
    run(fake.config("data.world.train_images=300", "data.world.test_images=100"))
    found = status(fake, "data.world.train_images=900", "data.world.test_images=100")
    assert found["annotations"].pictures == (400, 1000) and factor(found["annotations"]) == pytest.approx(2.5)
    assert found["image_embeddings"].notes == ("1,000 pictures, last time 400",)
    assert factor(found["image_embeddings"]) == factor(found["pair_features"]) == pytest.approx(2.5)
    assert found["seen"].pictures == (300, 900) and factor(found["seen"]) == pytest.approx(3.0)
    for name in ("utpl", "predictions", "evaluation", "bundle"):
        assert factor(found[name]) == 1.0 and found[name].notes == (), name
    assert status(fake, "data.world.train_images=300", "data.world.test_images=150")["predictions"].pictures == (
        100,
        150,
    )


def test_a_training_of_more_epochs_takes_longer(fake: Any) -> None:
    run(fake.config("seen.epochs=4"))
    found = status(fake, "seen.epochs=6")["seen"]
    assert factor(found) == pytest.approx(1.5) and found.notes == ()
    assert plans.took(found).startswith("took ") and ", now about " in plans.took(found)


def test_where_nothing_but_a_run_can_tell_the_pictures_the_estimate_is_last_times(fake: Any) -> None:
    run(fake.config())
    found = status(fake, "data.source=hico", "data.root=nowhere")
    assert {factor(entry) for entry in found.values() if entry.runs} == {1.0}


def test_shards_of_unfinished_work_are_told_and_spare_their_time(fake: Any) -> None:
    settings = ("data.world.train_images=1001", "data.world.test_images=399")
    run(fake.config(*settings), targets=("annotations",))
    wanted = status(fake, *settings)["image_embeddings"]
    assert wanted.shards is None and wanted.notes == ()
    there = [f"train-{number:03d}.parquet" for number in (0, 4)] + ["test-001.parquet"]
    unfinished(fake, wanted.fingerprint, *there, "train-002.parquet.faults.json", "journal.jsonl", ".digests")
    found = status(fake, *settings)["image_embeddings"]
    assert found.shards == (3, 6 + 2) and found.notes == ("3 of 8 shards are there",)
    assert found.expected is None and plans.took(found) == ""
    run(fake.config(*settings, "clip.tokens=cls"), targets=("image_embeddings",))
    found = status(fake, *settings)["image_embeddings"]
    assert factor(found) == pytest.approx(5 / 8) and found.shards == (3, 8)
    assert "3 of 8 shards are there" in plans.page([found], title="of a test")
    assert "going by last time" in plans.summary([found])
    run(fake.config(*settings), targets=("image_embeddings",))
    assert status(fake, *settings)["image_embeddings"].notes == ()


def test_shards_of_splits_without_a_picture_are_none(fake: Any) -> None:
    run(fake.config(), targets=("image_embeddings",))
    config = fake.config("clip.tokens=cls")
    store = Store(config.store.root)
    wanted = next(entry for entry in plan.plan(config, store) if entry.stage == "image_embeddings")
    unfinished(fake, wanted.fingerprint, "train-000.parquet")
    stage = next(s for s in graph.STAGES if s.name == "image_embeddings")
    found = estimate.estimated(
        replace(wanted, shards=None), stage, config=config, store=store, now={"train": 0, "test": 0}
    )
    assert found.shards is None and found.expected == 0.0


def test_stages_without_shards_have_none(fake: Any) -> None:
    run(fake.config(), targets=("annotations",))
    wanted = status(fake)["detections"]
    unfinished(fake, wanted.fingerprint, "train-000.parquet")
    assert status(fake)["detections"].shards is None, "noisy boxes are made at once"


def test_pictures_count_for_the_stages_that_look_at_them() -> None:
    config = load(overrides=["detections.source=hub"], environment={})
    assert {s.name for s in graph.STAGES if s.sharded(config)} <= {s.name for s in graph.STAGES if s.pictures(config)}
    assert shards.SIZE == 200 and shards.finished(["train-1000.parquet", "test-00.parquet", "other-000.parquet"]) == 1
