"""What a change costs: exactly the stages that read what changed."""

import json
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from shared_demo import Copied
from small_demo import small

from pipeline.datasets.world.classes import unseen, world_classes
from pipeline.engine import graph, run
from pipeline.engine.execute import Outcome
from pipeline.engine.graph import NAMES
from pipeline.engine.stage import Stage
from pipeline.metrics import annotations, detections, results
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.predict.scorer import TRAINED
from pipeline.predict.scoring import BOXES
from pipeline.store.artifact import Artifact

UNSEEN = sorted(unseen("rf_uc"))[0]
SEEN = next(c.hoi_id for c in world_classes() if c.hoi_id not in unseen("rf_uc"))
TEXT = "A person stands beside it with one arm stretched forward. The hand touches the back, the eyes look down."


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Path:
    return demo(tmp_path_factory.mktemp("store"))


SHORT = ("seen.epochs=1", "utpl.steps=2")
"""For tests that need artifacts of a training and look at no number of it."""


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
    assert computed(outcomes) == {
        *("descriptions", "text_embeddings", "disparities", "utpl", "predictions", "evaluation", "bundle")
    }


@pytest.mark.slow
def test_a_seen_description_costs_the_training_too(store: Path, tmp_path: Path) -> None:
    outcomes = run.run(small(store, f"descriptions.edits={edits(tmp_path, SEEN)}"))
    stay = {"vocabulary", "annotations", "detections", "image_embeddings", "untrained"}
    assert computed(outcomes) == set(NAMES) - stay


@pytest.mark.slow
def test_other_test_images_cost_no_training(store: Path) -> None:
    """What is made of the training split comes out equal, so that what is learned from it stays."""
    first = run.run(small(store))
    again = run.run(small(store, "data.world.test_images=30"))
    stay = {"vocabulary", "descriptions", "text_embeddings", "disparities", "seen", "utpl"}
    assert computed(again) == set(NAMES) - stay
    for name, pattern in (
        ("annotations", "*train*"),
        ("detections", "train*"),
        ("image_embeddings", "train-*"),
        ("pair_features", "train-*"),
    ):
        before, after = (o[name].artifact.manifest.part_digest([pattern]) for o in (first, again))
        assert before == after and first[name].artifact.names(pattern), name
    tested = again["evaluation"].artifact.table("predictions.parquet")["image_id"]
    assert tested.nunique() > first["evaluation"].artifact.table("predictions.parquet")["image_id"].nunique()
    truth = annotations.of_artifact(again["annotations"].artifact)
    assert len(truth.images) == 30 and len(truth.elsewhere) == 2 * 48  # file names and ids


@pytest.mark.slow
def test_stages_read_no_file_that_they_do_not_declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, reads, execute, listed = "", set(), run.execute, Artifact._listed

    def executed(chosen: Stage, **more: Any) -> Outcome:
        nonlocal stage
        stage = chosen.name
        return execute(chosen, **more)

    def noted(artifact: Artifact, name: str) -> Path:
        reads.add((stage, artifact.stage, name))
        return listed(artifact, name)

    monkeypatch.setattr(run, "execute", executed)
    monkeypatch.setattr(Artifact, "_listed", noted)
    mine = tmp_path / "mine.yaml"
    mine.write_text("mine: [ride horse]")
    fewer = ("data.world.train_images=24", "data.world.test_images=12")
    config = small(tmp_path / "store", f"data.settings={mine}", "setting=mine", *SHORT, *fewer)
    run.run(config)
    parts = {(s.name, e.stage): e.part for s in graph.STAGES for e in s.resolved(config).inputs}
    assert ("seen", "annotations", "train-pairs.parquet") in reads
    assert (
        "evaluation",
        "annotations",
        "train-pairs.parquet",
    ) in reads  # who has a split of his own is told of its leakage
    assert [r for r in sorted(reads) if not any(fnmatch(r[2], p) for p in parts[r[:2]])] == []


@pytest.mark.slow
def test_a_disparity_template_costs_utpl(store: Path) -> None:
    outcomes = run.run(small(store, "disparities.template=contrast-v2"))
    assert computed(outcomes) == {"disparities", "utpl", "predictions", "evaluation", "bundle"}


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
    artifact = run.run(small(store))["text_embeddings"].artifact
    shutil.rmtree(artifact._folder)
    assert computed(run.run(small(store))) == {"text_embeddings"}


@pytest.mark.slow
def test_the_report_says_what_the_demo_is(store: Path) -> None:
    evaluation = run.run(small(store))["evaluation"].artifact
    text = evaluation.path("report.md").read_text()
    assert text.splitlines()[2].startswith("> **Synthetic scenes")
    report = json.loads(evaluation.path("report.json").read_text())
    assert set(report["map"]) == {"untrained", *TRAINED}
    assert report["untrained"] == "crops" and "| untrained: frozen CLIP, plain phrases, crops of union boxes |" in text


@pytest.mark.slow
def test_the_report_tells_what_its_own_predictions_give(store: Path) -> None:
    """Evaluated again from the file that users find, and averaged again from the classes' AP."""
    outcomes = run.run(small(store))
    evaluation = outcomes["evaluation"].artifact
    truth = annotations.of_artifact(outcomes["annotations"].artifact)
    rows = evaluation.table("predictions.parquet")
    assert rows.columns.tolist() == ["image_id", "hoi_id", "score", *BOXES]
    found = detections.check(rows, truth, name="its predictions")
    (again,) = results.results(found, truth, protocols=[PROTOCOLS["official"]], modes=["default"], setting="rf_uc")
    demand_equal(again.summary, evaluation.manifest.metrics)
    demand_equal(again.summary, json.loads(evaluation.path("report.json").read_text())["map"]["adapted"])
    demand_means_of_classes(evaluation)


def demand_equal(summary: Mapping[str, float], told: Mapping[str, float]) -> None:
    assert {group: told[group] for group in summary} == pytest.approx(dict(summary))


def demand_means_of_classes(evaluation: Artifact) -> None:
    """The metrics of every variant are means over `classes.parquet`."""
    table = evaluation.table("classes.parquet")
    for variant in ("untrained", *TRAINED):
        prefix = "" if variant == "adapted" else f"{variant}_"
        for group, rows in (("full", table), ("seen", table[~table["unseen"]]), ("unseen", table[table["unseen"]])):
            if len(rows):
                wanted = 100 * rows[f"ap_{variant}"].dropna().mean()
                assert evaluation.manifest.metrics[f"{prefix}{group}"] == pytest.approx(wanted), (variant, group)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "cost"),
    [
        (["evaluation.protocol=exact"], {"evaluation", "bundle"}),
        (["evaluation.tau=1.0"], {"predictions", "evaluation", "bundle"}),
        (["evaluation.untrained=regions"], {"untrained", "predictions", "evaluation", "bundle"}),
        (["utpl.scope=verb"], {"utpl", "predictions", "evaluation", "bundle"}),
    ],
)
def test_what_is_asked_of_the_predictions_trains_nothing(store: Path, settings: list[str], cost: set[str]) -> None:
    run.run(small(store))
    assert computed(run.run(small(store, *settings))) == cost


@pytest.mark.slow
def test_another_seed_does_not_cost_the_untrained_baseline(store: Path) -> None:
    """With a detector that draws nothing: its boxes are the same, and so is what the frozen CLIP makes of them."""
    exact = ("detections.source=ground_truth",)
    first = run.run(small(store, *exact), targets=("untrained",))["untrained"]
    again = run.run(small(store, *exact, *SHORT, "seed=1"), targets=("untrained", "seen"))
    assert again["untrained"].hit and again["untrained"].artifact == first.artifact
    assert not again["seen"].hit


@pytest.mark.slow
def test_without_the_untrained_baseline_nothing_of_it_is_made(demo: Copied, tmp_path: Path) -> None:
    shutil.rmtree(demo(tmp_path) / "untrained")
    outcomes = run.run(small(tmp_path, "evaluation.untrained=off"))
    assert "untrained" not in outcomes and not (tmp_path / "untrained").exists()
    evaluation = outcomes["evaluation"].artifact
    assert not [name for name in evaluation.manifest.metrics if name.startswith("untrained")]
    report = json.loads(evaluation.path("report.json").read_text())
    assert report["untrained"] == "off" and "untrained" not in report["map"]
    assert "untrained" not in evaluation.path("report.md").read_text()
    assert "ap_untrained" not in evaluation.table("classes.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["nf_uc", "uo", "uv", "default"])
def test_every_setting_runs(store: Path, setting: str) -> None:
    outcomes = run.run(small(store, *SHORT, f"setting={setting}"))
    metrics = outcomes["evaluation"].artifact.manifest.metrics
    assert ("unseen" in metrics) == (setting != "default")
    demand_means_of_classes(outcomes["evaluation"].artifact)
    table = outcomes["evaluation"].artifact.table("classes.parquet")
    assert set(table.loc[table["unseen"], "hoi_id"]) == (set() if setting == "default" else set(unseen(setting)))


@pytest.mark.slow
@pytest.mark.parametrize("guidance", ["sentence", "token"])
def test_guidance_by_sentences_and_tokens(store: Path, guidance: str) -> None:
    outcomes = run.run(small(store, *SHORT, f"model.guidance={guidance}"), targets=("utpl",))
    assert computed(outcomes) == {"seen", "pair_features", "utpl"}
