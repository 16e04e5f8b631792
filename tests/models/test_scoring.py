"""From logits to scores, in numbers that were computed by hand, for both presets and all scopes."""

import itertools
import math
from typing import Any

import pytest
import torch

from models.scoring import (
    class_scores,
    in_scope,
    phrase_logits,
    probabilities,
    scoped_verb_logits,
    untrained_scores,
    verb_logits,
)

HORSE, BOAT = 7, 3
PAIR_OBJECTS = torch.tensor([HORSE, BOAT])
PHRASES: dict[str, Any] = {  # ride horse (seen), ride boat (unseen), feed horse (unseen): verbs 0, 0, 2 of three
    "phrase_objects": torch.tensor([HORSE, BOAT, HORSE]),
    "phrase_verbs": torch.tensor([0, 0, 2]),
    "unseen": torch.tensor([False, True, True]),
    "verbs": 3,
}
GUIDED = torch.tensor([[1.0, 3.0, 4.0], [0.0, -2.0, 1.0]])
ADAPTED = torch.tensor([[1.0, 7.0, -4.0], [0.0, 6.0, 5.0]])
"""What two pairs say to the phrases, before and after UTPL."""
EYE = torch.eye(2)
"""Two pairs whose products with a text are its two numbers; twice half of the scale is 1."""


def verb_scores(
    guided: torch.Tensor, adapted: torch.Tensor, *, pairs: torch.Tensor = EYE, **given: Any
) -> torch.Tensor:
    """Probabilities of the verbs by the rule, where phrases have these logits (P, C) with the pairs."""
    logits = scoped_verb_logits(pairs, guided.T, adapted.T, scale=2.0, preset="released", **given, **PHRASES)
    return probabilities(logits, PHRASES["phrase_verbs"])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_in_preset_paper_logits_are_scaled_cosines() -> None:
    pairs, text = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    torch.testing.assert_close(phrase_logits(pairs, text, 10.0), torch.tensor([[6.0, 8.0], [0.0, 0.0]]))


def test_in_preset_released_logits_are_dot_products_times_half_of_the_scale() -> None:
    pairs, text = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    assert phrase_logits(pairs, text, 10.0, preset="released").tolist() == [[30.0, 100.0]]


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_the_scale_learns(preset: str) -> None:
    scale = torch.tensor(10.0, requires_grad=True)
    pairs, text = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
    phrase_logits(pairs, text, scale, preset=preset).sum().backward()  # type: ignore[arg-type]
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx({"paper": 0.6, "released": 1.5}[preset])


def test_a_verbs_logit_is_the_mean_of_its_phrases() -> None:
    found = verb_logits(torch.tensor([[1.0, 3.0, 5.0]]), torch.tensor([0, 0, 2]), 4)
    assert found.tolist() == [[2.0, 0.0, 5.0, 0.0]]


def test_an_adapted_phrase_speaks_for_pairs_with_its_object_or_for_all() -> None:
    own = in_scope(PAIR_OBJECTS, PHRASES["phrase_objects"], scope="own_object")
    assert own.tolist() == [[True, False, True], [False, True, False]]
    every = in_scope(PAIR_OBJECTS, PHRASES["phrase_objects"], scope="verb")
    assert every.tolist() == [[True, True, True], [True, True, True]]


def test_own_object_an_adapted_phrase_is_heard_where_its_object_is() -> None:
    """The horse hears the guided "ride boat" and the adapted "feed horse"; the boat the other way round."""
    found = verb_scores(GUIDED, ADAPTED, pair_objects=PAIR_OBJECTS, scope="own_object")
    wanted = [[sigmoid((1 + 3) / 2), 0.0, sigmoid(-4)], [sigmoid((0 + 6) / 2), 0.0, sigmoid(1)]]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_own_class_an_unseen_phrase_is_heard_for_its_class_or_where_nothing_else_is_said() -> None:
    """The horse hears no "ride boat", which has a seen phrase beside it; the boat hears "feed horse" as it was before."""
    found = verb_scores(GUIDED, ADAPTED, pair_objects=PAIR_OBJECTS, scope="own_class")
    wanted = [[sigmoid(1), 0.0, sigmoid(-4)], [sigmoid((0 + 6) / 2), 0.0, sigmoid(1)]]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_verb_an_adapted_phrase_is_heard_everywhere() -> None:
    found = verb_scores(GUIDED, ADAPTED, pair_objects=PAIR_OBJECTS, scope="verb")
    wanted = [[sigmoid((1 + 7) / 2), 0.0, sigmoid(-4)], [sigmoid((0 + 6) / 2), 0.0, sigmoid(5)]]
    torch.testing.assert_close(found, torch.tensor(wanted))


@pytest.mark.parametrize("scope", ["own_class", "own_object", "verb"])
@pytest.mark.parametrize("preset", ["paper", "released"])
def test_averaging_texts_is_averaging_logits(preset: Any, scope: Any) -> None:
    """Against the rule written out: logits of all phrases, the feature that counts or none, and their mean."""
    draw = torch.Generator().manual_seed(0)
    pairs, guided = torch.randn(50, 16, generator=draw), torch.randn(30, 16, generator=draw)
    unseen = torch.rand(30, generator=draw) < 0.4
    adapted = torch.where(unseen[:, None], torch.randn(30, 16, generator=draw), guided)
    mine, theirs = (torch.randint(0, 4, (n,), generator=draw) for n in (50, 30))
    verbs = torch.randint(0, 7, (30,), generator=draw)
    given: Any = {"scale": 9.0, "preset": preset}
    before, after = (phrase_logits(pairs, text, **given) for text in (guided, adapted))
    said = torch.where(in_scope(mine, theirs, scope=scope), after, before)
    wanted = torch.zeros(50, 8)
    for pair, verb in itertools.product(range(50), range(8)):
        stand = [c for c in range(30) if verbs[c] == verb]
        seen = [c for c in stand if not unseen[c]]
        if scope == "own_class" and seen:
            stand = [c for c in stand if c in seen or theirs[c] == mine[pair]]
        if stand:
            wanted[pair, verb] = said[pair, stand].mean()
    place: Any = {"pair_objects": mine, "phrase_objects": theirs, "phrase_verbs": verbs, "verbs": 8}
    found = scoped_verb_logits(pairs, guided, adapted, unseen=unseen, scope=scope, **given, **place)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)
    if scope == "own_object":  # not by rounding either: nothing of UTPL reaches pairs of other objects
        alike = ~torch.isin(mine, theirs[unseen])
        plain = scoped_verb_logits(pairs, guided, guided, unseen=unseen, scope=scope, **given, **place)
        assert found[alike].equal(plain[alike])


def test_own_class_seen_classes_score_as_by_seen_phrases_alone() -> None:
    draw = torch.Generator().manual_seed(1)
    pairs, text = torch.randn(40, 16, generator=draw), torch.randn(12, 16, generator=draw)
    verbs, objects = torch.arange(12) % 3, torch.arange(12) // 3
    unseen = torch.arange(12) % 5 == 0
    mine = torch.randint(0, 4, (40,), generator=draw)
    given: Any = {"scale": 9.0, "pair_objects": mine, "verbs": 3, "scope": "own_class"}
    adapted = torch.where(unseen[:, None], -text, text)
    whole = scoped_verb_logits(pairs, text, adapted, phrase_objects=objects, phrase_verbs=verbs, unseen=unseen, **given)
    kept = ~unseen
    alone = scoped_verb_logits(
        *(pairs, text[kept], text[kept]),
        phrase_objects=objects[kept],
        phrase_verbs=verbs[kept],
        unseen=unseen[kept],
        **given,
    )
    of_seen = torch.ones(40, 3, dtype=torch.bool)
    for c in unseen.nonzero().flatten().tolist():
        of_seen[mine == objects[c], verbs[c]] = False
    assert of_seen.any() and not of_seen.all()
    torch.testing.assert_close(whole[of_seen], alone[of_seen], atol=1e-5, rtol=0)
    assert (whole[~of_seen] - alone[~of_seen]).abs().min() > 1e-3


def test_a_verb_without_phrase_scores_nothing() -> None:
    found = verb_scores(GUIDED, ADAPTED, pair_objects=PAIR_OBJECTS, scope="verb")
    assert found[:, 1].tolist() == [0.0, 0.0]  # not sigmoid(0) = 0.5


def test_the_prior_stands_before_the_verb_to_the_power_of_tau() -> None:
    verbs, prior = torch.tensor([[0.5, 0.25], [1.0, 0.0]]), torch.tensor([0.5, 0.25])
    found = class_scores(verbs, prior, tau=2.0)
    assert found.dtype == torch.float64
    assert found.tolist() == [[0.125, 0.0625], [0.0625, 0.0]]


def test_untrained_classes_compete_within_their_object_only() -> None:
    features, text = torch.tensor([[0.6, 0.8]]), torch.tensor([[0.6, 0.8], [0.6, 0.78], [1.0, 0.0]])
    found = untrained_scores(features, text, torch.tensor([[1, -1, 0]]))
    best = 1 / (1 + math.exp(-100 * 0.8 * 0.02))
    assert found[0].tolist() == pytest.approx([1 - best, 0.0, best], rel=1e-4)


def test_an_object_without_classes_gets_no_probability() -> None:
    assert untrained_scores(torch.eye(2), torch.eye(2), torch.full((2, 3), -1)).tolist() == [[0.0] * 3] * 2


def test_no_pairs_no_scores() -> None:
    none = torch.zeros(0, 3)
    found = verb_scores(
        none, none, pairs=none[:, :0], pair_objects=torch.zeros(0, dtype=torch.long), scope="own_object"
    )
    assert class_scores(found, torch.zeros(0), tau=2.8).shape == (0, 3)
