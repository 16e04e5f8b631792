"""Which cached pairs teach an unseen class what."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.scoring import Scope
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.tables import arrays
from pipeline.training import seen_pairs
from pipeline.training.seen_pairs import SeenPairs


def hoi(verb: str, thing: str) -> int:
    return next(c.hoi_id for c in HICO.classes if (c.verb, c.object) == (verb, thing))


RIDE_HORSE, HUG_HORSE, HUG_DOG, RIDE_BOAT = (
    hoi("ride", "horse"),
    hoi("hug", "horse"),
    hoi("hug", "dog"),
    hoi("ride", "boat"),
)
HORSE, DOG, BOAT = (HICO.classes[h].object_id for h in (RIDE_HORSE, HUG_DOG, RIDE_BOAT))
ROWS = [
    ([RIDE_HORSE], HORSE),
    ([HUG_DOG], DOG),
    ([RIDE_HORSE, HUG_HORSE], HORSE),  # the second label is an unseen class's: nobody may read it
    ([HUG_HORSE], HORSE),
    ([], HORSE),
    ([RIDE_BOAT], BOAT),
]


@pytest.fixture
def artifact(tmp_path: Path) -> SimpleNamespace:
    arrays.write(
        tmp_path / "train-000.parquet",
        {
            "feature": np.eye(len(ROWS), dtype=np.float32),
            "prior": np.linspace(0.1, 0.6, len(ROWS)).astype(np.float32),
            "object_id": [thing for _, thing in ROWS],
            "hois": [hois for hois, _ in ROWS],
        },
    )
    return SimpleNamespace(names=lambda pattern: ["train-000.parquet"], path=lambda name: tmp_path / name)


def read(artifact: SimpleNamespace, *, scope: Scope) -> SeenPairs:
    return seen_pairs.read(
        artifact,  # type: ignore[arg-type]
        vocabulary=HICO,
        unseen=[HUG_HORSE],
        seen=[RIDE_HORSE, HUG_DOG, RIDE_BOAT],
        scope=scope,
    )


def test_pairs_without_a_seen_label_are_left_out(artifact: SimpleNamespace) -> None:
    pairs = read(artifact, scope="own_object")
    assert pairs.features.argmax(dim=1).tolist() == [0, 1, 2, 5]
    assert pairs.priors.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.6])


def test_negatives_show_the_own_object_and_positives_the_own_verb(artifact: SimpleNamespace) -> None:
    pairs = read(artifact, scope="own_object")
    assert pairs.negative[:, 0].tolist() == [True, False, True, False]
    assert pairs.positive[:, 0].tolist() == [False, True, False, False]


def test_with_the_verb_in_scope_any_object_is_a_negative(artifact: SimpleNamespace) -> None:
    assert read(artifact, scope="verb").negative[:, 0].tolist() == [True, False, True, True]


def test_draws_are_examples_and_depend_on_the_generator_alone(artifact: SimpleNamespace) -> None:
    pairs = read(artifact, scope="own_object")
    drawn = [pairs.draw(pairs.negative, 50, torch.Generator().manual_seed(s)).tolist() for s in (1, 1, 2)]
    assert set(drawn[0]) == {0, 2}
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(pairs.draw(torch.zeros_like(pairs.negative), 50, torch.Generator())) == 0


def test_pairs_of_pictures_that_are_not_exhaustively_annotated_are_no_negatives(
    artifact: SimpleNamespace, tmp_path: Path
) -> None:
    given = {"vocabulary": HICO, "unseen": [HUG_HORSE], "seen": [RIDE_HORSE, HUG_DOG, RIDE_BOAT], "scope": "own_object"}
    before = seen_pairs.read(artifact, **given)
    path = tmp_path / "train-000.parquet"
    arrays.write(path, arrays.read(path) | {"exhaustive": np.array([False, True, True, True, True, True])})
    after = seen_pairs.read(artifact, **given)
    assert before.negative[:, 0].tolist() == [True, False, True, False]
    assert after.negative[:, 0].tolist() == [False, False, True, False]
    assert after.positive.tolist() == before.positive.tolist()
