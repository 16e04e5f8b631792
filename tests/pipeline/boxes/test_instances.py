"""Detections of a split against annotated pairs."""

import pandas as pd
import torch

from pipeline.boxes.augmentation import Transform
from pipeline.boxes.instances import Annotated, Detected
from pipeline.config.model import Pairing

SIZES = {1: (100, 50), 2: (100, 50)}
DETECTIONS = pd.DataFrame(
    [(1, 0, 0.9, 0, 0, 50, 50), (1, 17, 0.8, 40, 10, 100, 50), (1, 3, 0.7, 0, 0, 10, 10)],
    columns=["image_id", "object_id", "score", "x1", "y1", "x2", "y2"],
)
PAIRS = pd.DataFrame(
    [(1, 150, 0, 0, 50, 48, 45, 10, 100, 50), (1, 151, 0, 0, 20, 20, 40, 10, 100, 50)],
    columns=["image_id", "hoi_id", "hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"],
)


def test_pairs_match_where_both_boxes_overlap_by_half() -> None:
    detected = Detected(DETECTIONS, sizes=SIZES, pairing=Pairing())
    found = detected.batch([2, 1])
    assert found.pairs.tolist() == [[1, 0, 1], [1, 0, 2]]
    pair, hoi = Annotated(PAIRS, sizes=SIZES, hois=[150, 151]).matches([2, 1], found)
    assert (pair.tolist(), hoi.tolist()) == ([0], [150])  # 151's person is a small part of the detected one


def test_labels_of_other_classes_are_removed() -> None:
    found = Detected(DETECTIONS, sizes=SIZES, pairing=Pairing()).batch([1])
    pair, _ = Annotated(PAIRS, sizes=SIZES, hois=[151]).matches([1], found)
    assert len(pair) == 0


def test_mirroring_boxes_and_annotations_keeps_the_matches() -> None:
    detected = Detected(DETECTIONS, sizes=SIZES, pairing=Pairing())
    found = detected.batch([1], [Transform(mirrored=True)])
    torch.testing.assert_close(found.boxes[0, 0], torch.tensor([0.5, 0, 1, 1]))
    pair, hoi = Annotated(PAIRS, sizes=SIZES, hois=[150]).matches([1], found, [Transform(mirrored=True)])
    assert (pair.tolist(), hoi.tolist()) == ([0], [150])


def test_a_window_changes_which_boxes_are_seen_and_which_pairs_exist() -> None:
    detected = Detected(DETECTIONS, sizes=SIZES, pairing=Pairing())
    annotated = Annotated(PAIRS, sizes=SIZES, hois=[150])
    whole = [Transform(window=(0, 0, 100, 50))]
    found = detected.batch([1], whole)
    assert found.boxes.equal(detected.batch([1]).boxes)
    assert annotated.matches([1], found, whole)[1].tolist() == [150]
    left = [Transform(window=(0, 0, 44, 50))]
    found = detected.batch([1], left)
    assert found.labels.tolist() == [[0, 17, 3]]
    torch.testing.assert_close(found.boxes[0, 0], torch.tensor([0, 0, 1, 1.0]))
    right = [Transform(window=(60, 0, 100, 50))]  # nobody is left
    found = detected.batch([1], right)
    assert found.labels.tolist() == [[17]] and len(found.pairs) == 0
    assert len(annotated.matches([1], found, right)[0]) == 0


def test_boxes_that_count_only_in_a_window_are_found_among_the_raw_ones() -> None:
    crowd = pd.DataFrame(
        [(1, 0, 0.9 - i / 100, 3 * i, 0, 3 * i + 3, 50) for i in range(20)], columns=DETECTIONS.columns
    )
    detected = Detected(crowd, sizes=SIZES, pairing=Pairing(max_instances=5))
    assert detected.batch([1]).scores[0].min() > 0.85
    seen = detected.batch([1], [Transform(window=(30, 0, 60, 50))])
    torch.testing.assert_close(seen.scores[0], torch.tensor([0.8, 0.79, 0.78, 0.77, 0.76]))
