"""The vocabulary as a value: look-ups, arrays, names and digests, by hand on a small one."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, comparable, hoi

VERBS = (Verb("ride", "riding"), Verb("sit_on", "sitting_on"), Verb("no_interaction", "no_interaction", idle=True))
OBJECTS = (Object("person", 1), Object("elephant", 22), Object("cargo_bike", 2), Object("scissors", 87, plural=True))
PAIRS = {3: (0, 1), 7: (2, 1), 8: (1, 2), 20: (0, 3)}
CLASSES = tuple(hoi(i, v, o, VERBS[v], OBJECTS[o]) for i, (v, o) in PAIRS.items())
YARD = Vocabulary("yard", VERBS, OBJECTS, CLASSES)


def test_phrases_and_articles() -> None:
    assert [c.phrase for c in CLASSES] == [
        "a person riding an elephant",
        "a person and an elephant",
        "a person sitting on a cargo bike",
        "a person riding scissors",
    ]
    assert [c.article for c in CLASSES] == ["an", "an", "a", ""]
    assert [c.idle for c in CLASSES] == [False, True, False, False]
    assert hoi(1, 0, 1, VERBS[0], OBJECTS[1], "somebody up there").phrase == "somebody up there"


def test_look_ups() -> None:
    assert YARD.ids == (3, 7, 8, 20) and YARD.span == "3 to 20 with gaps"
    assert YARD.hoi(8) is CLASSES[2] and YARD.of(1, 2) == 8 and YARD.of(1, 1) is None
    with pytest.raises(ValueError, match="yard has no class with the id 4; its ids are 3 to 20 with gaps"):
        YARD.hoi(4)


@pytest.mark.parametrize("name", ["sit on cargo bike", "Sit_On  Cargo-Bike", " SIT-ON CARGO_BIKE"])
def test_names_are_found_however_they_are_spelled(name: str) -> None:
    assert YARD.find(name).hoi_id == 8


@pytest.mark.parametrize(
    ("name", "nearest"), [("ride elefant", "ride elephant"), ("wash scissors", "ride scissors"), ("qq", "none")]
)
def test_a_name_that_is_none_tells_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"no class of yard is called '{name}'; nearest: .*{nearest}"):
        YARD.find(name)


def test_arrays() -> None:
    expected = [-1] * 21
    for hoi_id, (verb, _) in PAIRS.items():
        expected[hoi_id] = verb
    assert YARD.verb_of.tolist() == expected
    assert YARD.object_of[[3, 7, 8, 20]].tolist() == [1, 1, 2, 3] and YARD.object_of[4] == -1
    assert YARD.lookup([3, 8]).tolist() == [[-1, -1, -1], [3, -1, -1], [-1, 8, -1], [-1, -1, -1]]
    assert YARD.valid([3, 8]).sum() == 2 and YARD.valid([3, 8])[2, 1]
    with pytest.raises(ValueError, match="read-only"):
        YARD.verb_of[3] = 1


def test_a_subset_keeps_all_ids() -> None:
    part = YARD.subset([20, 3])
    assert part.ids == (3, 20) and part.verbs == VERBS and part.objects == OBJECTS and part.hoi(20) is CLASSES[3]


def test_names_of_other_classes_are_known_where_a_verb_has_none() -> None:
    assert not YARD.may_be_elsewhere("sit on elephant")  # every verb has a class: what is no class is a mistake
    part = YARD.subset([3])
    assert part.may_be_elsewhere("sit-on elephant") and not part.may_be_elsewhere("sit on elefant")


def test_equal_vocabularies_have_equal_digests_and_any_change_shows() -> None:
    assert replace(YARD).digest == YARD.digest
    others = (
        replace(YARD, name="court"),
        replace(YARD, verbs=(Verb("ride", "riding "), *VERBS[1:])),
        replace(YARD, objects=(*OBJECTS[:3], Object("scissors", 87))),
        replace(YARD, classes=(replace(CLASSES[0], phrase="a rider"), *CLASSES[1:])),
        replace(YARD, classes=(replace(CLASSES[0], hoi_id=2), *CLASSES[1:])),
        replace(YARD, without_object=(1,)),
        YARD.subset([3, 7, 8]),
    )
    assert len({YARD.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        YARD.name = "court"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        CLASSES[0].phrase = "x"  # type: ignore[misc]


def test_the_person_is_object_0() -> None:
    assert replace(YARD, objects=(Object("human"), *OBJECTS[1:]), persons=("human", "child")).objects[0].name == "human"
    with pytest.raises(ValueError, match=r"yard: object 0 is 'human', and persons are called \('person',\)"):
        replace(YARD, objects=(Object("human"), *OBJECTS[1:]))


def test_names_compare_in_one_form() -> None:
    assert comparable("Sit__On -  the\u0041\u030a") == "sit on the\u00e5"


def test_the_room_is_light() -> None:
    code = (
        "import sys, pipeline.vocabulary.file, pipeline.vocabulary.settings;"
        "print({'numpy', 'pandas', 'torch', 'pydantic'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "set()\n"
