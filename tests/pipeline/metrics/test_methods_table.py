"""Several methods in one table: values as each alone, paired intervals, and gaps that are noise or not."""

import numpy as np
import pytest

from pipeline.metrics import methods_table
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.matching import Pairs
from pipeline.metrics.protocols import PROTOCOLS, with_switches
from pipeline.metrics.results import MODES, results

COUNT = 60


@pytest.fixture(scope="module")
def truth():
    import pandas as pd

    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 100, (COUNT, 2, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(20, 60, (COUNT, 2, 2))], axis=2)
    pairs = Pairs(image=np.arange(COUNT), hoi=np.arange(COUNT) % 3, human=boxes[:, 0], object=boxes[:, 1])
    return Annotations(
        pairs=pairs, images=pd.DataFrame({"file_name": [f"{n}.jpg" for n in range(COUNT)]}), complete=True
    )


def method(truth, share, seed):
    """Finds so many of the annotated pairs; the others are moved far away."""
    generator = np.random.default_rng(seed)
    away = np.where(generator.random(COUNT) < share, 0.0, 500.0)[:, None]
    pairs = Pairs(
        image=truth.pairs.image, hoi=truth.pairs.hoi, human=truth.pairs.human + away, object=truth.pairs.object + away
    )
    return Detections(pairs=pairs, scores=generator.random(COUNT), notes=())


@pytest.fixture(scope="module")
def found(truth):
    return {"worst": method(truth, 0.2, 1), "twin": method(truth, 0.9, 2), "best": method(truth, 0.95, 3)}


def compared(found, truth, *names, modes=MODES[:1], **more):
    protocols = [PROTOCOLS[name] for name in names]
    return list(methods_table.compare(found, truth, protocols=protocols, modes=modes, setting="default", **more))


def test_values_are_those_of_each_method_alone(found, truth):
    blocks = compared(found, truth, "official", "exact", modes=MODES, resamples=10)
    assert [(b["protocol"], b["mode"]) for b in blocks] == [
        (protocol, mode) for protocol in ("official", "exact") for mode in MODES
    ]
    for name, detections in found.items():
        alone = results(detections, truth, protocols=[PROTOCOLS["exact"]], modes=MODES[:1], setting="default")
        (row,) = (row for row in blocks[2]["methods"] if row["name"] == name)
        assert row["full"]["value"] == pytest.approx(next(alone).summary["full"])


def test_the_best_comes_first_and_noise_is_told_from_gaps(found, truth):
    (block,) = compared(found, truth, "exact", resamples=200)
    assert [row["name"] for row in block["methods"]] == ["best", "twin", "worst"]
    assert all(row["full"]["low"] < row["full"]["value"] < row["full"]["high"] for row in block["methods"])
    noise = {(g["better"], g["worse"]): g["noise"] for g in block["gaps"] if g["group"] == "full"}
    assert noise == {("best", "twin"): True, ("best", "worst"): False, ("twin", "worst"): False}
    assert "seen" not in block["methods"][0]  # nothing is unseen: it would be `full` again
    assert compared(found, truth, "exact", resamples=200) == [block]


def test_a_method_and_itself_have_no_gap(truth):
    twins = {name: method(truth, 0.5, 1) for name in "ab"}
    (gap, *_) = compared(twins, truth, "official", resamples=20)[0]["gaps"]
    assert (gap["difference"], gap["low"], gap["high"], gap["noise"]) == (0, 0, 0, True)


def test_a_rule_without_weighted_meaning_has_no_interval(found, truth):
    protocol = with_switches(PROTOCOLS["exact"], ["rule=auc"])
    (block,) = methods_table.compare(found, truth, protocols=[protocol], modes=MODES[:1], setting="default")
    assert block["resamples"] == 0 and block["methods"][0]["full"]["low"] is None and block["gaps"][0]["noise"] is None


def test_a_method_whose_boxes_lie_elsewhere_is_doubted(found, truth):
    blocks = compared(found | {"elsewhere": method(truth, 0.0, 4)}, truth, "official", "upt", resamples=10)
    notes = {row["name"]: row["notes"] for row in blocks[0]["methods"]}
    assert [name for name, said in notes.items() if said] == ["elsewhere"]
    assert notes["elsewhere"][0].startswith(
        "only 0 of 60 annotated pairs are found at any score: are the boxes x1, y1, x2"
    )
