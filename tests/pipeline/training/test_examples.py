"""Which cached pairs a head learns from, and which of their labels count; a step's loss by hand."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made_heads import EXAMPLES

from models.heads.head import Examples
from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.tables import arrays
from pipeline.training import examples, fitting


def hoi(verb: str, thing: str) -> int:
    return next(c.hoi_id for c in HICO.classes if (c.verb, c.object) == (verb, thing))


RIDE_HORSE, FEED_HORSE, HUG_HORSE, HUG_DOG = (
    hoi(*words) for words in (("ride", "horse"), ("feed", "horse"), ("hug", "horse"), ("hug", "dog"))
)
HORSE, DOG = (HICO.classes[h].object_id for h in (RIDE_HORSE, HUG_DOG))
RIDE, FEED, HUG = (HICO.classes[h].verb_id for h in (RIDE_HORSE, FEED_HORSE, HUG_HORSE))
ROWS = [  # classes that it matches, its object, whether it was drawn, whether its picture's annotation is exhaustive
    ([RIDE_HORSE], HORSE, False, True),
    ([HUG_HORSE], HORSE, False, True),  # unseen: nobody may know what it shows
    ([HUG_HORSE], HORSE, True, True),  # drawn: no seen class is annotated
    ([], DOG, True, True),
    ([RIDE_HORSE, HUG_HORSE], HORSE, False, True),  # the second label does not exist here
    ([HUG_DOG], HORSE, True, True),  # a dog's annotation over the horse's box
    ([RIDE_HORSE], HORSE, True, False),
]


def read(folder: Path, columns: Any = (), **changed: Any) -> Examples:
    hois, objects, drawn, exhaustive = zip(*ROWS, strict=True)
    table = {
        "feature": np.eye(len(ROWS), dtype=np.float32),
        "prior": np.linspace(0.1, 0.7, len(ROWS)).astype(np.float32),
        "object_id": np.array(objects),
        "drawn": np.array(drawn),
        "exhaustive": np.array(exhaustive),
        "hois": [np.array(row, dtype=np.int64) for row in hois],
    } | changed
    table["hois"] = [list(row) for row in hois]
    arrays.write(folder / "train-000.parquet", {k: v for k, v in table.items() if v is not None})
    artifact = SimpleNamespace(names=lambda pattern: ["train-000.parquet"], path=lambda name: folder / name)
    return examples.read(
        artifact,  # type: ignore[arg-type]
        vocabulary=HICO,
        seen=[RIDE_HORSE, FEED_HORSE, HUG_DOG],
        unseen=[HUG_HORSE],
        columns=columns,
    )


def verbs(mask: torch.Tensor) -> list[set[int]]:
    return [set(row.nonzero().flatten().tolist()) for row in mask]


def test_pairs_of_seen_classes_and_drawn_ones_are_examples(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.pairs.feature.argmax(dim=1).tolist() == [0, 2, 3, 4, 5, 6]
    assert verbs(found.shown) == [{RIDE}, set(), set(), {RIDE}, set(), {RIDE}]


def test_labels_count_where_a_seen_class_has_the_object_and_the_annotation_tells(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert verbs(found.counted) == [{RIDE, FEED}, {RIDE, FEED}, {HUG}, {RIDE, FEED}, {RIDE, FEED}, {RIDE}]


def test_an_unseen_class_is_absent_where_a_seen_one_is_annotated(tmp_path: Path) -> None:
    assert verbs(read(tmp_path).absent) == [{HUG}, set(), set(), {HUG}, set(), set()]


def test_without_drawn_pairs_only_annotated_ones_are_examples(tmp_path: Path) -> None:
    found = read(tmp_path, drawn=None, exhaustive=None)
    assert found.pairs.feature.argmax(dim=1).tolist() == [0, 4, 6]
    assert verbs(found.counted) == [{RIDE, FEED}] * 3


def test_columns_come_as_they_were_stored_and_missing_ones_are_named(tmp_path: Path) -> None:
    regions = {name: np.full((len(ROWS), 2), 0.5, np.float16) for name in ("human", "object", "union")}
    found = read(tmp_path, ("human", "object", "union"), **regions)
    assert found.pairs.union is not None and found.pairs.union.dtype == torch.float16
    assert found.pairs.to(torch.device("cpu")).regions()["human"].dtype == torch.float32
    with pytest.raises(DataError, match="the pairs have no geometry"):
        read(tmp_path, ("geometry",))


def test_the_focal_loss_of_the_labels_that_count_by_hand() -> None:
    """Logits of 0 and a prior of 1: sigmoid 0.5 everywhere; alpha 0.5, gamma 0 makes it half of the cross-entropy."""

    class Silent:
        def logits(self, pairs: Any) -> torch.Tensor:
            return torch.zeros(len(pairs), 3)

        def losses(self, some: Any, logits: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"own": torch.tensor(7.0)}

    config = load(overrides=["seen.focal.alpha=0.5", "seen.focal.gamma=0"], environment={})
    some = EXAMPLES.take(EXAMPLES.shown.any(dim=1))
    some.pairs.prior.fill_(1.0)
    found = fitting.losses(Silent(), some, config)  # type: ignore[arg-type]
    wanted = 0.5 * math.log(2) * int(some.counted.sum()) / int(some.shown.sum())
    assert found["focal"].item() == pytest.approx(wanted, rel=1e-5) and found["own"] == 7.0


def test_a_steps_examples_are_drawn_by_the_seed_and_the_step() -> None:
    config = load(overrides=["heads.batch_size=5"], environment={})
    one, again, other = (fitting.drawn(EXAMPLES, config, step).pairs.prior for step in (3, 3, 4))
    assert len(one) == 5 and torch.equal(one, again) and not torch.equal(one, other)
