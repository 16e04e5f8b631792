"""Box AP and pair recall, worked out by hand."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes import quality
from pipeline.boxes.quality import box_ap, merged, pair_recall, report
from pipeline.config.model import Pairing
from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.hico.vocabulary import HICO

IMAGES = pd.DataFrame({"image_id": [1, 2]})
BOXES = pd.DataFrame(
    [(1, 0, 0, 0, 50, 100), (1, 17, 60, 0, 160, 100), (2, 0, 0, 0, 50, 100), (2, 0, 100, 0, 150, 100)],
    columns=["image_id", "object_id", *CORNERS],
)
PAIRS = pd.DataFrame(
    [(1, 17, 0, 0, 50, 100, 60, 0, 160, 100), (2, 0, 0, 0, 50, 100, 100, 0, 150, 100)],
    columns=["image_id", "object_id", *(f"{s}{c}" for s in "ho" for c in CORNERS)],
)
NAMED = HICO.objects


def scored(boxes: pd.DataFrame, scores: float | list[float] = 0.9) -> pd.DataFrame:
    return boxes.assign(score=scores)


def test_true_boxes_score_100() -> None:
    found = box_ap(scored(BOXES), BOXES, NAMED)
    assert (found["ap"], found["ap50"], found["ap_person"], found["ap_objects"]) == (100, 100, 100, 100)
    assert found["classes"]["person"] == {"annotated": 3, "ap": 100.0, "recall50": 100.0}
    assert pair_recall(scored(BOXES), PAIRS) == 100


def test_a_shifted_box_counts_up_to_its_overlap() -> None:
    moved = BOXES.copy()
    moved.loc[1, ["x1", "x2"]] += 20  # the horse: IoU 80 / 120 = 2/3
    found = box_ap(scored(moved), BOXES, NAMED)
    assert found["ap50"] == 100
    assert found["ap_objects"] == pytest.approx(40)  # matched at 0.5, 0.55, 0.6 and 0.65 of ten thresholds
    assert found["ap_person"] == 100
    assert found["ap"] == pytest.approx(70)


def test_a_missed_person_lowers_recall() -> None:
    found = box_ap(scored(BOXES.drop(index=2)), BOXES, NAMED)
    assert found["classes"]["person"]["recall50"] == pytest.approx(66.67)
    assert found["ap_person"] == pytest.approx(67 / 101 * 100, abs=0.01)  # precision 1 up to recall 2/3
    assert pair_recall(scored(BOXES.drop(index=2)), PAIRS) == 50


def test_one_box_is_not_both_sides_of_a_pair() -> None:
    alone = PAIRS.iloc[[1]].assign(ox1=0.0, ox2=50.0)  # 'another person' in the same place
    assert pair_recall(scored(BOXES.iloc[[2]]), alone) == 0
    assert pair_recall(scored(BOXES.iloc[[2, 2]]), alone) == 100


def test_the_objects_label_counts() -> None:
    assert pair_recall(scored(BOXES.assign(object_id=[0, 18, 0, 0])), PAIRS) == 50


def test_thresholds_cost_recall() -> None:
    weak = scored(BOXES, [0.9, 0.1, 0.9, 0.1])
    strict = Pairing(score_threshold=0.2, min_instances=1)
    assert pair_recall(weak, PAIRS, strict) == 50  # the horse stays as the best object, the second person goes
    assert pair_recall(weak, PAIRS, Pairing()) == 100  # three of each at least


def test_annotators_boxes_of_the_same_person_are_one() -> None:
    twice = pd.concat([BOXES, BOXES.assign(x2=BOXES["x2"] + 4)], ignore_index=True)
    assert merged(twice).sort_index().equals(BOXES)
    assert box_ap(scored(BOXES), twice, NAMED)["ap"] == 100


def test_without_boxes_or_annotations_nothing_fails() -> None:
    found = report(found=scored(BOXES.iloc[:0]), images=IMAGES, boxes=BOXES, pairs=PAIRS, objects=NAMED, split="test")
    assert quality.summary(found) == {
        "ap": 0.0,
        "ap50": 0.0,
        "ap_person": 0.0,
        "ap_objects": 0.0,
        "pair_recall_ceiling": 0.0,
    }
    empty = {"images": IMAGES[:0], "boxes": BOXES[:0], "pairs": PAIRS[:0]}
    found = report(found=scored(BOXES), **empty, objects=NAMED, split="train")
    assert found["images"] == found["boxes"]["annotated"] == found["pairs"]["annotated"] == 0


def test_boxes_of_another_split_do_not_count() -> None:
    of_first = {name: table[table["image_id"] == 1] for name, table in (("boxes", BOXES), ("pairs", PAIRS))}
    more = pd.concat([scored(BOXES), scored(BOXES.assign(image_id=9), 0.95)])
    found = report(found=more, images=IMAGES[:1], **of_first, objects=NAMED, split="test")
    assert found["images"] == 1 and found["boxes"]["ap"] == 100


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100), st.floats(0, 1), st.floats(0.05, 1), st.integers(1, 5), st.integers(1, 15))
def test_no_threshold_beats_all_boxes(seed: int, threshold: float, nms: float, least: int, most: int) -> None:
    noise = BOXES[CORNERS].sample(frac=1, random_state=seed).to_numpy() * 0.1
    found = pd.concat([scored(BOXES, 0.4), scored(BOXES.assign(**dict(zip(CORNERS, noise.T, strict=True))), 0.7)])
    pairing = Pairing(
        score_threshold=min(threshold, 0.99), nms=nms, min_instances=least, max_instances=max(least, most)
    )
    assert pair_recall(found, PAIRS, pairing) <= pair_recall(found, PAIRS)
