"""A vocabulary's file, `ezhoi-vocabulary/1`: written as JSON by the stage `vocabulary`, or as YAML by a user.

    format: ezhoi-vocabulary/1
    name: my yard                                # optional
    persons: [person, child]                     # optional; all of them are object 0
    verbs:                                       # the position is the verb's id
      - {name: ride, ing: riding}
      - {name: no_interaction, idle: true}       # idle: both are in the picture, nothing happens
    objects:                                     # 1, 2, ...; 0 is the person
      - {name: horse}                            # COCO's names find their detector label by themselves
      - {name: cargo bike, coco: bicycle}        # boxes of the detector's bicycles may serve
      - {name: scissors, plural: true}           # takes no article; `plural: geese`, a plural form, is read and not used
    classes:                                     # or: all
      - [ride, horse]
      - [wave, null]                             # acts alone: no pair, never scored as one
    settings: {mine: [ride horse]}               # optional; unseen classes by name (pipeline/vocabulary/settings.py)

Where such a file adds to known words (`extended`), verbs and objects that are known may be left out.
A class may also be {id, verb, object, phrase}, which is how the JSON has it; without an id (0 to 1,000,000), its place in the
list is its id, and without a phrase, one follows from the names. Names are compared as `vocabulary.comparable` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.escaping import unfit
from pipeline.outside.parsing import LONGEST, nearest, shown
from pipeline.vocabulary import settings as zero_shot
from pipeline.vocabulary.coco import COCO
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import Hoi, Object, Verb, Vocabulary, comparable, hoi

LARGEST_ID = 1_000_000
"""The largest id of a class: columns of numbers are as long as it (`Vocabulary.verb_of`)."""
LONGEST_WORDS = 300
"""The most letters of a name or a phrase: CLIP reads some 70 words at once, and tables and pages show them."""
FORMAT = "ezhoi-vocabulary/1"
KEYS = {"format", "name", "persons", "verbs", "objects", "classes", "settings"}
NO_INTERACTION = "no_interaction"
"""HICO-DET's name of a verb that is idle, even if the file does not say so."""
W = TypeVar("W", Verb, Object)
Ids = dict[str, int]
"""{comparable name: position} of verbs or objects; -1 stands for none."""


def read(path: Path) -> Vocabulary:
    """Read the vocabulary of a file, YAML or JSON; DataError naming the file, the entry, what is wrong and the nearest name."""
    return read_all(path)[0]


def read_all(path: Path) -> tuple[Vocabulary, Settings]:
    """Read the vocabulary of a file and the settings in it; DataError as of `read`."""
    value = reading.json_value(path) if path.suffix == ".json" else reading.yaml_value(path)
    return parse(value, origin=str(path))


def extended(path: Path, known: Vocabulary) -> Vocabulary:
    """`known` with the verbs, objects and classes of a file behind its own, all of which keep their ids.

    What the file says about known words and classes has to agree with what is known. A new class takes the id that the file
    gives it, or else one behind all known ids, by its place in the file.

    Raises:
        DataError: as of `read`, and where the file contradicts something that is known.
    """
    value = reading.json_value(path) if path.suffix == ".json" else reading.yaml_value(path)
    return onto(value, known, origin=str(path))


def write_objects(path: Path, vocabulary: Vocabulary) -> None:
    """Write only the objects of a vocabulary, and which of them are in a class."""
    value = {
        "objects": vocabulary.as_json()["objects"],
        "of_classes": sorted({c.object_id for c in vocabulary.classes}),
    }
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_objects(path: Path) -> tuple[tuple[Object, ...], tuple[int, ...]]:
    """Read the objects that `write_objects` wrote, position = id, and the ids of those that are in a class."""
    value = reading.json_value(path)
    return _objects(value["objects"], (value["objects"][0]["name"],), str(path)), tuple(value["of_classes"])


def write(path: Path, vocabulary: Vocabulary, settings: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write a vocabulary as JSON with one entry a line, and with settings, {setting: class names}, if they are given."""
    value = {"format": FORMAT, **vocabulary.as_json()} | ({"settings": settings} if settings is not None else {})
    parts = []
    for key, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], dict):
            inner = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in part)
            text = f"[\n  {inner}\n ]"
        else:
            text = json.dumps(part, ensure_ascii=False)
        parts.append(f" {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def parse(value: Any, *, origin: str) -> tuple[Vocabulary, Settings]:
    """A vocabulary and its settings from parsed YAML or JSON; `origin` is how errors name the file."""
    value = _stated(value, origin)
    _keys(value, KEYS, {"format", "verbs", "objects", "classes"}, origin)
    persons = _names(value.get("persons", ["person"]), f"{origin}: persons")
    verbs = _verbs(value["verbs"], origin)
    objects = _objects(value["objects"], persons, origin)
    verb_ids = {comparable(verb.name): i for i, verb in enumerate(verbs)}
    object_ids = {comparable(thing.name): i for i, thing in enumerate(objects)} | {comparable(p): 0 for p in persons}
    classes, alone = _classes(value["classes"], verbs, objects, verb_ids, object_ids, origin)
    name = _text(value.get("name", "the vocabulary"), f"{origin}: name")
    found = Vocabulary(name, verbs, objects, classes, persons, alone)
    own = zero_shot.parse(value.get("settings", {}), found, origin=f"{origin}: settings")
    return found, {zero_shot.DEFAULT: frozenset()} | own


def onto(value: Any, known: Vocabulary, *, origin: str) -> Vocabulary:
    """What `extended` makes of a file's parsed content."""
    value = _stated(value, origin)
    _keys(value, KEYS, {"format", "classes"}, origin)
    given = _names(value["persons"], f"{origin}: persons") if "persons" in value else ()
    said = {comparable(name) for name in known.persons}
    persons = known.persons + tuple(name for name in given if comparable(name) not in said)
    own_verbs = _verbs(value["verbs"], origin) if "verbs" in value else ()
    own_objects = _objects(value["objects"], persons, origin)[1:] if "objects" in value else ()
    verbs = _joined(known.verbs, own_verbs, f"{origin}: verbs", known.name)
    objects = _joined(known.objects, own_objects, f"{origin}: objects", known.name)
    verb_ids = {comparable(verb.name): i for i, verb in enumerate(verbs)}
    object_ids = {comparable(thing.name): i for i, thing in enumerate(objects)} | {comparable(p): 0 for p in persons}
    entries = value["classes"]
    if entries == "all":
        entries = [[verb.name, thing.name] for thing in own_objects for verb in own_verbs]
    classes, alone = _classes(entries, verbs, objects, verb_ids, object_ids, origin, known=known)
    return Vocabulary(
        known.name,
        verbs,
        objects,
        tuple(sorted((*known.classes, *classes), key=lambda one: one.hoi_id)),
        persons,
        known.without_object + tuple(verb_id for verb_id in alone if verb_id not in known.without_object),
    )


def _joined(known: tuple[W, ...], own: tuple[W, ...], where: str, whose: str) -> tuple[W, ...]:
    """The known words, with the new ones behind them; DataError where a word contradicts what is known of it."""
    there = {comparable(word.name): word for word in known}
    for word in own:
        before = there.get(comparable(word.name))
        if before is None:
            continue
        if (fault := _otherwise(before, word)) is not None:
            raise DataError(
                f"{where}: {shown(word.name)} is known to {whose} {fault}; write it so, or leave it out here"
            )
    return known + tuple(word for word in own if comparable(word.name) not in there)


def _otherwise(known: Verb | Object, own: Verb | Object) -> str | None:
    """How a word in a file differs from what is known of it; None if they agree. A file may leave out the COCO category."""
    if isinstance(known, Verb) and isinstance(own, Verb):
        same = (comparable(known.ing), known.idle) == (comparable(own.ing), own.idle)
        return None if same else f"as {shown(known.ing)}" + (", idle" if known.idle else "")
    if isinstance(known, Object) and isinstance(own, Object) and own.coco_id not in (None, known.coco_id):
        return f"with COCO's category {known.coco_id}" if known.coco_id is not None else "without a category of COCO"
    return None


def _stated(value: Any, origin: str) -> Mapping[str, Any]:
    """The content of the file; DataError unless it says that it is a vocabulary."""
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        stated = value.get("format") if isinstance(value, Mapping) else None
        raise DataError(f"{origin}: format is {shown(stated)}; a vocabulary begins with 'format: {FORMAT}'")
    return value


def _verbs(entries: Any, origin: str) -> tuple[Verb, ...]:
    found: list[Verb] = []
    for where, entry in _entries(entries, f"{origin}: verbs"):
        _keys(entry, {"name", "ing", "idle"}, {"name"}, where)
        name = _text(entry["name"], f"{where}: name")
        idle = _flag(entry.get("idle", comparable(name) == comparable(NO_INTERACTION)), f"{where}: idle")
        if not idle and not entry.get("ing"):
            raise DataError(f"{where}: {shown(name)} has no -ing form; write {{name: {name}, ing: ...ing}}")
        found.append(Verb(name, _text(entry.get("ing") or name, f"{where}: ing"), idle))
    _unique((verb.name for verb in found), f"{origin}: verbs")
    return tuple(found)


def _objects(entries: Any, persons: tuple[str, ...], origin: str) -> tuple[Object, ...]:
    """The objects; the person is the first, whether listed or not."""
    people = {comparable(name) for name in persons}
    found = [Object(persons[0], COCO["person"])]
    for where, entry in _entries(entries, f"{origin}: objects"):
        _keys(entry, {"name", "plural", "coco"}, {"name"}, where)
        name = _text(entry["name"], f"{where}: name")
        if comparable(name) in people:
            continue
        given = entry.get("plural", False)  # a text is the name's plural form, which no sentence here needs
        plural = not isinstance(given, str) and _flag(given, f"{where}: plural")
        found.append(Object(name, _coco(entry.get("coco"), name, where), plural))
    _unique((thing.name for thing in found), f"{origin}: objects")
    return tuple(found)


def _coco(value: Any, name: str, where: str) -> int | None:
    """The COCO category that an entry names, by name or number; where it names none, that of the same name."""
    if value is None:
        return COCO.get(comparable(name))
    if type(value) is int and value in COCO.values():
        return value
    if isinstance(value, str) and comparable(value) in COCO:
        return COCO[comparable(value)]
    raise DataError(f"{where}: COCO has no category {shown(value)}{_hint(str(value), COCO)}")


def _classes(
    entries: Any,
    verbs: tuple[Verb, ...],
    objects: tuple[Object, ...],
    verb_ids: Ids,
    object_ids: Ids,
    origin: str,
    *,
    known: Vocabulary | None = None,
) -> tuple[tuple[Hoi, ...], tuple[int, ...]]:
    """The new classes with an object, in order of id, and the verbs that are new classes without one."""
    if entries == "all":
        entries = [[verb.name, thing.name] for thing in objects for verb in verbs]
    if not isinstance(entries, list):
        raise DataError(f"{origin}: classes: expected a list of [verb, object], or all")
    found: dict[int, Hoi] = {}
    taken = {} if known is None else {c.hoi_id: c for c in known.classes}
    first = max(taken, default=-1) + 1
    pairs: dict[tuple[int, int], str] = {}
    alone: list[int] = []
    for place, entry in enumerate(entries):
        where = f"{origin}: classes, entry {place + 1}"
        wanted = _as_mapping(entry, where)
        verb_id = _known(wanted["verb"], verb_ids, "verb", where)
        object_id = -1 if wanted["object"] is None else _known(wanted["object"], object_ids, "object", where)
        if (before := pairs.setdefault((verb_id, object_id), where)) != where:
            raise DataError(f"{where}: {shown(entry)} is the same class as {before.rpartition(', ')[2]}; keep one")
        if object_id < 0:
            alone.append(verb_id)
            continue
        if known is not None and (same := known.of(verb_id, object_id)) is not None:
            _demand_same(wanted, known.hoi(same), where)
            continue
        number = wanted.get("id", first + place)
        whole = type(number) is int and 0 <= number <= LARGEST_ID
        if not whole or number in taken:
            fault = f"id {number} is taken by {shown(taken[number].name)}" if whole else f"id {shown(number)} is none"
            raise DataError(
                f"{where}: {fault}; an id is a whole number from 0 to {LARGEST_ID:,} that no other class has"
            )
        phrase = wanted.get("phrase")
        if phrase is not None:
            phrase = _text(phrase, f"{where}: phrase")
        found[number] = taken[number] = hoi(number, verb_id, object_id, verbs[verb_id], objects[object_id], phrase)
    if not found and known is None:
        raise DataError(f"{origin}: classes: there is no class of a verb and an object")
    _unique((one.name for one in taken.values()), f"{origin}: classes")
    return tuple(found[number] for number in sorted(found)), tuple(alone)


def _demand_same(wanted: Mapping[str, Any], known: Hoi, where: str) -> None:
    """DataError if a file gives a class that is known another id or phrase."""
    for key, value in (("id", known.hoi_id), ("phrase", known.phrase)):
        if wanted.get(key, value) not in (value, None):
            raise DataError(
                f"{where}: {known.name} is known already, with the {key} {shown(value)}; leave its {key} out"
            )


def _as_mapping(entry: Any, where: str) -> Mapping[str, Any]:
    """A class, written in either form, as a mapping with verb and object."""
    if isinstance(entry, list) and len(entry) == 2:
        return {"verb": entry[0], "object": entry[1]}
    if not isinstance(entry, Mapping):
        raise DataError(
            f"{where}: {shown(entry)} is no class; write [verb, object], or [verb, null] for who acts alone"
        )
    _keys(entry, {"id", "verb", "object", "phrase"}, {"verb", "object"}, where)
    return entry


def _known(name: Any, ids: Ids, kind: str, where: str) -> int:
    found = ids.get(comparable(name)) if isinstance(name, str) else None
    if found is None:
        raise DataError(f"{where}: no {kind} is called {shown(name)}{_hint(str(name), ids)}")
    return found


def _entries(entries: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The entries of a list with their places; a bare name stands for {name: ...}."""
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{where}: expected a list such as [{{name: ...}}], found {shown(entries)}")
    found = []
    for place, entry in enumerate(entries, start=1):
        entry = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping):
            raise DataError(f"{where}, entry {place}: {shown(entry)} is no mapping with a name")
        found.append((f"{where}, entry {place}", entry))
    return found


def _keys(entry: Mapping[str, Any], known: set[str], needed: set[str], where: str) -> None:
    for key in entry:
        if key not in known:
            raise DataError(f"{where}: unknown key {shown(key)}{_hint(str(key), known)}")
    if missing := sorted(needed - set(entry)):
        raise DataError(f"{where}: {missing[0]} is missing")


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: expected a list of names, found {shown(value)}")
    names = tuple(_text(name, where) for name in value)
    _unique(names, where)
    return names


def _text(value: Any, where: str) -> str:
    # YAML reads a bare yes, no, on or 12 as something else than a word.
    if not isinstance(value, str) or not comparable(value):
        raise DataError(f"{where}: expected a text, found {shown(value)} (put it in quotes)")
    value = value.strip()
    if (sign := unfit(value) or next((f"U+{ord(c):04X}" for c in value if c in "\t\n"), None)) is not None:
        raise DataError(f"{where}: {shown(value)} has the character {sign}, which a name may not have")
    if len(value) > LONGEST_WORDS:
        raise DataError(f"{where}: {shown(value)} is no name; a name or a phrase has at most {LONGEST_WORDS} letters")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise DataError(f"{where}: expected true or false, found {shown(value)}")
    return value


def _unique(names: Iterable[str], where: str) -> None:
    known: dict[str, str] = {}
    for name in names:
        if (other := known.setdefault(comparable(name), name)) is not name:
            same = (
                f"{shown(name)} comes twice" if other == name else f"{shown(name)} and {shown(other)} are the same name"
            )
            raise DataError(f"{where}: {same}; keep one")


def _hint(name: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a message, or all of them where they are few."""
    names = list(known)
    if near := nearest(comparable(name[: 2 * LONGEST]), names):
        return f"; did you mean {shown(near)}?"
    return f"; known: {', '.join(sorted(names))}" if len(names) <= 12 else ""
