"""What a change costs: exactly the stages that read what changed."""

import json
from pathlib import Path

import pytest
import yaml
from small_demo import small

from pipeline.datasets.world.classes import unseen, world_classes
from pipeline.engine import run
from pipeline.engine.graph import NAMES
from pipeline.engine.run import Outcome

UNSEEN = sorted(unseen("rf_uc"))[0]
SEEN = next(c.hoi_id for c in world_classes() if c.hoi_id not in unseen("rf_uc"))
TEXT = "A person stands beside it with one arm stretched forward. The hand touches the back, the eyes look down."


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    run.run(small(root))
    return root


def computed(outcomes: dict[str, Outcome]) -> set[str]:
    return {name for name, outcome in outcomes.items() if not outcome.hit}


def edits(folder: Path, hoi: int) -> Path:
    name = next(f"{c.verb} {c.object}" for c in world_classes() if c.hoi_id == hoi)
    path = folder / "edits.yaml"
    path.write_text(yaml.safe_dump({name.replace("_", " "): TEXT}))
    return path


@pytest.mark.slow
def test_a_second_run_computes_nothing(store: Path) -> None:
    assert computed(run.run(small(store))) == set()


@pytest.mark.slow
def test_an_unseen_description_costs_text_work_only(store: Path, tmp_path: Path) -> None:
    outcomes = run.run(small(store, f"descriptions.edits={edits(tmp_path, UNSEEN)}"))
    assert computed(outcomes) == {"descriptions", "text_embeddings", "disparities", "utpl", "predictions", "evaluation"}


@pytest.mark.slow
def test_a_seen_description_costs_the_training_too(store: Path, tmp_path: Path) -> None:
    outcomes = run.run(small(store, f"descriptions.edits={edits(tmp_path, SEEN)}"))
    assert computed(outcomes) == set(NAMES) - {"annotations", "detections", "image_embeddings", "untrained"}


@pytest.mark.slow
def test_a_disparity_template_costs_utpl(store: Path) -> None:
    outcomes = run.run(small(store, "disparities.template=contrast-v2"))
    assert computed(outcomes) == {"disparities", "utpl", "predictions", "evaluation"}


@pytest.mark.slow
def test_a_damaged_parquet_file_is_named_and_made_again(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = run.run(small(store))["detections"].artifact
    path = before._folder / "train.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    outcomes = run.run(small(store))
    assert computed(outcomes) == {"detections"}
    assert str(path) in caplog.text
    assert outcomes["detections"].artifact.digest == before.digest


@pytest.mark.slow
def test_a_deleted_artifact_is_made_again_and_nothing_else(store: Path) -> None:
    import shutil

    artifact = run.run(small(store))["text_embeddings"].artifact
    shutil.rmtree(artifact._folder)
    assert computed(run.run(small(store))) == {"text_embeddings"}


@pytest.mark.slow
def test_the_report_says_what_the_demo_is(store: Path) -> None:
    evaluation = run.run(small(store))["evaluation"].artifact
    text = evaluation.path("report.md").read_text()
    assert text.splitlines()[2].startswith("> **Synthetic scenes")
    report = json.loads(evaluation.path("report.json").read_text())
    assert set(report["map"]) == {"detector_only", "untrained", "plain_phrases", "before_utpl", "adapted"}
    assert evaluation.manifest.metrics["unseen"] == report["map"]["adapted"]["unseen"]


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["nf_uc", "uo", "uv", "default"])
def test_every_setting_runs(store: Path, setting: str) -> None:
    outcomes = run.run(small(store, f"setting={setting}"))
    metrics = outcomes["evaluation"].artifact.manifest.metrics
    assert ("unseen" in metrics) == (setting != "default")
    assert 0 <= metrics["full"] <= 100


@pytest.mark.slow
@pytest.mark.parametrize("guidance", ["sentence", "token"])
def test_guidance_by_sentences_and_tokens(store: Path, guidance: str) -> None:
    outcomes = run.run(small(store, f"model.guidance={guidance}"), targets=("utpl",))
    assert computed(outcomes) == {"seen", "pair_features", "utpl"}
