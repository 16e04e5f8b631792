"""Agreement with public HICO-DET evaluators, on the same detections over the real test annotations.

The reference figures hold, class by class, what the original programs (official MATLAB code, QPIC, ConsNet, UPT's
loop) and a numpy restatement gave for 101,023 synthetic detections, and ten small cases with expected labels.
"""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.hico.settings import RARE
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.metrics import annotations
from pipeline.metrics.evaluation import Compared, evaluate, judge, per_class
from pipeline.metrics.known_objects import known_object_images
from pipeline.metrics.protocols import CONSNET, EXACT, OFFICIAL, PROTOCOLS, QPIC, UPT, Protocol
from pipeline.metrics.summary import summarise
from pipeline.metrics.tables import read_pairs, read_scores

SHARED = Path(__file__).parents[4] / "shared"
DATA = SHARED / "data" / "hico"
ORACLE = SHARED / "oracles" / "evaluator"
pytestmark = pytest.mark.skipif(
    not (DATA.is_dir() and ORACLE.is_dir()), reason=f"no reference annotations and results under {SHARED}"
)

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
FIRST_CORNERS = ["hx1", "hy1", "ox1", "oy1"]
LAST_CORNERS = ["hx2", "hy2", "ox2", "oy2"]
RULES = {
    "exact": "11P",
    "tenths": "11P-float",
    "linspace": "11P-linspace",
    "all_points": "ALL",
    "auc": "AUC",
    "int": "INT",
}
# Sums of up to some hundred float64 terms in another order.
ROUNDING = 1e-12
# ConsNet computes in float32.
SINGLE = 5e-8
OBJECT_OF = {hoi.hoi_id: hoi.object_id for hoi in HICO.classes}
CLASSES = np.arange(600)


@functools.cache
def detections():
    return pd.read_parquet(ORACLE / "synthetic_detections.parquet").rename(columns={"image_index": "image_id"})


@functools.cache
def inclusive_pairs():
    """The test annotations as published: 1-based inclusive pixels; image_id = place in the test list."""
    images = pd.read_parquet(DATA / "hico_det_images.parquet")
    names = images.loc[images["split"] == "test2015", "file_name"].reset_index(drop=True)
    pairs = pd.read_parquet(DATA / "hico_det_test2015_pairs.parquet")
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


def image_number():
    """Place of every image in the test list, by file name."""
    images = pd.read_parquet(DATA / "hico_det_images.parquet")
    names = images.loc[images["split"] == "test2015", "file_name"]
    return dict(zip(names, range(len(names)), strict=True))


@functools.cache
def known_images(rule):
    """The official rule goes by the labels of anno.mat, ConsNet's by the annotated pairs."""
    if rule == "instances":
        return known_object_images(presence=inclusive_pairs(), object_of=OBJECT_OF)
    read = annotations.read(DATA / "instances_test2015.json.gz", image_labels=DATA / "anno.mat")
    assert list(read.images["file_name"]) == list(image_number())
    return known_object_images(presence=read.presence, object_of=OBJECT_OF)


@functools.cache
def read():
    found, truth = detections(), pairs()
    rows = read_pairs(found, CLASSES, table="predictions")
    scores = {name: read_scores(found.assign(score=found[name]), rows, table="p") for name in ("score", "score_tied")}
    return rows, scores, read_pairs(truth, CLASSES, table="pairs")


def judged(rules, *, score="score", known=None):
    found, scores, truth = read()
    images = known_images(known) if known else None
    return judge(Compared(found, truth), scores=scores[score], rules=rules, known_images=images)


def assert_equal(values, column, tolerance=ROUNDING):
    reference = expected()[column].to_numpy()
    present = ~np.isnan(reference)
    assert present.sum() in (100, 600)
    np.testing.assert_allclose(values.to_numpy()[present], reference[present], rtol=0, atol=tolerance)


# Switches, score column, known-object rule of every family of columns.
FAMILIES = {
    "official_def": ({}, "score", None),
    "coord_ge": ({}, "score", None),
    "coord_gt": ({"strict": True}, "score", None),
    "coord_gt_dropempty": ({"strict": True, "drop_empty_images": True}, "score", None),
    "qpic_raw": ({"boxes": "qpic", "drop_empty_images": True}, "score", None),
    "qpic_aligned": ({"drop_empty_images": True}, "score", None),
    "consnet_raw": ({"boxes": "raw"}, "score", None),
    "ko_official": ({}, "score", "labels"),
    "ko_instance_rule": ({}, "score", "instances"),
    "tied_stable": ({"ties": "row"}, "score_tied", None),
    "tied_reverse": ({"ties": "row_reversed"}, "score_tied", None),
    "top5_per_image": ({"top_k": 5}, "score", None),
    "top100_per_image": ({"top_k": 100}, "score", None),
}
EVERY_QPIC_DETECTION = dataclasses.replace(QPIC, top_k=None)
ALIGNED_QPIC = dataclasses.replace(QPIC, top_k=None, boxes="continuous")
# Protocol, score column, known-object rule, tolerance of every column that an original program made.
ORIGINALS = {
    "octave_official_def.ap": (OFFICIAL, "score", None, ROUNDING),
    "octave_official_ko_every6.ap": (OFFICIAL, "score", "labels", ROUNDING),
    "octave_official_def_tied_every6.ap": (OFFICIAL, "score_tied", None, ROUNDING),
    "numpy.tied_image_order.11P-float": (OFFICIAL, "score_tied", None, ROUNDING),
    "qpic_real_aligned.ap": (ALIGNED_QPIC, "score", None, ROUNDING),
    "qpic_real_raw.ap": (EVERY_QPIC_DETECTION, "score", None, ROUNDING),
    "consnet_real_def.ap": (CONSNET, "score", None, SINGLE),
    "consnet_real_ko.ap": (CONSNET, "score", "instances", SINGLE),
    "pocket_real.pocket_upt.11P": (UPT, "score", None, ROUNDING),
    "pocket_real.pocket_upt.AUC": (dataclasses.replace(UPT, rule="auc"), "score", None, ROUNDING),
}
RECALLS = {"octave_official_def.rec": "official_def"}
# Two programs leave ties to their library's unstable sort: their columns need that sort, not another rule.
UNSTABLE = {
    "qpic_real_tied.ap": ALIGNED_QPIC,
    "pocket_real.pocket_upt_tied.11P": UPT,
    "pocket_real.pocket_upt_tied.AUC": dataclasses.replace(UPT, rule="auc"),
}
ABOUT = {"hoi_id", "verb", "object", "n_train", "n_test", "is_rare"}


def test_every_column_of_the_reference_is_compared():
    families = {f"numpy.{family}.{column}" for family in FAMILIES for column in (*RULES.values(), "rec")}
    assert set(expected()) - ABOUT == families | set(ORIGINALS) | set(RECALLS) | set(UNSTABLE)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_of_every_family(family):
    switches, score, known = FAMILIES[family]
    found = judged(Protocol(name=family, rule="exact", **switches), score=score, known=known)
    for rule, column in RULES.items():
        result = per_class(found, classes=CLASSES, rule=rule)
        assert_equal(result["ap"], f"numpy.{family}.{column}")
    assert_equal(result["max_recall"], f"numpy.{family}.rec", tolerance=0)
    for column in (name for name, other in RECALLS.items() if other == family):
        assert_equal(result["max_recall"], column, tolerance=0)


@pytest.mark.parametrize("column", ORIGINALS)
def test_original_programs(column):
    protocol, score, known, tolerance = ORIGINALS[column]
    found = judged(protocol, score=score, known=known)
    assert_equal(per_class(found, classes=CLASSES, rule=protocol.rule)["ap"], column, tolerance)


@pytest.mark.parametrize("column", UNSTABLE)
def test_unstable_sorts_stay_between_best_and_worst(column):
    protocol = UNSTABLE[column]
    reference = expected()[column].to_numpy()
    bounds = {}
    for ties in ("worst", "best"):
        found = judged(dataclasses.replace(protocol, ties=ties), score="score_tied")
        bounds[ties] = per_class(found, classes=CLASSES, rule=protocol.rule)["ap"].to_numpy()
    # pocket's trapezoids are not monotone in the order; the other rules are.
    slack = 0.03 if protocol.rule == "auc" else ROUNDING
    assert (reference >= bounds["worst"] - slack).all() and (reference <= bounds["best"] + slack).all()
    assert bounds["best"].mean() - bounds["worst"].mean() > 0.01


def resorted(protocol, before, sort):
    """AP when each class's detections, listed as ``before`` says, are ranked by ``sort`` of their scores."""
    found = judged(protocol, score="score_tied")
    order = np.lexsort((*before(found), found.hoi))
    starts = np.searchsorted(found.hoi[order], np.arange(601))
    order = np.concatenate(
        [part[sort(found.score[part])] for part in (order[starts[c] : starts[c + 1]] for c in range(600))]
    )
    return per_class(dataclasses.replace(found, hit=found.hit[order]), classes=CLASSES, rule=protocol.rule)["ap"]


@pytest.mark.parametrize("column", [name for name in UNSTABLE if name.startswith("pocket")])
def test_ties_of_the_originals_with_torchs_sort(column):
    import torch

    ap = resorted(
        UNSTABLE[column],
        lambda found: (found.row, found.image),
        lambda scores: torch.argsort(torch.from_numpy(scores), descending=True).numpy(),
    )
    assert_equal(ap, column)


WITHOUT_AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"


@pytest.mark.slow
def test_ties_of_the_originals_with_numpys_sort():
    """numpy's unstable sort depends on the processor; the reference was made on one with AVX2 and no more."""
    code = "from tests.pipeline.metrics.test_public_evaluators import compare_with_numpys_sort as f; f()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"NPY_DISABLE_CPU_FEATURES": WITHOUT_AVX512},
        capture_output=True,
        text=True,
        check=False,
    )
    if "needs AVX2" in done.stdout:
        pytest.skip("this processor, or this numpy, does not sort with AVX2")
    assert done.returncode == 0, done.stderr


def compare_with_numpys_sort():
    features = np.show_config(mode="dicts")["SIMD Extensions"]
    if "X86_V3" not in features.get("found", ()) or "X86_V4" in features.get("found", ()):
        print("needs AVX2")
        return
    ap = resorted(
        UNSTABLE["qpic_real_tied.ap"],
        lambda found: (found.row, -found.score, found.image),
        lambda scores: np.argsort(-scores),
    )
    assert_equal(ap, "qpic_real_tied.ap")


def test_the_image_labels_are_the_official_lists():
    lists = pd.read_parquet(DATA / "hico_ko_test_images.parquet")
    for rule, column in (("labels", "image_index"), ("instances", "image_index_instance_rule")):
        by_object = dict(zip(lists["object_coco80"], map(frozenset, lists[column]), strict=True))
        images = known_images(rule)
        assert images == {hoi: by_object[thing] for hoi, thing in OBJECT_OF.items()}


@pytest.mark.parametrize(
    ("protocol", "full", "rare_mean", "non_rare"),
    [
        ("official", 43.477, 38.312, 45.020),
        ("exact", 43.822, 39.005, 45.260),
        ("upt", 43.889, 39.208, 45.288),
        ("consnet", 43.842, 39.042, 45.276),
    ],
)
def test_published_means(protocol, full, rare_mean, non_rare):
    rules = PROTOCOLS[protocol]
    summary = summarise(per_class(judged(rules), classes=CLASSES, rule=rules.rule), unseen=(), rare=RARE)
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
    truth, found = with_corners_moved(frame_of(case["gt"]), FIRST_CORNERS, -1), frame_of(case["det"])
    protocol = {"official": OFFICIAL, "pocket_upt": UPT, "qpic_native": QPIC}[family]
    wanted = case["expected"][family]
    rows = read_pairs(found, np.arange(2), table="predictions")
    scores = read_scores(found, rows, table="predictions")
    # Detections that a protocol leaves out are no true positives either.
    judgement = judge(Compared(rows, read_pairs(truth, np.arange(2), table="pairs")), scores=scores, rules=protocol)
    labels = np.zeros(len(found), dtype=int)
    labels[judgement.row] = judgement.hit
    assert labels.tolist() == wanted["tp"]

    for rules, key in ((protocol, "ap"), (dataclasses.replace(protocol, rule="exact"), "ap_exact_recall")):
        result = evaluate(predictions=found, pairs=truth, protocol=rules, classes=[0, 1])
        assert result["ap"][0] == pytest.approx(wanted[key], abs=1e-6)


def test_the_edge_cases_are_all_there():
    assert len(edge_cases()) == 30 and {OFFICIAL, UPT, QPIC} < set(PROTOCOLS.values())
    assert EXACT.rule == "exact"
