"""The preset `released` through the whole pipeline, trained and with imported weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from shared_demo import Copied
from small_demo import small

from models.released import quirks
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import run
from pipeline.engine.execute import Outcome
from pipeline.errors import ConfigError, EzhoiError
from pipeline.learned import checkpoint, importing
from pipeline.tables import arrays

RELEASED = "model.preset=released"
TAU = 2.8


def demand_released_scores(outcomes: dict[str, Outcome], scale: float) -> None:
    """prior^tau sigmoid(mean over the verb's phrases of scale / 2 f t), raw dot products, for every prediction."""
    pairs = arrays.read(outcomes["pair_features"].artifact.path("test-000.parquet"))
    text = arrays.read(outcomes["utpl"].artifact.path("text.parquet"))
    logits = scale / 2 * pairs["feature"].astype(float) @ text["before"].T.astype(float)
    rows = outcomes["predictions"].artifact.table("predictions.parquet")
    place = {
        key: i for i, key in enumerate(zip(pairs["image_id"], pairs["hx1"], pairs["ox1"], pairs["oy1"], strict=True))
    }
    for row in rows.itertuples():
        pair = place[row.image_id, row.hx1, row.ox1, row.oy1]  # type: ignore[index]
        logit = logits[pair][text["verb_id"] == HICO.classes[row.hoi_id].verb_id].mean()  # type: ignore[index]
        wanted = float(pairs["prior"][pair]) ** TAU / (1 + np.exp(-logit))
        assert row.score == pytest.approx(wanted, rel=1e-4)


@pytest.mark.slow
def test_trained_then_imported_weights_give_the_same_predictions(demo: Copied, tmp_path: Path) -> None:
    trained = run.run(small(demo(tmp_path), RELEASED))
    seen = trained["seen"].artifact
    with safe_open(seen.path("model.safetensors"), framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert abs(float(tensors["logit_scale"]) - quirks.LOGIT_SCALE) > 1e-3
    assert tensors["adapters.0.scale"].abs().max() > 2 * quirks.BLOCK_SCALE
    assert tensors["visual_guidance.up.weight"].any() and tensors["inter.up.weight"].any()
    text = arrays.read(trained["utpl"].artifact.path("text.parquet"))
    assert (text["before"] == text["after"]).all()
    assert set(text["verb_id"].tolist()) >= {HICO.classes[h].verb_id for h in text["hoi_id"][text["unseen"]]}
    metrics = trained["evaluation"].artifact.manifest.metrics
    assert {g: metrics[g] for g in ("full", "seen", "unseen")} == {
        g: metrics[f"before_utpl_{g}"] for g in ("full", "seen", "unseen")
    }
    demand_released_scores(trained, float(tensors["logit_scale"]))

    path = tmp_path / "imported.safetensors"
    rows = arrays.read(seen.path("phrases.parquet"))["hoi_id"].tolist()
    checkpoint.save_weights(path, tensors | {importing.ROWS: torch.tensor(rows)}, {"preset": "released"})
    imported = run.run(small(tmp_path, RELEASED, f"seen.weights={path}"))
    assert not imported["seen"].hit
    assert imported["pair_features"].hit and imported["predictions"].hit and imported["evaluation"].hit

    with pytest.raises(ConfigError, match=r"made for preset 'released', but model\.preset is 'paper'"):
        run.run(small(tmp_path, f"seen.weights={path}"), targets=("seen",))

    half = {name: tensor.half() for name, tensor in tensors.items()} | {importing.ROWS: torch.tensor(rows)}
    checkpoint.save_weights(path, half, {"preset": "released"})
    again = run.run(small(tmp_path, RELEASED, f"seen.weights={path}"), targets=("seen",))["seen"].artifact
    taken, _ = checkpoint.load_weights(again.path("model.safetensors"))
    assert {name: value.dtype for name, value in taken.items()} == {
        name: value.dtype for name, value in tensors.items()
    }
    checkpoint.save_weights(path, half | {"logit_scale": torch.tensor(-2.0)}, {"preset": "released"})
    with pytest.raises(EzhoiError, match=r"learned scale of the cosines is -2; it must be positive.*seen\.weights"):
        run.run(small(tmp_path, RELEASED, f"seen.weights={path}"), targets=("seen",))
