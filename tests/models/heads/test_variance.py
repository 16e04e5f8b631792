"""Variances of verbs and their groups by hand; and that pairs of unseen classes say nothing."""

import torch

from models.heads.variance import of_groups, of_verbs, spread


def test_variances_by_hand() -> None:
    features = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0], [1.0, 1.0]])
    shown = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.bool)
    variances, there = of_verbs(features, shown)
    # Verb 0: 0, 2, 4 and 1, 1, 7: variances 4 and 12. Verb 1 has one pair, verb 2 none.
    assert torch.allclose(variances, torch.tensor([[4.0, 12.0], [0.0, 0.0], [0.0, 0.0]]))
    assert there.tolist() == [True, False, False]


def test_a_pair_that_no_seen_class_matches_says_nothing() -> None:
    """The leak rule: what is labelled with an unseen class has no label here, and its features must not count."""
    features, shown = torch.randn(6, 4), torch.zeros(6, 2, dtype=torch.bool)
    shown[:3, 0] = True
    before = of_verbs(features, shown)
    features[3:] = 1e3
    after = of_verbs(features, shown)
    assert torch.equal(before[0], after[0]) and after[1].tolist() == [True, False]


def test_a_group_is_the_nearest_verbs_that_have_a_variance() -> None:
    texts = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    variances = torch.tensor([[1.0, 1.0], [3.0, 5.0], [7.0, 7.0], [0.0, 0.0]])
    there = torch.tensor([True, True, True, False])
    found = of_groups(variances, there, texts, size=2)
    assert torch.allclose(found, torch.tensor([[2.0, 3.0], [2.0, 3.0], [5.0, 6.0], [5.0, 6.0]]))
    whole = of_groups(variances, there, texts, size=9)
    assert torch.allclose(whole, variances[:3].mean(dim=0).expand(4, 2))
    assert not of_groups(variances, torch.zeros(4, dtype=torch.bool), texts).any()


def test_the_spread_has_the_size_of_the_text_and_the_shape_of_the_variance() -> None:
    found = spread(torch.tensor([[1.0, 9.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [1.0, 1.0]]))
    # Deviations 1, 3, their mean 2; the text's numbers deviate by sqrt(8).
    assert torch.allclose(found, torch.tensor([[0.5, 1.5], [0.0, 0.0]]) * 8**0.5)
