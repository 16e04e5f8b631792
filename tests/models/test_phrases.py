"""Phrase selection (Eq. 12), nearest seen class, verb logits."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.phrases import nearest, select


def unit(rows: list[list[float]]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=-1)


def test_keeps_the_least_similar_pair_of_a_verb() -> None:
    rows = unit([[1, 0], [1, 0.1], [0, 1], [1, 1]])
    assert select(rows, [7, 7, 7, 9]) == [0, 2, 3]


def test_one_phrase_a_verb_and_three() -> None:
    rows = unit([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    assert len(select(rows, [1, 1, 1, 1], per_verb=1)) == 1
    assert select(rows, [1, 1, 1, 1], per_verb=3) == [0, 1, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(1, 3))
def test_every_verb_keeps_what_it_has_up_to_the_limit(verbs: list[int], per_verb: int) -> None:
    rows = torch.nn.functional.normalize(torch.randn(len(verbs), 6, generator=torch.Generator().manual_seed(0)), dim=-1)
    kept = select(rows, verbs, per_verb=per_verb)
    assert kept == sorted(set(kept))
    for verb in set(verbs):
        assert sum(verbs[i] == verb for i in kept) == min(per_verb, verbs.count(verb))


def test_nearest_is_the_most_similar_seen_class() -> None:
    assert nearest(unit([[1, 0.2], [0.1, 1]]), unit([[0, 1], [1, 0]])).tolist() == [1, 0]
