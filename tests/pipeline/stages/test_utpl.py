"""The UTPL stage on the small demo: it lives, it is text only, it leaves the seen classes alone."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small_demo import small

from models.scoring import phrase_logits
from pipeline.config import tree
from pipeline.datasets.images import Images
from pipeline.datasets.world.classes import unseen
from pipeline.engine import run
from pipeline.engine.execute import Outcome
from pipeline.learned import checkpoint
from pipeline.stages import utpl
from pipeline.stages.utpl import UtplTask
from pipeline.tables import arrays
from pipeline.training.seen_pairs import SeenPairs
from pipeline.work.work import Work


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Outcome]]:
    root = tmp_path_factory.mktemp("store")
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


@pytest.fixture
def by_hand() -> UtplTask:
    """A task of one unseen class, with a negative example along the first axis and a positive one along the second."""
    task = UtplTask.__new__(UtplTask)
    task.pairs = SeenPairs(
        features=torch.eye(2),
        priors=torch.ones(2),
        negative=torch.tensor([[True], [False]]),
        positive=torch.tensor([[False], [True]]),
    )
    text = SimpleNamespace(text=lambda phrases, prompts: prompts, phrase_logits=partial(phrase_logits, scale=10.0))
    task.model, task.unseen = text, SimpleNamespace(phrases=None)  # type: ignore[assignment]
    task.seen_text, task.descriptions = torch.eye(2)[:1], torch.eye(2)
    task.partner_text, task.closeness = torch.eye(2)[:1], torch.ones(1)
    return task


@pytest.mark.parametrize(
    ("positive_weight", "like_the_negative", "like_the_positive"),
    [
        # focal of logits 10 and 0 with label 0: 0.5 sigmoid(x)^0.2 ln(1 + e^x)
        (0.0, 0.5 * 10.0, 0.5 * 0.5**0.2 * math.log(2)),
        # and of the same with label 1 on the other example
        (1.0, 0.5 * 10.0 + 0.5 * 0.5**0.2 * math.log(2), 0.5 * 0.5**0.2 * math.log(2)),
    ],
)
def test_an_unseen_class_goes_away_from_its_negatives_and_to_its_positives(
    by_hand: UtplTask, positive_weight: float, like_the_negative: float, like_the_positive: float
) -> None:
    settings = [f"utpl.positive_weight={positive_weight}", "utpl.negative_weight=1", "utpl.batch_size=5"]
    by_hand.config = tree.load(overrides=settings, environment={})
    for axis, wanted in enumerate((like_the_negative, like_the_positive)):
        by_hand._adapted = lambda axis=axis: torch.eye(2)[axis : axis + 1]  # type: ignore[method-assign]
        assert by_hand.losses(0)["negative"].item() == pytest.approx(wanted, rel=1e-3)
