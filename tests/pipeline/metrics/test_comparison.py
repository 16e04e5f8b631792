"""Comparison of two evaluations: what it finds, and that it knows noise from gain."""

import json

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics import comparison, evaluated
from pipeline.metrics.evaluation import Judged, per_class

IMAGES, CLASSES = 200, np.arange(5)


def judged(seed, skill):
    """An annotated pair of each class in every image; it is found with probability `skill`, beside as many errors."""
    generator = np.random.default_rng(seed)
    image, hoi = np.repeat(np.arange(IMAGES), 5), np.tile(CLASSES, IMAGES)
    hit = generator.random(len(hoi)) < skill
    score = generator.random(len(hoi))
    order = np.lexsort((-score, hoi))
    return Judged(
        row=order,
        image=image[order],
        hoi=hoi[order],
        score=score[order],
        hit=hit[order],
        truth_image=image,
        truth_hoi=hoi,
    )


def saved(folder, found, **changes):
    folder.mkdir()
    ap = per_class(found, classes=CLASSES, rule="exact")["ap"]
    rows = [
        {"hoi_id": c, "name": f"class {c}", "unseen": c == 0, "rare": c == 1, "test_pairs": IMAGES, "ap": 100 * ap[c]}
        for c in CLASSES.tolist()
    ]
    results = [{"switches": {"rule": "exact"}}]
    report = {"protocol": "exact", "mode": "default", "setting": "uo", "per_class": rows, "results": results}
    report |= {"counts": {"images": IMAGES}} | changes
    (folder / "report.json").write_text(json.dumps(report))
    evaluated.save(folder, found)
    return evaluated.load(folder)


def test_a_real_gain_is_told_from_noise(tmp_path):
    a, same, better = (
        saved(tmp_path / name, judged(seed, skill))
        for name, seed, skill in (("a", 1, 0.5), ("s", 2, 0.5), ("b", 3, 0.7))
    )
    noise = comparison.compare(a, same, resamples=200)["groups"]["full"]
    gain = comparison.compare(a, better, resamples=200)["groups"]["full"]
    assert noise["low"] < 0 < noise["high"]
    assert 0 < gain["low"] < gain["difference"] < gain["high"] and gain["share_better"] == 1
    assert gain["a"] == pytest.approx(np.mean([row["ap"] for row in a.report["per_class"]]))


def test_an_evaluation_against_itself_differs_nowhere(tmp_path):
    a = saved(tmp_path / "a", judged(1, 0.5))
    found = comparison.compare(a, a, resamples=20)
    for row in [*found["groups"].values(), *found["per_class"]]:
        assert (row["difference"], row["low"], row["high"], row["share_better"]) == (0, 0, 0, 0.5)
    assert set(found["groups"]) == {"full", "seen", "unseen", "rare", "non_rare"}


def test_groups_and_order_of_classes(tmp_path):
    a, b = saved(tmp_path / "a", judged(1, 0.5)), saved(tmp_path / "b", judged(5, 0.6))
    found = comparison.compare(a, b, resamples=20)
    by_class = {row["hoi_id"]: row for row in found["per_class"]}
    assert found["groups"]["unseen"]["difference"] == pytest.approx(by_class[0]["difference"])
    assert found["groups"]["seen"]["difference"] == pytest.approx(
        np.mean([by_class[c]["difference"] for c in (1, 2, 3, 4)])
    )
    differences = [row["difference"] for row in found["per_class"]]
    assert differences == sorted(differences, reverse=True)
    assert found == comparison.compare(a, b, resamples=20)
    json.dumps(found, allow_nan=False)


def test_a_group_that_many_draws_leave_without_annotations(tmp_path):
    found = judged(1, 0.5)
    lonely = (found.truth_hoi != 0) | (found.truth_image == 7)
    kept = (found.hoi != 0) | (found.image == 7)
    columns = {name: getattr(found, name)[kept] for name in ("row", "image", "hoi", "score", "hit")}
    found = Judged(**columns, truth_image=found.truth_image[lonely], truth_hoi=found.truth_hoi[lonely])
    a, b = saved(tmp_path / "a", found), saved(tmp_path / "b", found)
    unseen = comparison.compare(a, b, resamples=30)["groups"]["unseen"]
    assert (unseen["low"], unseen["high"], unseen["share_better"]) == (0, 0, 0.5)


def test_boxes_of_two_detectors_are_remarked(tmp_path):
    found = judged(1, 0.5)
    tiny = {"source": "hub", "name": "tiny", "digest": "1", "trained_on": "scenes"}
    other, again = tiny | {"name": "detr", "digest": "2", "trained_on": "COCO"}, tiny | {"pair_recall": 3.0}
    drawn = {"source": "noisy_truth", "name": "noisy_truth", "note": "annotated boxes; no detector was run"}
    a, b, c, d, silent = (
        saved(tmp_path / name, found, detector=whose)
        for name, whose in zip("abcde", (tiny, other, again, drawn, None), strict=True)
    )
    (note,) = comparison.compare(a, b, resamples=10)["notes"]
    assert note.endswith("A tiny, trained on scenes; B detr, trained on COCO")
    assert comparison.compare(a, d, resamples=10)["notes"][0].endswith("B annotated boxes; no detector was run")
    for same in (c, silent):
        assert comparison.compare(a, same, resamples=10)["notes"] == []


def test_other_respects_in_which_two_are_unlike_are_remarked(tmp_path):
    a = saved(tmp_path / "a", judged(1, 0.5), transductive=False, examples={})
    more = [
        *a.report["per_class"],
        {"hoi_id": 40_000, "name": "groom dog", "unseen": True, "rare": False, "test_pairs": 0},
    ]
    b = saved(tmp_path / "b", judged(2, 0.5), per_class=more, transductive=True, examples={"ride horse": 2})
    found = comparison.compare(a, b, resamples=20, names=("then", "now"))
    assert found["notes"] == [
        "now remembers example pairs (few-shot), and the other does not",
        "now learned from test pictures (transductive), and the other does not",
        "now tells groom dog apart too, which may move the other classes of their verbs",
    ]
    others = [*a.report["per_class"], more[-1] | {"name": "ride camel"}]
    c = saved(tmp_path / "c", judged(2, 0.5), per_class=others, transductive=True, examples={"ride horse": 2})
    assert comparison.compare(b, c, resamples=10)["notes"] == [
        "A tells groom dog apart too, which may move the other classes of their verbs",
        "B tells ride camel apart too, which may move the other classes of their verbs",
    ]
    backwards = comparison.compare(b, a, resamples=20)
    assert backwards["groups"]["full"]["a"] == found["groups"]["full"]["b"]
    assert len(backwards["per_class"]) == len(found["per_class"]) == len(CLASSES)
    assert comparison.draw(a).question == comparison.draw(b).question, "a class without a pair is no other question"


def test_ids_of_any_size_are_kept(tmp_path):
    found = judged(1, 0.5)
    far = Judged(**{**vars(found), "hoi": found.hoi + 70_000, "truth_hoi": found.truth_hoi + 70_000})
    saved(tmp_path / "far", found)
    evaluated.save(tmp_path / "far", far)
    assert np.array_equal(evaluated.load(tmp_path / "far").judged.truth_hoi, far.truth_hoi)


def test_unlike_evaluations_are_refused(tmp_path):
    a = saved(tmp_path / "a", judged(1, 0.5))
    b = saved(tmp_path / "b", judged(1, 0.5), protocol="upt")
    with pytest.raises(DataError, match="has protocol exact"):
        comparison.compare(a, b)
    other = judged(1, 0.5)
    other.truth_hoi[0] = 4
    with pytest.raises(DataError, match="evaluated on different annotations"):
        comparison.compare(a, saved(tmp_path / "c", other))
    with pytest.raises(DataError, match="not the folder of an evaluation"):
        evaluated.load(tmp_path)
