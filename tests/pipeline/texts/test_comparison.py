"""The diff of descriptions, by hand: two seen classes, one unseen class, two versions."""

import numpy as np
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts.comparison import Embedded, Moved, moved

RIDE, FEED, COW = (HICO.find(name).hoi_id for name in ("ride horse", "feed horse", "ride cow"))


def embedded(unseen: tuple[float, float]) -> Embedded:
    seen = {RIDE: np.array([1.0, 0.0]), FEED: np.array([0.0, 1.0])}
    return Embedded(seen=seen, unseen={COW: np.array(unseen)}, made_by="text_embeddings/0a1b2c")


def test_nearest_seen_classes_that_changed() -> None:
    old, new = embedded((0.8, 0.6)), embedded((0.6, 0.8))
    assert old.nearest_seen(COW) == (RIDE, pytest.approx(0.8))
    assert moved((old, new)) == [
        Moved(hoi_id=COW, old=RIDE, new=FEED, old_similarity=pytest.approx(0.8), new_similarity=pytest.approx(0.8))
    ]
    assert moved((old, embedded((0.9, 0.1)))) == []
