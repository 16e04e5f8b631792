"""The stage's tables in numbers that were computed by hand: every variant, all scopes, and what tau does."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import words

from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.predict.scoring import BOXES
from pipeline.stages import predictions
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.work.work import Work


def hoi(verb: str, thing: str) -> int:
    return next(c.hoi_id for c in HICO.classes if (c.verb, c.object) == (verb, thing))


RIDE_HORSE, RIDE_BOAT, HUG_HORSE = hoi("ride", "horse"), hoi("ride", "boat"), hoi("hug", "horse")
HORSE, BOAT = (HICO.classes[h].object_id for h in (RIDE_HORSE, RIDE_BOAT))
PLAIN = {RIDE_HORSE: [1.0, 0.0], RIDE_BOAT: [0.0, -1.0], HUG_HORSE: [0.6, 0.8]}
SCALE = 2.0


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def inputs(tmp_path: Path, artifact: Callable[..., Artifact]) -> dict[str, Artifact]:
    """A horse and a boat with a person each; ride horse and hug horse are seen, ride boat is not."""
    pairs = {
        "image_id": np.array([3, 9]),
        "object_id": np.array([HORSE, BOAT]),
        "prior": np.array([0.5, 1.0], dtype=np.float32),
    } | {name: np.array([float(i), 10.0 + i], dtype=np.float32) for i, name in enumerate(BOXES)}
    folders = {name: tmp_path / name for name in ("utpl", "pair_features", "untrained", "text_embeddings")}
    for folder in folders.values():
        folder.mkdir()
    arrays.write(
        folders["utpl"] / "text.parquet",
        {
            "hoi_id": [RIDE_HORSE, HUG_HORSE, RIDE_BOAT],
            "verb_id": [HICO.classes[h].verb_id for h in (RIDE_HORSE, HUG_HORSE, RIDE_BOAT)],
            "unseen": [False, False, True],
            "before": np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32),
            "after": np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32),
        },
    )
    (folders["utpl"] / "scale.json").write_text(json.dumps(SCALE))
    for number in (0, 1):  # a shard a pair
        some = {name: column[number : number + 1] for name, column in pairs.items()}
        feature = np.array([[4.0, 0.0], [0.0, 4.0]], dtype=np.float32)[number : number + 1]
        arrays.write(folders["pair_features"] / f"test-00{number}.parquet", some | {"feature": feature})
    crops = np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32)
    arrays.write(folders["untrained"] / "test-000.parquet", pairs | {"feature": crops})
    for group, hois in (("seen", [RIDE_HORSE, HUG_HORSE]), ("unseen", [RIDE_BOAT])):
        arrays.write(
            folders["text_embeddings"] / f"{group}-phrases.parquet",
            {"hoi_id": hois, "pooled": np.array([PLAIN[h] for h in hois], dtype=np.float32)},
        )
    made = {name: artifact(folder, name) for name, folder in folders.items()}
    return made | {
        "vocabulary": words.artifact(tmp_path / "vocabulary", HICO.subset([RIDE_HORSE, RIDE_BOAT, HUG_HORSE]))
    }


def made(folder: Path, inputs: dict[str, Artifact], *settings: str) -> dict[str, pd.DataFrame]:
    """The stage's tables, the scores under the classes' names."""
    config = load(overrides=["device=cpu", "evaluation.tau=2", *settings], environment={})
    if config.evaluation.untrained == "off":
        inputs = {name: artifact for name, artifact in inputs.items() if name != "untrained"}
    for name in ("out", "scratch"):
        (folder / name).mkdir()
    work = Work(stage="predictions", config=config, inputs=inputs, out=folder / "out", scratch=folder / "scratch")
    predictions.run(work)
    return {path.stem: pd.read_parquet(path) for path in (folder / "out").glob("*.parquet")}


def by_class(rows: pd.DataFrame, scores: pd.Series) -> dict[int, float]:
    return dict(zip(rows["hoi_id"].tolist(), scores.tolist(), strict=True))


WANTED = {  # prior^tau is 0.25 for the horse's pair and 1 for the boat's; a logit is twice a cosine
    "detector_only": {RIDE_HORSE: 0.25, HUG_HORSE: 0.25, RIDE_BOAT: 1.0},
    "seen_phrases": {RIDE_HORSE: 0.25 * sigmoid(2), HUG_HORSE: 0.25 * sigmoid(0), RIDE_BOAT: sigmoid(0)},
    "plain_phrases": {
        RIDE_HORSE: 0.25 * sigmoid(2),
        HUG_HORSE: 0.25 * sigmoid(0),
        RIDE_BOAT: sigmoid((0 - 2) / 2),
    },
    "before_utpl": {
        RIDE_HORSE: 0.25 * sigmoid(2),
        HUG_HORSE: 0.25 * sigmoid(0),
        RIDE_BOAT: sigmoid((0 + 0) / 2),
    },
    "adapted": {
        RIDE_HORSE: 0.25 * sigmoid(2),
        HUG_HORSE: 0.25 * sigmoid(0),
        RIDE_BOAT: sigmoid((0 + 2) / 2),
    },
}


def test_every_variant_by_hand(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    found = made(tmp_path, inputs)
    rows = found["predictions"]
    assert rows.columns.tolist() == ["image_id", "hoi_id", "score", *BOXES]
    assert set(zip(rows["image_id"], rows["hoi_id"], strict=True)) == {(3, HUG_HORSE), (3, RIDE_HORSE), (9, RIDE_BOAT)}
    assert rows["image_id"].tolist() == [3, 3, 9]
    assert rows["hx1"].tolist() == [0.0, 0.0, 10.0] and rows["oy2"].tolist() == [7.0, 7.0, 17.0]
    scores = {name: found["scores"][name] for name in predictions.OTHERS}
    for variant, column in (scores | {"adapted": rows["score"]}).items():
        assert by_class(rows, column) == pytest.approx(WANTED[variant]), variant


def test_with_scope_own_object_the_horse_hears_the_boats_phrase_too(
    inputs: dict[str, Artifact], tmp_path: Path
) -> None:
    found = made(tmp_path, inputs, "utpl.scope=own_object")
    plain = by_class(found["predictions"], found["scores"]["plain_phrases"])
    assert plain == pytest.approx(WANTED["plain_phrases"] | {RIDE_HORSE: 0.25 * sigmoid((2 + 0) / 2)})
    adapted = by_class(found["predictions"], found["predictions"]["score"])
    assert adapted == pytest.approx(WANTED["adapted"] | {RIDE_HORSE: 0.25 * sigmoid((2 + 2) / 2)})


def test_with_scope_verb_the_boats_phrase_speaks_for_the_horse_too(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    rows = made(tmp_path, inputs, "utpl.scope=verb")["predictions"]
    wanted = WANTED["adapted"] | {RIDE_HORSE: 0.25 * sigmoid((2 + 0) / 2)}
    assert by_class(rows, rows["score"]) == pytest.approx(wanted)


def test_in_preset_released_lengths_count_and_the_scale_is_halved(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    rows = made(tmp_path, inputs, "model.preset=released")["predictions"]
    logit = SCALE / 2 * 4
    wanted = {RIDE_HORSE: 0.25 * sigmoid(logit / 2), HUG_HORSE: 0.25 * sigmoid(0), RIDE_BOAT: sigmoid(logit / 2)}
    assert by_class(rows, rows["score"]) == pytest.approx(wanted)


def test_the_untrained_clip_chooses_among_the_classes_of_the_object(
    inputs: dict[str, Artifact], tmp_path: Path
) -> None:
    rows = made(tmp_path, inputs)["untrained"]
    assert rows.columns.tolist() == ["image_id", "hoi_id", "score", *BOXES]
    hug = 1 / (1 + math.exp(100 * (0.6 - 1.0)))  # cosines 1.0 and 0.6
    wanted = {RIDE_HORSE: 0.25 * (1 - hug), HUG_HORSE: 0.25 * hug, RIDE_BOAT: 1.0}
    assert by_class(rows, rows["score"]) == pytest.approx(wanted, abs=1e-9)


def test_tau_is_the_priors_power_in_every_table(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    found = []
    for tau in ("1", "3"):
        (tmp_path / tau).mkdir()
        found.append(made(tmp_path / tau, inputs, f"evaluation.tau={tau}"))
    one, three = found
    factor = np.where(one["predictions"]["image_id"] == 3, 0.25, 1.0)
    np.testing.assert_allclose(three["predictions"]["score"], factor * one["predictions"]["score"])
    for variant in predictions.OTHERS:
        np.testing.assert_allclose(three["scores"][variant], factor * one["scores"][variant])
    factor = np.where(one["untrained"]["image_id"] == 3, 0.25, 1.0)
    np.testing.assert_allclose(three["untrained"]["score"], factor * one["untrained"]["score"])


def test_without_a_baseline_there_is_no_table_of_it(inputs: dict[str, Artifact], tmp_path: Path) -> None:
    assert set(made(tmp_path, inputs, "evaluation.untrained=off")) == {"predictions", "scores"}


def test_a_shard_without_a_pair_adds_no_row(
    inputs: dict[str, Artifact], tmp_path: Path, artifact: Callable[..., Artifact]
) -> None:
    """Shards of images in which nobody was detected, the first one among them."""
    whole = made(tmp_path, inputs)
    folder = inputs["pair_features"].path("test-000.parquet").parent
    (folder / "test-000.parquet").rename(folder / "test-002.parquet")
    one = arrays.read(folder / "test-001.parquet")
    arrays.write(folder / "test-000.parquet", {name: column[:0] for name, column in one.items()})
    (tmp_path / "again").mkdir()
    again = made(tmp_path / "again", inputs | {"pair_features": artifact(folder, "pair_features")})
    assert len(again["predictions"]) == len(again["scores"]) == len(whole["predictions"])
    assert (again["predictions"].dtypes == whole["predictions"].dtypes).all()
    assert again["predictions"]["image_id"].tolist() == [9, 3, 3]
