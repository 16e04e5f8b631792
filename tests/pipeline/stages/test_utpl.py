"""The UTPL stage on the small demo: it lives, it is text only, it leaves the seen classes alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shared_demo import Copied
from small_demo import small

from pipeline.datasets.images import Images
from pipeline.datasets.world.classes import unseen
from pipeline.engine import run
from pipeline.engine.execute import Outcome
from pipeline.learned import checkpoint
from pipeline.stages import utpl
from pipeline.stages.utpl import UtplTask
from pipeline.tables import arrays
from pipeline.work.work import Work


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> tuple[Path, dict[str, Outcome]]:
    root = demo(tmp_path_factory.mktemp("store"))
    return root, run.run(small(root, "setting=uv"))


@pytest.fixture
def work(made: tuple[Path, dict[str, Outcome]], tmp_path: Path) -> Iterator[Work]:
    root, outcomes = made
    (tmp_path / "out").mkdir()
    (tmp_path / "scratch").mkdir()
    yield Work(
        stage="utpl",
        config=small(root, "setting=uv"),
        inputs={name: outcome.artifact for name, outcome in outcomes.items()},
        out=tmp_path / "out",
        scratch=tmp_path / "scratch",
    )


@pytest.mark.slow
def test_no_image_is_opened(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("UTPL opened an image")

    for owner, name in ((Images, "__init__"), (Images, "open"), (Image, "open")):
        monkeypatch.setattr(owner, name, refuse)
    inputs = {
        k: v
        for k, v in work.inputs.items()
        if k in ("vocabulary", "seen", "pair_features", "text_embeddings", "disparities")
    }
    metrics = utpl.run(Work(stage="utpl", config=work.config, inputs=inputs, out=work.out, scratch=work.scratch))
    assert metrics["unseen_classes"] == 8
    assert {"model.safetensors", "text.parquet", "scale.json", "history.parquet"} <= {
        p.name for p in work.out.iterdir()
    }


@pytest.mark.slow
def test_every_loss_acts_on_every_parameter(work: Work) -> None:
    task = UtplTask(work)
    torch.nn.init.normal_(task.module.attend.up.weight, std=0.1)  # zero at the start: what is behind it learns later
    for name in ("align", "relation", "negative"):
        task.module.zero_grad()
        loss = task.losses(0)[name]
        assert loss.item() > 0
        loss.backward()
        without = [n for n, p in task.module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert without == [], name


@pytest.mark.slow
def test_unseen_features_move_and_seen_ones_do_not(made: tuple[Path, dict[str, Outcome]]) -> None:
    artifact = made[1]["utpl"].artifact
    text = arrays.read(artifact.path("text.parquet"))
    moved = np.abs(text["after"] - text["before"]).max(axis=1)
    assert (moved[text["unseen"]] > 1e-4).all()
    assert (moved[~text["unseen"]] == 0).all()
    weights, _ = checkpoint.load_weights(artifact.path("model.safetensors"))
    shared, _ = checkpoint.load_weights(made[1]["seen"].artifact.path("model.safetensors"))
    assert (weights["own"] - shared["prompts"]).abs().amax(dim=(1, 2, 3)).min() > 0
    assert weights["attend.up.weight"].abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["rf_uc", "uv"])
def test_only_unseen_classes_score_otherwise(made: tuple[Path, dict[str, Outcome]], setting: str) -> None:
    """In `rf_uc` an unseen class shares its verb with seen ones, on other objects: their scores stay, to the last bit."""
    found = run.run(small(made[0], f"setting={setting}"))["predictions"].artifact
    rows = found.table("predictions.parquet").assign(before=found.table("scores.parquet")["before_utpl"])
    hidden = rows["hoi_id"].isin(sorted(unseen(setting)))
    assert 0 < hidden.sum() < len(rows)
    assert (rows["score"] == rows["before"])[~hidden].all()
    change = (rows["score"] - rows["before"]).abs() / rows["before"]
    assert (change[hidden] > 1e-5).all(), "an unseen class scores as if there were no UTPL"


@pytest.mark.slow
def test_the_report_compares_with_and_without_utpl(made: tuple[Path, dict[str, Outcome]]) -> None:
    evaluation = made[1]["evaluation"].artifact
    found = evaluation.table("classes.parquet")
    seen = found[~found["unseen"]].fillna(-1)
    assert (seen["ap_adapted"] == seen["ap_before_utpl"]).all()
    assert {"plain_phrases", "before_utpl", "adapted"} <= set(evaluation.json("report.json")["map"])
