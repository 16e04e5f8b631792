"""Joint training: seen and unseen classes in one loss, and what that costs when a description changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from shared_demo import Copied
from small_demo import small

from pipeline.datasets import classes
from pipeline.engine import run
from pipeline.engine.graph import needed_for, stage
from pipeline.errors import ConfigError
from pipeline.learned.checkpoint import load_weights


def test_only_joint_training_reads_the_unseen_classes(tmp_path: Path) -> None:
    plain, joint = small(tmp_path), small(tmp_path, "seen.joint=true")
    assert "disparities" not in {s.name for s in needed_for(("seen",), config=plain)}
    assert "disparities" in {s.name for s in needed_for(("seen",), config=joint)}
    parts = {edge.stage: edge.part for edge in stage("seen").resolved(joint).inputs}
    assert "unseen-*" in parts["text_embeddings"] and parts["annotations"] == stage("seen").inputs[0].part
    plain_parts = {edge.stage: edge.part for edge in stage("seen").resolved(plain).inputs}
    assert "unseen-*" not in plain_parts["text_embeddings"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Path:
    return demo(tmp_path_factory.mktemp("store"))


@pytest.mark.slow
def test_one_loss_trains_both_and_utpl_only_reads(store: Path) -> None:
    outcomes = run.run(small(store, "seen.joint=true"))
    history = outcomes["seen"].artifact.table("history.parquet")
    terms = history[["focal", "relation", "negative"]]
    assert (terms > 0).all(axis=None)
    np.testing.assert_allclose(history["loss"], terms.sum(axis=1), rtol=1e-6)
    assert history["loss"].iloc[-1] < 0.7 * history["loss"].iloc[0]
    assert len(outcomes["utpl"].artifact.table("history.parquet")) == 0
    trained, published = (
        load_weights(outcomes[name].artifact.path(file))[0]
        for name, file in (("seen", "unseen.safetensors"), ("utpl", "model.safetensors"))
    )
    assert all(torch.equal(trained[k], published[k]) for k in published)
    assert trained["attend.up.weight"].abs().max() > 0, "the unseen module has not moved from its start"
    assert trained["own"].std(dim=0).max() > 0, "every class has learned the same prompts"
    text = outcomes["utpl"].artifact.table("text.parquet")
    before, after = (np.stack(text.loc[text["unseen"], c].to_list()) for c in ("before", "after"))
    assert ((before * after).sum(axis=1) < 0.9999).all()
    predictions = outcomes["predictions"].artifact
    rows, scores = predictions.table("predictions.parquet"), predictions.table("scores.parquet")
    adapted = rows["score"] != scores["before_utpl"]
    vocabulary = classes.vocabulary(outcomes["vocabulary"].artifact)
    moved = set(text.loc[text["unseen"], "verb_id"])  # as in training, their phrases speak for all pairs
    assert set(rows.loc[adapted, "hoi_id"]) == {h for h in rows["hoi_id"] if vocabulary.hoi(h).verb_id in moved}


@pytest.mark.slow
def test_its_losses_add_up_over_parts_too(store: Path) -> None:
    joint = run.run(small(store, "seen.joint=true"), targets=("seen",))["seen"].artifact
    parts = small(store, "seen.joint=true", "seen.runtime.accumulate=5")
    again = run.run(parts, targets=("seen",), force=("seen",))["seen"].artifact
    for term in ("focal", "relation", "negative"):
        whole, summed = (a.table("history.parquet")[term].to_numpy() for a in (joint, again))
        np.testing.assert_allclose(whole, summed, rtol=1e-3, atol=1e-7)


@pytest.mark.slow
def test_without_an_unseen_class_it_is_plain_training(store: Path) -> None:
    joint = run.run(small(store, "seen.joint=true", "setting=default"), targets=("utpl",))["seen"].artifact
    plain = run.run(small(store, "setting=default"), targets=("seen",))["seen"].artifact
    weights = [load_weights(a.path("model.safetensors"))[0] for a in (joint, plain)]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_released_preset_has_no_prompts_to_train(store: Path) -> None:
    with pytest.raises(ConfigError, match=r"seen\.joint trains unseen prompts"):
        run.run(small(store, "seen.joint=true", "model.preset=released"), targets=("seen",))
