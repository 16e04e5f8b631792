"""What CMMP and LAIN bring into the default head, chosen together: it reaches training, pair features, bundle and predictor."""

from typing import Any

import numpy as np
import pytest
import torch
from shared_demo import Copied
from small_demo import small

from pipeline.engine import run
from pipeline.errors import DataError, EzhoiError
from pipeline.learned.checkpoint import load_weights
from pipeline.predict import bundle as bundles
from pipeline.predict.boxes import Boxes
from pipeline.predict.predictor import Predictor

CHOSEN = (
    *("model.adapter=locality", "model.patterns=4", "seen.consistency_weight=1", "utpl.consistency_weight=1"),
    "evaluation.untrained=off",
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Any:
    return run.run(small(demo(tmp_path_factory.mktemp("store")), *CHOSEN))


@pytest.mark.slow
def test_both_trainings_have_the_consistency(outcomes: Any) -> None:
    for stage, terms in (("seen", ["focal", "relation"]), ("utpl", ["align", "relation", "negative"])):
        history = outcomes[stage].artifact.table("history.parquet")
        assert (history["consistency"] > 0).all()
        np.testing.assert_allclose(history["loss"], history[[*terms, "consistency"]].sum(axis=1), rtol=1e-5)
    assert {"consistency_first", "consistency_last"} <= outcomes["utpl"].artifact.manifest.metrics.keys()


@pytest.mark.slow
def test_adapters_and_patterns_have_learned(outcomes: Any) -> None:
    learned, _ = load_weights(outcomes["seen"].artifact.path("model.safetensors"))
    assert learned["patterns.centres"].shape == (4, 36)
    assert learned["patterns.centres"][:, 18:].min() < -5, (
        "they did not start at real pairs, whose logarithms are far below 0"
    )
    gates = torch.stack([value for name, value in learned.items() if name.endswith(".gate")])
    assert gates.shape[0] > 1 and (gates.abs().amax(dim=1) > 1e-4).all()


@pytest.mark.slow
def test_the_bundle_says_it_and_predicts(outcomes: Any) -> None:
    path = outcomes["bundle"].artifact.path(bundles.FILE)
    sizes = bundles.read_header(path).sizes
    assert (sizes.adapter, sizes.patterns) == ("locality", 4)
    predictor = Predictor.open(path)
    names = [thing.name for thing in predictor.vocabulary.objects]
    boxes = Boxes.of(predictor.vocabulary, [[4, 4, 60, 100], [30, 30, 100, 100]], [0.9, 0.8], ["person", names[3]])
    found = predictor(np.zeros((112, 112, 3), np.uint8), boxes)
    assert len(found.pairs) > 0


@pytest.mark.slow
def test_more_patterns_than_pairs_are_one_clear_error(outcomes: Any) -> None:
    config = small(outcomes["seen"].artifact.path("model.safetensors").parents[2], *CHOSEN, "model.patterns=9000")
    with pytest.raises(DataError, match=r"model\.patterns = 9000: only \d+ annotated pairs of seen classes differ"):
        run.run(config, targets=("seen",))


@pytest.mark.slow
def test_a_training_that_turns_the_scale_around_is_one_clear_error(tmp_path: Any, demo: Copied) -> None:
    """The sign of the scale says whether what fits best or least scores best; a bundle could not be made of it."""
    steep = ("model.logit_scale=0.001", "seen.optimiser.lr=0.01", "seen.epochs=1", "seen.batch_size=48")
    with pytest.raises(
        EzhoiError, match=r"stage seen: the learned scale of the cosines is -0\.0\d+; it must be positive"
    ):
        run.run(small(demo(tmp_path), *steep), targets=("seen",))
