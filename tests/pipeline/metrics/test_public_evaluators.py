"""Agreement with public HICO-DET evaluators, on the same detections over the real test annotations.

The reference figures hold, class by class, what the original programs (official MATLAB code, QPIC, ConsNet, UPT's
loop) and a numpy restatement gave for 101,023 synthetic detections, and ten small cases with expected labels.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.hico.splits import rare
from pipeline.hico.vocabulary import hoi_classes
from pipeline.metrics import EXACT, OFFICIAL, UPT, Protocol, evaluate, known_object_images, summarise
from pipeline.metrics.matching import match, rank
from pipeline.metrics.tables import read_pairs, read_scores

SHARED = Path(__file__).parents[4] / "shared"
HICO = SHARED / "data" / "hico"
ORACLE = SHARED / "oracles" / "evaluator"
pytestmark = pytest.mark.skipif(
    not (HICO.is_dir() and ORACLE.is_dir()), reason=f"no reference annotations and results under {SHARED}"
)

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
FIRST_CORNERS = ["hx1", "hy1", "ox1", "oy1"]
LAST_CORNERS = ["hx2", "hy2", "ox2", "oy2"]
RULES = {"tenths": "11P-float", "linspace": "11P-linspace", "exact": "11P", "all_points": "ALL"}
# Sums of up to some hundred float64 terms in another order.
ROUNDING = 1e-12
# ConsNet computes in float32.
SINGLE = 5e-8


@functools.cache
def detections():
    return pd.read_parquet(ORACLE / "synthetic_detections.parquet").rename(columns={"image_index": "image_id"})


@functools.cache
def inclusive_pairs():
    """The test annotations as published: 1-based inclusive pixels; image_id = place in the test list."""
    images = pd.read_parquet(HICO / "hico_det_images.parquet")
    names = images.loc[images["split"] == "test2015", "file_name"].reset_index(drop=True)
    pairs = pd.read_parquet(HICO / "hico_det_test2015_pairs.parquet")
    pairs["image_id"] = pairs["file_name"].map({name: place for place, name in names.items()})
    return pairs.astype(dict.fromkeys(BOXES, float))


def with_corners_moved(frame, columns, by):
    """A copy whose chosen corners are moved: one pixel turns inclusive coordinates into continuous ones."""
    return frame.assign(**{column: frame[column].astype(float) + by for column in columns})


@functools.cache
def pairs():
    """The same in continuous pixels."""
    return with_corners_moved(inclusive_pairs(), FIRST_CORNERS, -1)


@functools.cache
def expected():
    return pd.read_parquet(ORACLE / "per_class_ap.parquet")


def known_images(column):
    lists = pd.read_parquet(HICO / "hico_ko_test_images.parquet").explode(column)
    presence = lists[["object_coco80", column]].set_axis(["object_id", "image_id"], axis=1)
    return known_object_images(presence=presence, object_of={hoi.hoi_id: hoi.object_id for hoi in hoi_classes()})


def world(family):
    """Detections, annotations, switches and known images of a column family of the reference table."""
    found, truth, switches, images = detections(), pairs(), {}, None
    if family in ("coord_gt", "coord_gt_dropempty"):
        switches = {"strict": True}
    if family in ("coord_gt_dropempty", "qpic_aligned", "qpic_raw"):
        switches = switches | {"drop_empty_images": True}
    if family == "qpic_raw":
        # QPIC adds a pixel to every width, those of continuous boxes too, and does not shift the annotations.
        found = with_corners_moved(found, LAST_CORNERS, 1)
        truth = with_corners_moved(inclusive_pairs(), LAST_CORNERS, 1)
    if family == "consnet_raw":
        truth = inclusive_pairs()
    if family == "ko_official":
        images = known_images("image_index")
    if family == "ko_instance_rule":
        images = known_images("image_index_instance_rule")
    if family == "tied":
        found = found.assign(score=found["score_tied"])
    return found, truth, switches, images


def run(found, truth, protocol, images=None):
    return evaluate(predictions=found, pairs=truth, protocol=protocol, classes=range(600), known_images=images)


def assert_equal(values, column, tolerance=ROUNDING):
    reference = expected()[column].to_numpy()
    present = ~np.isnan(reference)
    assert present.sum() in (100, 600)
    np.testing.assert_allclose(values.to_numpy()[present], reference[present], rtol=0, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        "official_def",
        "coord_gt",
        "coord_gt_dropempty",
        "qpic_raw",
        "qpic_aligned",
        "consnet_raw",
        "ko_official",
        "ko_instance_rule",
    ],
)
def test_every_rule_of_every_family(family):
    found, truth, switches, images = world(family)
    for rule, column in RULES.items():
        result = run(found, truth, Protocol(name=family, rule=rule, **switches), images)
        assert_equal(result["ap"], f"numpy.{family}.{column}")
    assert_equal(result["max_recall"], f"numpy.{family}.rec", tolerance=0)


@pytest.mark.parametrize(
    ("column", "family", "protocol", "tolerance"),
    [
        ("octave_official_def.ap", "official_def", OFFICIAL, ROUNDING),
        ("octave_official_ko_every6.ap", "ko_official", OFFICIAL, ROUNDING),
        ("octave_official_def_tied_every6.ap", "tied", OFFICIAL, ROUNDING),
        ("numpy.tied_image_order.11P-float", "tied", OFFICIAL, ROUNDING),
        ("pocket_real.pocket_upt.11P", "official_def", UPT, ROUNDING),
        ("qpic_real_aligned.ap", "qpic_aligned", None, ROUNDING),
        ("qpic_real_raw.ap", "qpic_raw", None, ROUNDING),
        ("consnet_real_def.ap", "consnet_raw", EXACT, SINGLE),
    ],
)
def test_original_programs(column, family, protocol, tolerance):
    found, truth, switches, images = world(family)
    result = run(found, truth, protocol or Protocol(name="qpic", rule="tenths", **switches), images)
    assert_equal(result["ap"], column, tolerance)


def test_consnet_known_object():
    result = run(detections(), inclusive_pairs(), EXACT, known_images("image_index_instance_rule"))
    assert_equal(result["ap"], "consnet_real_ko.ap", SINGLE)


def test_annotated_pairs_give_the_instance_rule():
    object_of = {hoi.hoi_id: hoi.object_id for hoi in hoi_classes()}
    from_pairs = known_object_images(presence=inclusive_pairs(), object_of=object_of)
    assert from_pairs == known_images("image_index_instance_rule")


@pytest.mark.parametrize(
    ("protocol", "full", "rare_mean", "non_rare"),
    [
        ("official", 43.477, 38.312, 45.020),
        ("exact", 43.822, 39.005, 45.260),
        ("upt", 43.889, 39.208, 45.288),
    ],
)
def test_published_means(protocol, full, rare_mean, non_rare):
    summary = summarise(run(detections(), pairs(), protocol), unseen=(), rare=rare())
    assert [round(summary[key], 3) for key in ("full", "rare", "non_rare")] == [full, rare_mean, non_rare]


def edge_cases():
    file = ORACLE / "edge_cases.json"
    cases = json.loads(file.read_text()) if file.is_file() else {}
    families = ("official", "pocket_upt", "qpic_native")
    return [pytest.param(case, family, id=f"{name}-{family}") for name, case in cases.items() for family in families]


def frame_of(rows):
    table = [(row["image"], row["hoi"], row.get("score", 0.0), *row["h"], *row["o"]) for row in rows]
    return pd.DataFrame(table, columns=["image_id", "hoi_id", "score", *BOXES])


@pytest.mark.parametrize(("case", "family"), edge_cases())
def test_edge_case(case, family):
    """Annotations are inclusive pixels, detections continuous; ``tp`` follows the order of the detections."""
    truth, found = frame_of(case["gt"]), frame_of(case["det"])
    if family == "qpic_native":
        protocol = Protocol(name="qpic", rule="tenths", drop_empty_images=True)
        truth, found = (with_corners_moved(frame, LAST_CORNERS, 1) for frame in (truth, found))
    else:
        protocol = UPT if family == "pocket_upt" else OFFICIAL
        truth = with_corners_moved(truth, FIRST_CORNERS, -1)
    wanted = case["expected"][family]
    labels = np.zeros(len(found), dtype=int)
    ranked = read_pairs(found, np.arange(2), table="predictions")
    order = rank(ranked, read_scores(found, ranked, table="predictions"))
    annotated = read_pairs(truth, np.arange(2), table="pairs")
    labels[order] = match(ranked.take(order), annotated, threshold=protocol.threshold, strict=protocol.strict)
    assert labels.tolist() == wanted["tp"]

    exact = Protocol(name="x", rule="exact", strict=protocol.strict, drop_empty_images=protocol.drop_empty_images)
    for rules, key in ((protocol, "ap"), (exact, "ap_exact_recall")):
        result = evaluate(predictions=found, pairs=truth, protocol=rules, classes=[0, 1])
        assert result["ap"][0] == pytest.approx(wanted[key], abs=1e-6)
