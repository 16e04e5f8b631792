from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.engine import graph, plan, provenance
from pipeline.engine.run import run
from pipeline.engine.status import StageStatus
from pipeline.store.store import Store


def status(fake: Any, *settings: str, profile: str = "demo") -> dict[str, StageStatus]:
    """The plan by stage."""
    config = fake.config(*settings, profile=profile)
    return {s.stage: s for s in plan.plan(config, Store(config.store.root))}


def test_an_empty_store(fake: Any) -> None:
    found = status(fake)
    assert list(found) == list(graph.NAMES) and {s.state for s in found.values()} == {"missing"}
    assert found["vocabulary"].why == ("never made in this store",)
    assert found["text_embeddings"].why == ("waits for descriptions, vocabulary",)
    assert not fake.root.exists(), "looking wrote something"


def test_all_fresh_is_what_the_run_would_reuse(fake: Any) -> None:
    made = run(fake.config())
    found = status(fake)
    assert {s.state for s in found.values()} == {"fresh"} and not any(s.why for s in found.values())
    assert {n: s.artifact for n, s in found.items()} == {n: o.artifact for n, o in made.items()}
    assert fake.executed() == list(graph.NAMES)


def test_a_changed_key_is_named_with_both_values(fake: Any) -> None:
    run(fake.config())
    found = status(fake, "utpl.steps=3", "evaluation.tau=1.5")
    assert found["seen"].state == "fresh"
    assert found["utpl"].state == "stale" and found["utpl"].why == ("utpl.steps: 60 -> 3",)
    assert found["predictions"].why == ("evaluation.tau: 2.8 -> 1.5", "waits for utpl")
    assert found["untrained"].state == "fresh" and found["evaluation"].why == ("waits for predictions",)


def test_changed_input_content_is_named_with_its_files(fake: Any) -> None:
    run(fake.config())
    run(fake.config("data.world.test_images=3"), targets=("annotations",))
    why = status(fake, "data.world.test_images=3")["detections"].why
    assert why == ("input annotations changed (test-images.parquet, test-objects.parquet, test-pairs.parquet)",)


OF_TEST_IMAGES = {
    "annotations",
    "detections",
    "image_embeddings",
    "pair_features",
    "untrained",
    "predictions",
    "evaluation",
    "bundle",
}
"""The stages that look at test images, and what tells of them."""


def test_other_test_images_train_nothing_and_ask_no_texts(fake: Any) -> None:
    made = run(fake.config())
    fake.executed()
    again = run(fake.config("data.world.test_images=3"))
    assert set(fake.executed()) == OF_TEST_IMAGES
    for name in ("seen", "utpl"):
        assert again[name].hit and again[name].artifact == made[name].artifact, name
    assert {s.state for s in status(fake, "data.world.test_images=3").values()} == {"fresh"}


def test_other_training_images_cost_the_training(fake: Any) -> None:
    run(fake.config())
    fake.executed()
    run(fake.config("data.world.train_images=3"))
    assert {"seen", "pair_features", "utpl", "evaluation"} <= set(fake.executed())


def test_no_stage_of_training_lists_a_file_of_the_test_split(fake: Any) -> None:
    for joint in ("false", "true"):
        config = fake.config(f"seen.joint={joint}")
        for name in ("vocabulary", "descriptions", "text_embeddings", "disparities", "seen", "utpl"):
            parts = [p for edge in graph.stage(name).resolved(config).inputs for p in edge.part]
            assert not [p for p in parts if "test" in p or p in ("*", "pixels-*")], name


def test_only_a_detector_that_looks_at_pictures_reads_them(fake: Any) -> None:
    for source, reads in (("noisy_truth", False), ("ground_truth", False), ("hub", True)):
        stage = graph.stage("detections").resolved(fake.config(f"detections.source={source}"))
        (edge,) = (edge for edge in stage.inputs if edge.stage == "annotations")
        assert ("pixels-*" in edge.part) is reads, source


def test_the_run_itself_agrees(fake: Any) -> None:
    run(fake.config())
    fake.executed()
    settings = ("descriptions.template=paper-describe-v1",)
    expected = {n for n, s in status(fake, *settings).items() if s.state != "fresh"}
    run(fake.config(*settings))
    assert set(fake.executed()) <= expected


def test_a_new_version_is_a_reason(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(fake.config())
    newer = tuple(replace(s, version=7) if s.name == "utpl" else s for s in graph.STAGES)
    old = graph.stage("utpl").version
    monkeypatch.setattr(graph, "STAGES", newer)
    assert status(fake)["utpl"].why == (f"stage version {old} -> 7",)


def test_damage_and_removal(fake: Any) -> None:
    made = run(fake.config())
    made["utpl"].artifact.path("main.parquet").write_bytes(b"")
    Store(fake.root).remove(made["disparities"].artifact)
    found = status(fake)
    assert found["utpl"].state == "stale" and found["utpl"].why[0].endswith("waits for disparities")
    assert found["disparities"].state == "missing" and found["disparities"].why == ("its artifact was removed",)
    run(fake.config(), targets=("disparities",))
    found = status(fake)
    assert found["utpl"].state == "stale" and "main.parquet: damaged" in found["utpl"].why[0]


def test_a_missing_file_of_the_configuration(fake: Any) -> None:
    run(fake.config())
    fake.weights.unlink()
    found = status(fake)["image_embeddings"]
    assert found.state == "stale" and "does not exist" in found.why[0]


def test_a_changed_source_file(fake: Any) -> None:
    run(fake.config())
    fake.weights.write_bytes(b"others")
    assert status(fake)["image_embeddings"].why == ("content of clip.weights changed",)


def test_it_compares_with_the_last_run_of_the_profile(fake: Any, tmp_path: Any) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("setting: rf_uc\nmodel: {layers: 3}\nutpl: {steps: 11}\n")
    run(fake.config(profile=str(mine)))
    run(fake.config("utpl.steps=22"))
    assert status(fake, "utpl.steps=33", profile=str(mine))["utpl"].why == ("utpl.steps: 11 -> 33",)
    assert status(fake, "utpl.steps=33")["utpl"].why == ("utpl.steps: 22 -> 33",)


def test_it_compares_with_the_nearest_run_of_the_setting(fake: Any) -> None:
    run(fake.config("utpl.steps=7"))
    run(fake.config("utpl.steps=7", "seed=3"))
    run(fake.config("setting=uv"))
    found = status(fake, "utpl.steps=8", "clip.tokens=cls")
    assert found["utpl"].why[0] == "utpl.steps: 7 -> 8"
    assert not any("setting: uv" in line or "seed: 3" in line for s in found.values() for line in s.why)
    assert found["evaluation"].waits and not found["utpl"].waits


def test_changed_code_is_told_and_changes_nothing(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(fake.config())
    assert not any(s.code_changed for s in status(fake).values())
    original = provenance.code_digest
    monkeypatch.setattr(provenance, "code_digest", lambda s: "other" if s == "seen" else original(s))
    found = status(fake)
    assert found["seen"].code_changed and found["seen"].state == "fresh" and not found["utpl"].code_changed


def test_only_targets(fake: Any) -> None:
    config = fake.config()
    found = plan.plan(config, Store(config.store.root), targets=("descriptions",))
    assert [s.stage for s in found] == ["vocabulary", "descriptions"]
