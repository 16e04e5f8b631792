"""Vocabulary files: what a user may write, what is written, and errors that name file, entry and nearest name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.vocabulary import file
from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, hoi

OWN: dict[str, Any] = {
    "format": "ezhoi-vocabulary/1",
    "name": "yard",
    "persons": ["person", "child"],
    "verbs": [{"name": "ride", "ing": "riding"}, {"name": "wave", "ing": "waving"}, "no_interaction"],
    "objects": ["horse", "child", {"name": "Cargo-Bike", "coco": "bicycle"}, {"name": "scissors", "plural": True}],
    "classes": [["ride", "horse"], ["wave", None], ["ride", "cargo bike"], ["no interaction", "child"]],
    "settings": {"mine": ["ride horse", ["ride", "cargo bike"]]},
}


def read(tmp_path: Path, **changes: Any) -> tuple[Vocabulary, Any]:
    path = tmp_path / "vocabulary.yaml"
    path.write_text(yaml.safe_dump(OWN | changes, sort_keys=False))
    return file.read_all(path)


def test_a_users_file(tmp_path: Path) -> None:
    found, settings = read(tmp_path)
    assert found.name == "yard" and found.verb_names == ("ride", "wave", "no_interaction") and found.verbs[2].idle
    assert found.objects == (
        Object("person", 1),
        Object("horse", 19),  # COCO's names find their category by themselves
        Object("Cargo-Bike", 2),
        Object("scissors", 87, plural=True),
    )
    assert [(c.hoi_id, c.verb_id, c.object_id) for c in found.classes] == [(0, 0, 1), (2, 0, 2), (3, 2, 0)]
    assert found.without_object == (1,)  # who waves acts alone: no pair
    assert found.find("ride cargo_bike").phrase == "a person riding a Cargo-Bike"
    assert found.hoi(3).phrase == "a person and a person"  # a child is a person
    assert settings == {"default": frozenset(), "mine": {0, 2}}


def test_all_classes(tmp_path: Path) -> None:
    found, _ = read(tmp_path, classes="all", settings={})
    assert len(found.classes) == 12 and found.of(1, 3) is not None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "ezhoi-vocabulary/2"}, "format is 'ezhoi-vocabulary/2'; a vocabulary begins with"),
        ({"verb": []}, r"unknown key 'verb'; did you mean 'verbs'\?"),
        ({"verbs": []}, "verbs: expected a list"),
        ({"verbs": [{"name": "ride"}]}, r"verbs, entry 1: 'ride' has no -ing form"),
        (
            {"verbs": [{"name": "ri\u202ede", "ing": "riding"}]},
            r"entry 1: name: 'ri\\u202ede' has the character U\+202E",
        ),
        ({"verbs": [{"name": "ride", "ing": "a\nb"}]}, r"entry 1: ing: 'a\\nb' has the character U\+000A"),
        ({"objects": ["a\x1b[31mb"]}, r"has the character U\+001B, which a name may not have"),
        ({"verbs": [{"name": "ride", "ings": "riding"}]}, r"verbs, entry 1: unknown key 'ings'; did you mean 'ing'\?"),
        ({"verbs": [{"name": True, "ing": "x"}]}, r"entry 1: name: expected a text, found True \(put it in quotes\)"),
        ({"verbs": [*OWN["verbs"], {"name": "Ride", "ing": "y"}]}, "verbs: 'Ride' and 'ride' are the same name"),
        ({"objects": ["horse", {"name": "bike", "coco": "bycicle"}]}, r"category 'bycicle'; did you mean 'bicycle'\?"),
        ({"objects": ["horse", {"name": "bike", "plural": 1}]}, "entry 2: plural: expected true or false, found 1"),
        ({"objects": ["horse", "Horse"]}, "objects: .*same name"),
        ({"classes": [["ride", "hrose"]]}, r"classes, entry 1: no object is called 'hrose'; did you mean 'horse'\?"),
        ({"classes": [["wav", None]]}, r"classes, entry 1: no verb is called 'wav'; did you mean 'wave'\?"),
        ({"classes": ["ride horse"]}, r"entry 1: 'ride horse' is no class; write \[verb, object\]"),
        ({"classes": [["wave", None]]}, "there is no class of a verb and an object"),
        ({"classes": [["ride", "horse"], ["Ride", "HORSE"]]}, "entry 2: .* is the same class as entry 1; keep one"),
        ({"classes": [{"verb": "ride", "object": "horse", "id": -1}]}, "entry 1: id -1 is none"),
        ({"classes": [{"verb": "ride", "object": "horse", "id": [1]}]}, r"entry 1: id \[1\] is none"),
        ({"classes": [{"verb": "ride", "object": "horse", "id": 1 << 70}]}, r"entry 1: id \d+ is none"),
        (
            {"classes": [{"verb": "ride", "object": "horse", "id": 1_000_001}]},
            "entry 1: id 1000001 is none; an id is a whole number from 0 to 1,000,000 that no other class has",
        ),
        ({"objects": ["horse", {"name": "bike", "coco": True}]}, "COCO has no category True"),
        (
            {"classes": [{"verb": "ride", "object": o, "id": 4} for o in ("horse", "scissors")]},
            "entry 2: id 4 is taken by 'ride horse'",
        ),
        (
            {"settings": {"mine": ["ride hrose"]}},
            "setting 'mine': no class of yard is called 'ride hrose'; nearest: ride",
        ),
        ({"persons": "person"}, "persons: expected a list of names"),
    ],
)
def test_faults_name_the_file_the_entry_and_the_nearest(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path, **changes)
    assert str(caught.value).startswith(str(tmp_path / "vocabulary.yaml"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not valid YAML"),
        ("verbs: []\nverbs: []\n", "'verbs' is given twice"),
        ("- ride\n", "format is None"),
        ("", "format is None"),
    ],
)
def test_what_is_no_such_file(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "v.yaml").write_text(text)
    with pytest.raises(DataError, match=says):
        file.read(tmp_path / "v.yaml")
    with pytest.raises(DataError, match="cannot be read"):
        file.read(tmp_path / "none.yaml")


def test_hico_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file.write(tmp_path / "v.json", HICO)
    assert file.read(tmp_path / "v.json") == HICO and file.read(tmp_path / "v.json").digest == HICO.digest
    lines = (tmp_path / "v.json").read_text().splitlines()
    assert '  {"id": 0, "verb": "board", "object": "airplane", "phrase": "a person boarding an airplane"},' in lines
    file.write_objects(tmp_path / "o.json", HICO)
    assert file.read_objects(tmp_path / "o.json") == (HICO.objects, tuple(range(80)))
    file.write_objects(tmp_path / "o.json", HICO.subset([0, 599]))
    assert file.read_objects(tmp_path / "o.json")[1] == (HICO.hoi(0).object_id, HICO.hoi(599).object_id)


NAMES = st.lists(st.text("abcdxyz_é'", min_size=1).filter(lambda s: s.strip("_")), min_size=1, max_size=5)


@given(NAMES, NAMES, st.data())
def test_any_vocabulary_is_read_back(verbs: list[str], things: list[str], data: st.DataObject) -> None:
    from pipeline.vocabulary.vocabulary import comparable

    words = [Verb(name, f"{name}ing", i == 1) for i, name in enumerate({comparable(v): v for v in verbs}.values())]
    named = {comparable(t): t for t in things if comparable(t) != "person"}
    objects = [Object("person", 1), *(Object(name, plural=len(name) > 3) for name in named.values())]
    pairs = [(v, o) for v in range(len(words)) for o in range(len(objects))]
    chosen = data.draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    classes = {
        comparable(c.name): c for n, (v, o) in enumerate(chosen) for c in [hoi(3 * n, v, o, words[v], objects[o])]
    }
    found = Vocabulary("any", tuple(words), tuple(objects), tuple(classes.values()))
    assert file.parse({"format": file.FORMAT, **found.as_json()}, origin="here")[0] == found


MORE: dict[str, Any] = {
    "format": "ezhoi-vocabulary/1",
    "verbs": [{"name": "groom", "ing": "grooming"}],
    "objects": ["forklift"],
    "classes": [["groom", "horse"], ["Ride", "forklift"], ["groom", None]],
}


def extended(tmp_path: Path, **changes: Any) -> tuple[Vocabulary, Vocabulary]:
    """The user's words, and those with more behind them."""
    known, _ = read(tmp_path)
    path = tmp_path / "more.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in (MORE | changes).items() if v is not None}, sort_keys=False))
    return known, file.extended(path, known)


def test_words_are_added_behind_those_that_are_known(tmp_path: Path) -> None:
    known, found = extended(tmp_path, persons=["person", "driver"])
    assert found.verbs == (*known.verbs, Verb("groom", "grooming"))
    assert found.objects == (*known.objects, Object("forklift"))
    assert found.persons == ("person", "child", "driver")
    first = max(known.ids) + 1
    assert [c for c in found.classes if c.hoi_id < first] == list(known.classes)
    new = [(c.hoi_id, c.name) for c in found.classes if c.hoi_id >= first]
    assert new == [(first, "groom horse"), (first + 1, "ride forklift")]
    assert found.hoi(first).phrase == "a person grooming a horse"
    assert found.without_object == (*known.without_object, 3)


def test_what_is_known_may_be_there_again_and_stays(tmp_path: Path) -> None:
    """A whole vocabulary adds what is new in it; verbs and objects that are known need not be listed."""
    classes = [["ride", "horse"], {"verb": "wave", "object": "horse", "id": 40}]
    known, found = extended(tmp_path, verbs=None, objects=None, classes=classes)
    assert [c for c in found.classes if c not in known.classes] == [found.hoi(40)]
    assert found.hoi(40).name == "wave horse" and found.verbs == known.verbs
    again, same = extended(tmp_path, **{key: OWN[key] for key in ("verbs", "objects", "classes")})
    assert same == again


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verbs": [{"name": "ride", "ing": "rideing"}]}, "verbs: 'ride' is known to yard as 'riding'; write it so"),
        ({"objects": [{"name": "horse", "coco": "dog"}]}, "objects: 'horse' is known to yard with COCO's category 19"),
        ({"classes": [["ride", "horse"], ["ride", "Horse"]]}, "entry 2: .* is the same class as entry 1"),
        ({"classes": [{"verb": "groom", "object": "horse", "id": 0}]}, "entry 1: id 0 is taken by 'ride horse'"),
        ({"classes": [{"verb": "ride", "object": "horse", "id": 7}]}, "ride horse is known already, with the id 0"),
        ({"classes": [["grooom", "horse"]]}, "entry 1: no verb is called 'grooom'; did you mean 'groom'"),
        ({"verbs": [{"name": "groom"}]}, "verbs, entry 1: 'groom' has no -ing form"),
        ({"format": "coco"}, "format is 'coco'"),
        ({"klasses": []}, "unknown key 'klasses'; did you mean 'classes'"),
    ],
)
def test_additions_that_contradict_what_is_known(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        extended(tmp_path, **changes)


LONG: list[Any] = ["x" * 90_000, ["x" * 90_000], {"x" * 90_000: 1}, 10**4_000, [["a"] * 9_000], "x " * 40_000]


@pytest.mark.parametrize("key", ["format", "name", "persons", "verbs", "objects", "classes", "settings", "x" * 90_000])
@pytest.mark.parametrize("place", range(len(LONG)))
def test_a_long_value_is_not_printed_whole(key: str, place: int) -> None:
    value = LONG[place]
    entries = {
        "verbs": [{"name": value}],
        "classes": [[value, "horse"]],
        "settings": {"mine": [value], str(value)[:100_000]: []},
    }
    for tried in (value, [value], entries.get(key, {"mine": value})):
        for content in (OWN | {key: tried}, OWN | {"classes": [["ride", "horse"], tried]}):
            try:
                file.parse(content, origin="words.yaml")
            except DataError as error:
                assert len(str(error)) < 1_000
