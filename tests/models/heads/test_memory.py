"""ADA-CM's memory in numbers that were computed by hand, and against the formula with all rows kept."""

import math

import pytest
import torch
from made_heads import EXAMPLES, TEXTS

from models.heads import memory
from models.heads.kinds import MemoryOptions
from models.heads.memory import Memory
from models.heads.record import PairRecord

X, Y = [1.0, 0.0], [0.0, 1.0]
SLANT = [0.6, 0.8]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values)


def test_a_verb_is_the_mean_of_its_rows_and_lengths_do_not_count() -> None:
    found = memory.remember({"union": rows([5.0, 0.0], Y)}, torch.tensor([[1, 0, 0], [1, 1, 0]]))
    assert found.means["union"].tolist() == [[0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]
    assert found.counts["union"].tolist() == [2, 1, 0]


def test_the_affinity_by_hand() -> None:
    """Verb 0 has two rows, verb 1 one: phi_HO is half the product of [h; o], phi_U that of u, and each counts half."""
    kept = memory.remember(
        {"human": rows(X, Y, Y), "object": rows(X, X, SLANT), "union": rows(SLANT, X, Y)},
        torch.tensor([[1, 0], [1, 0], [0, 1]]),
    )
    query = {"human": rows([2.0, 0.0]), "object": rows(Y), "union": rows(X)}
    of_pair = [0.5 * ((1 + 0) / 2 + (0 + 0) / 2), 0.5 * (0 + 0.8)]  # phi_HO
    of_union = [(0.6 + 1) / 2, 0.0]  # phi_U
    wanted = [[0.5 * a + 0.5 * b for a, b in zip(of_pair, of_union, strict=True)]]
    torch.testing.assert_close(memory.affinity(kept, query), torch.tensor(wanted))
    text = torch.tensor([[0.3, 0.1]])
    found = memory.logits(torch.tensor(wanted), text)
    torch.testing.assert_close(found, torch.tensor([[(wanted[0][0] + 0.3) / 2, (wanted[0][1] + 0.1) / 2]]))


def test_means_are_the_formula_with_every_row_kept() -> None:
    """phi = x M^T L / n, M the unit rows and L their multi-hot labels."""
    generator = seeded()
    features = {name: torch.randn(12, 5, generator=generator) for name in memory.WEIGHTS}
    queries = {name: torch.randn(4, 5, generator=generator) for name in memory.WEIGHTS}
    labels = torch.rand(12, 3, generator=generator) < 0.5
    labels[0] = True

    def unit(x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=1, keepdim=True)

    def phi(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        return x @ m.T @ labels.float() / labels.sum(dim=0)

    both = [torch.cat([unit(f["human"]), unit(f["object"])], dim=1) for f in (queries, features)]
    wanted = 0.5 * (0.5 * phi(*both)) + 0.5 * phi(unit(queries["union"]), unit(features["union"]))
    found = memory.affinity(memory.remember(features, labels), queries)
    torch.testing.assert_close(found, wanted)


def test_a_verb_without_a_row_is_neither_favoured_nor_punished() -> None:
    kept = memory.remember({"union": rows(X, SLANT)}, torch.tensor([[1, 0, 0], [0, 0, 1]]))
    found = memory.affinity(kept, {"union": rows(X)}, {"union": 1.0})
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.8, 0.6]]))
    empty = memory.remember({"union": torch.zeros(0, 2)}, torch.zeros(0, 3, dtype=torch.bool))
    assert memory.affinity(empty, {"union": rows(X)}, {"union": 1.0}).tolist() == [[0.0, 0.0, 0.0]]


def test_memories_add_up_to_the_memory_of_all_rows() -> None:
    generator = seeded()
    features, labels = torch.randn(9, 4, generator=generator), torch.rand(9, 3, generator=generator) < 0.4
    whole = memory.remember({"human": features}, labels)
    one, two = (memory.remember({"human": features[some]}, labels[some]) for some in (slice(4), slice(4, 9)))
    torch.testing.assert_close((one + two).means["human"], whole.means["human"])
    assert torch.equal((one + two).counts["human"], whole.counts["human"])
    alone = Memory({"union": torch.eye(3)}, {"union": torch.tensor([1, 1, 2])})
    joined = alone + one
    assert torch.equal(joined.means["union"], torch.eye(3))
    assert torch.equal(joined.means["human"], one.means["human"])


@pytest.mark.parametrize("per_verb", [1, 3])
def test_a_few_rows_of_every_verb_are_chosen(per_verb: int) -> None:
    labels = torch.zeros(40, 4, dtype=torch.bool)
    labels[:30, 0], labels[30:, 1], labels[5, 2] = True, True, True  # of verb 3 there is no row
    found = memory.choose(labels, generator=seeded(), per_verb=per_verb)
    assert found.tolist() == sorted(set(found.tolist()))
    assert 5 in found.tolist()
    counts = labels[found].sum(dim=0).tolist()
    assert counts[0] in (per_verb, per_verb + 1)  # row 5 may be a further one of verb 0
    assert counts[1:] == [per_verb, 1, 0]
    assert torch.equal(found, memory.choose(labels, generator=seeded(), per_verb=per_verb))
    assert not torch.equal(found, memory.choose(labels, generator=seeded(1), per_verb=per_verb))


def test_an_unseen_class_is_composed_of_its_verb_and_its_object() -> None:
    horse, boat = 7, 3
    # ride horse, wash horse, ride boat, wash boat
    labels = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=torch.bool)
    objects = torch.tensor([horse, horse, boat, boat])
    human, thing, verb = memory.compose(labels, objects, [(0, boat), (1, horse), (0, 99)], generator=seeded(), most=100)
    # Of ride boat: the rider of the horse and the washed boat. Of wash horse: who washes the boat, and the ridden horse.
    assert list(zip(human.tolist(), thing.tolist(), verb.tolist(), strict=True)) == [(0, 3, 0), (3, 0, 1)]


def test_no_more_rows_are_composed_than_wanted() -> None:
    labels = torch.tensor([[1, 0]] * 20 + [[0, 1]] * 20, dtype=torch.bool)
    objects = torch.tensor([1] * 20 + [2] * 20)
    human, thing, verb = memory.compose(labels, objects, [(0, 2)], generator=seeded(), most=6)
    assert 1 <= len(human) <= 6 and set(verb.tolist()) == {0}
    assert max(human.tolist()) < 20 <= min(thing.tolist())
    again = memory.compose(labels, objects, [(0, 2)], generator=seeded(), most=6)
    assert torch.equal(human, again[0]) and torch.equal(thing, again[1])
    assert len(memory.compose(labels, objects, [], generator=seeded(), most=100)[0]) == 0


def test_the_head_scores_among_the_verbs_of_the_object() -> None:
    """Two verbs of object 1, and a third, of object 0 alone, that takes no share."""
    head = memory.MemoryHead(
        **{name: rows(X, Y, X) for name in memory.WEIGHTS},
        pairs=torch.tensor([1, 1, 1]),
        unions=torch.tensor([1, 1, 1]),
        text=rows(SLANT, Y, X),
        valid=torch.tensor([[0, 0, 1], [1, 1, 0]], dtype=torch.bool),
    )
    pair = PairRecord(
        objects=torch.tensor([1]),
        prior=torch.ones(1),
        feature=rows(X),
        human=rows(X),
        object=rows(Y),
        union=rows(SLANT),
    )
    one = (0.25 * 1 + 0.25 * 0 + 0.5 * 0.6 + 1.0) / 2
    two = (0.25 * 0 + 0.25 * 1 + 0.5 * 0.8 + 0.8) / 2
    torch.testing.assert_close(head.logits(pair)[:, :2], torch.tensor([[one, two]]))
    chance = 1 / (1 + math.exp((two - one) / 0.05))
    torch.testing.assert_close(head.scores(pair), torch.tensor([[chance, 1 - chance, 0.0]]))


def test_the_head_remembers_seen_pairs_and_composes_the_unseen_class() -> None:
    head = memory.MemoryHead.fresh(
        texts=TEXTS, examples=EXAMPLES, options=MemoryOptions(pairs=1000, composed=0), generator=seeded()
    )
    regions, shown = EXAMPLES.pairs.regions(), EXAMPLES.shown
    wanted = memory.remember(regions, shown)
    torch.testing.assert_close(head.union, wanted.means["union"])
    assert torch.equal(head.pairs, shown.sum(dim=0))
    with_rows = memory.MemoryHead.fresh(
        texts=TEXTS, examples=EXAMPLES, options=MemoryOptions(pairs=1000, composed=50), generator=seeded()
    )
    assert torch.equal(with_rows.union, head.union) and torch.equal(with_rows.human[1:], head.human[1:])
    assert not torch.equal(with_rows.object[0], head.object[0])  # verb 0 is the unseen class's
    assert with_rows.pairs[0] > head.pairs[0] and torch.equal(with_rows.unions, head.unions)


def test_a_record_without_regions_is_refused() -> None:
    with pytest.raises(ValueError, match="no features of regions"):
        PairRecord(objects=torch.zeros(1), prior=torch.ones(1), feature=rows(X), human=rows(X)).regions()
