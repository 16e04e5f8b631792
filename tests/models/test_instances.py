"""Selection of detections and the pairs they form."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fusion import box_features
from models.instances import collate, select

RULE = {"score_threshold": 0.2, "nms": 0.5, "least": 3, "most": 4}


def boxes(count: int) -> torch.Tensor:
    """Boxes that do not overlap."""
    left = torch.arange(count) * 10.0
    return torch.stack([left, left * 0, left + 5, left * 0 + 5], dim=1)


def test_humans_first_each_group_by_score() -> None:
    kept = select(boxes(4), torch.tensor([0.3, 0.9, 0.8, 0.5]), torch.tensor([2, 0, 2, 0]), **RULE)
    assert kept.tolist() == [1, 3, 2, 0]


def test_weak_detections_stay_only_to_reach_the_least() -> None:
    scores = torch.tensor([0.9, 0.1, 0.05, 0.04, 0.03])
    kept = select(boxes(5), scores, torch.zeros(5, dtype=torch.long), **RULE)
    assert kept.tolist() == [0, 1, 2]


def test_nms_removes_the_weaker_of_two_of_a_class_only() -> None:
    same = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9]])
    kept = select(same, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([5, 5, 6]), **RULE)
    assert kept.tolist() == [0, 2]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.01, 1)), max_size=15))
def test_group_sizes_keep_their_bounds(found: list[tuple[int, float]]) -> None:
    labels = torch.tensor([c for c, _ in found], dtype=torch.long)
    scores = torch.tensor([s for _, s in found])
    kept = select(boxes(len(found)), scores, labels, **RULE)
    for human in (True, False):
        group = int(((labels == 0) == human).sum())
        assert min(group, 3) <= int(((labels[kept] == 0) == human).sum()) <= min(group, 4)


def test_pairs_are_every_human_with_every_other_instance() -> None:
    one = (boxes(3), torch.ones(3), torch.tensor([0, 0, 7]))
    none = (boxes(1), torch.ones(1), torch.tensor([7]))
    found = collate([none, one])
    assert found.pairs.tolist() == [[1, 0, 1], [1, 0, 2], [1, 1, 0], [1, 1, 2]]
    assert found.present.tolist() == [[True, False, False], [True, True, True]]


def test_box_features_read_the_patches_under_the_box() -> None:
    tokens = torch.zeros(1, 1 + 16, 2)
    grid = torch.zeros(4, 4, 2)
    grid[:, :2, 0] = 1  # the left half says (1, 0), the right half (0, 1)
    grid[:, 2:, 1] = 1
    tokens[:, 1:] = grid.reshape(16, 2)
    halves = torch.tensor([[0.0, 0, 0.3, 1], [0.7, 0, 1, 1]])
    found = collate([(halves, torch.ones(2), torch.tensor([0, 1]))])
    features = box_features(tokens, found, grid=4, size=7)
    torch.testing.assert_close(features[0], torch.eye(2), atol=1e-4, rtol=0)
