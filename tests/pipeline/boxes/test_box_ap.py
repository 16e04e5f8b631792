"""COCO's box AP: the numbers of pycocotools, whatever the boxes."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes.box_ap import Boxes, distinct, precision_recall

CLASSES, IMAGES = 3, 4


def drawn(source: np.random.Generator, count: int, *, spread: int) -> Boxes:
    """Boxes around few places, so that they overlap, equal ones among them; some without area."""
    start = source.integers(0, 3, (count, 2)) * 40 + source.integers(0, spread, (count, 2))
    size = source.integers(0, 3, (count, 2)) * 20 + source.integers(0, spread, (count, 2))
    return Boxes(
        image=source.integers(1, IMAGES + 1, count),
        label=source.integers(0, CLASSES, count),
        corners=np.concatenate([start, start + size], axis=1).astype(np.float64),
    )


def by_pycocotools(found: Boxes, scores: np.ndarray, truth: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall as the library has them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def xywh(boxes: Boxes) -> np.ndarray:
        return np.concatenate([boxes.corners[:, :2], boxes.corners[:, 2:] - boxes.corners[:, :2]], axis=1)

    known = COCO()
    known.dataset = {
        "images": [{"id": i} for i in range(1, IMAGES + 1)],
        "categories": [{"id": c} for c in range(CLASSES)],
        "annotations": [
            {"id": n, "image_id": int(i), "category_id": int(c), "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, c, b) in enumerate(zip(truth.image, truth.label, xywh(truth).tolist(), strict=True), 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        known.createIndex()
        guess = known.loadRes(np.column_stack([found.image, xywh(found), scores, found.label]))
        run = COCOeval(known, guess, "bbox")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, :, 0, -1], run.eval["recall"][:, :, 0, -1]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 150), st.integers(1, 40), st.sampled_from([1, 4, 20]))
def test_numbers_are_those_of_pycocotools(seed: int, boxes: int, annotated: int, spread: int) -> None:
    source = np.random.default_rng(seed)
    found, truth = drawn(source, boxes, spread=spread), drawn(source, annotated, spread=spread)
    scores = source.integers(0, 8, boxes) / 8  # many are equal
    for ours, theirs in zip(
        precision_recall(found, scores, truth, classes=CLASSES), by_pycocotools(found, scores, truth), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_more_than_a_hundred_boxes_of_a_class_and_image_do_not_count() -> None:
    far, near = [[500.0, 500, 510, 510]] * 100, [[0.0, 0, 10, 10]]
    found = Boxes(
        image=np.ones(101, np.int64), label=np.zeros(101, np.int64), corners=np.array(far + near, dtype=np.float64)
    )
    truth = Boxes(image=np.array([1]), label=np.array([0]), corners=np.array(near))
    last = precision_recall(found, np.linspace(1, 0, 101), truth, classes=1)
    first = precision_recall(found, np.linspace(0, 1, 101), truth, classes=1)
    assert last[1].max() == 0 and first[1].min() == 1


def test_the_first_of_boxes_that_repeat_each_other_stays() -> None:
    corners = np.array([[0, 0, 100, 100], [0, 0, 100, 80], [0, 0, 100, 60], [0, 0, 100, 80], [0, 0, 100, 80.0]])
    boxes = Boxes(image=np.array([1, 1, 1, 2, 1]), label=np.array([0, 0, 0, 0, 5]), corners=corners)
    # The second overlaps the first by 0.8 and goes; the third overlaps the second by 0.75, but the first by 0.6 only.
    assert distinct(boxes, overlap=0.7).tolist() == [0, 2, 3, 4]
    assert distinct(boxes.take(np.zeros(0, np.int64)), overlap=0.7).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_boxes_that_stay_are_those_of_non_maximum_suppression(seed: int) -> None:
    import torch
    from torchvision.ops import batched_nms

    boxes = drawn(np.random.default_rng(seed), 80, spread=10)
    same_image = boxes.image * CLASSES + boxes.label
    kept = batched_nms(
        torch.tensor(boxes.corners), torch.ones(80, dtype=torch.float64), torch.from_numpy(same_image), 0.7
    )
    assert distinct(boxes, overlap=0.7).tolist() == sorted(kept.tolist())
