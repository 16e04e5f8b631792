"""The world's class table: true HICO classes, sound zero-shot settings, enough left for pre-training."""

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from pipeline.datasets.world.classes import (
    SETTINGS,
    WorldClass,
    class_by_id,
    held_out,
    unseen,
    world_classes,
)
from pipeline.datasets.world.drawing.compose import PLAYS

HICO = Path(__file__).resolve().parents[5] / "shared/data/hico/hico_hoi_classes.csv"
COMPOSITIONS_UNSEEN = 18
"""How many classes the unseen-composition settings hold out each."""


def unseen_compositions(
    classes: Sequence[WorldClass], *, rare_first: bool, held: Collection[int], count: int = COMPOSITIONS_UNSEEN
) -> frozenset[int]:
    """The rule behind the columns rf_uc and nf_uc: greedily hold out compositions whose parts stay seen.

    Classes are visited by weight (rarest or most frequent first, ties by hoi_id) and one is held out when

    1. its verb and its object each keep a class outside this setting's unseen set (the official protocol's rule), and
    2. outside everything held out so far its verb, unless wholly unseen in "uv", keeps two classes, and its object,
       unless wholly unseen in "uo", keeps one, so that pre-training without any held-out class knows both.

    Args:
        classes: All classes, with their uo and uv columns.
        rare_first: Visit the rarest class first instead of the most frequent.
        held: Ids that other settings hold out already.
        count: How many to hold out.
    """
    taken: set[int] = set()
    blocked = set(held)
    sign = 1.0 if rare_first else -1.0
    for one in sorted(classes, key=lambda c: (sign * c.weight, c.hoi_id)):
        seen = [c for c in classes if c.hoi_id not in taken and c.hoi_id != one.hoi_id]
        if not any(c.verb == one.verb for c in seen) or not any(c.object == one.object for c in seen):
            continue
        known = [c for c in seen if c.hoi_id not in blocked]
        verbs, objects = Counter(c.verb for c in known), Counter(c.object for c in known)
        if (one.uv or verbs[one.verb] >= 2) and (one.uo or objects[one.object] >= 1):
            taken.add(one.hoi_id)
            blocked.add(one.hoi_id)
        if len(taken) == count:
            return frozenset(taken)
    raise AssertionError(f"only {len(taken)} of {count} compositions can be held out; add classes to classes.csv")


def test_there_are_enough_classes_in_hico_order() -> None:
    ids = [one.hoi_id for one in world_classes()]
    assert len(ids) >= 100
    assert ids == sorted(set(ids))
    assert {one.verb for one in world_classes()} == set(PLAYS)


@pytest.mark.skipif(not HICO.exists(), reason="needs the HICO class table in ../shared")
def test_every_class_is_a_hico_class_with_its_ids() -> None:
    with HICO.open(newline="", encoding="utf-8") as lines:
        official = {int(row["hoi_id"]): row for row in csv.DictReader(lines)}
    for one in world_classes():
        row = official[one.hoi_id]
        assert (one.verb, one.object) == (row["verb"], row["object"])
        assert (one.verb_id, one.object_id) == (int(row["verb_id"]), int(row["object_coco80"]))


def test_weights_are_long_tailed_but_every_class_gets_images() -> None:
    weights = [one.weight for one in world_classes()]
    assert 8 <= max(weights) / min(weights) <= 20


def test_the_verb_is_never_given_by_the_object() -> None:
    verbs = defaultdict(set)
    for one in world_classes():
        verbs[one.object].add(one.verb)
    assert min(len(of_object) for of_object in verbs.values()) >= 2


def test_composition_settings_follow_the_greedy_rule() -> None:
    classes = world_classes()
    whole = unseen("uo") | unseen("uv")
    rare = unseen_compositions(classes, rare_first=True, held=whole)
    frequent = unseen_compositions(classes, rare_first=False, held=whole | rare)
    assert unseen("rf_uc") == rare
    assert unseen("nf_uc") == frequent
    assert len(rare) == len(frequent) == COMPOSITIONS_UNSEEN


@pytest.mark.parametrize("setting", ["rf_uc", "nf_uc"])
def test_unseen_compositions_have_seen_parts(setting: str) -> None:
    seen = [one for one in world_classes() if one.hoi_id not in unseen(setting)]
    for hoi_id in unseen(setting):
        one = class_by_id(hoi_id)
        assert one.verb in {other.verb for other in seen}
        assert one.object in {other.object for other in seen}


def test_rare_first_is_rarer_than_non_rare_first() -> None:
    rare = [class_by_id(hoi_id).weight for hoi_id in unseen("rf_uc")]
    frequent = [class_by_id(hoi_id).weight for hoi_id in unseen("nf_uc")]
    assert max(rare) < min(frequent)


def test_unseen_objects_and_verbs_are_unseen_as_a_whole() -> None:
    classes = world_classes()
    objects = {one.object for one in classes if one.uo}
    verbs = {one.verb for one in classes if one.uv}
    assert (len(objects), len(verbs)) == (4, 3)
    assert all(one.uo == (one.object in objects) and one.uv == (one.verb in verbs) for one in classes)


def test_held_out_is_the_union_and_leaves_every_known_part_to_pretraining() -> None:
    held = held_out()
    assert held == unseen("rf_uc") | unseen("nf_uc") | unseen("uo") | unseen("uv")
    assert len(held) <= 48
    known = [one for one in world_classes() if one.hoi_id not in held]
    verbs, objects = Counter(one.verb for one in known), Counter(one.object for one in known)
    assert all(verbs[one.verb] >= 2 for one in world_classes() if not one.uv)
    assert all(objects[one.object] >= 1 for one in world_classes() if not one.uo)


def test_default_holds_nothing_out_and_unknown_settings_are_named() -> None:
    assert unseen("default") == frozenset()
    with pytest.raises(ValueError, match=SETTINGS[1]):
        unseen("ua")


def test_unknown_class_points_to_the_table() -> None:
    with pytest.raises(ValueError, match=r"classes\.csv"):
        class_by_id(0)
