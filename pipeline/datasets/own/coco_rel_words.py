"""The words of a `coco-rel` file that stands alone: its categories are the objects, its `rel_categories` the verbs.

Its classes are its `hoi_categories`; without them, the pairs that occur, whatever the split: one that only test pictures show
is a class without training pairs, which is what zero-shot detection is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.datasets.own.words import Words
from pipeline.errors import DataError
from pipeline.outside import json_rows
from pipeline.outside.parsing import shown
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, comparable

NEEDED = "write a vocabulary.yaml beside it (docs/own-data.md)"


def words(value: Mapping[str, Any], file: str) -> Words:
    """Which labels and verbs the file knows; every pair that occurs is a class.

    Raises:
        DataError: no category is a person, or the file has no list of verbs.
    """
    persons = _persons(value, file)
    objects = {comparable(name): number for number, name in enumerate(_objects(value, file))}
    objects |= {comparable(name): PERSON for name in persons}
    verbs: dict[str, int] = {}
    for place, entry in enumerate(_verbs(value, file)):
        verbs.setdefault(comparable(entry["name"]), place)
    for place, entry in enumerate(_verbs(value, file)):
        verbs.setdefault(comparable(entry["ing"]), place)
    open_words = Words(objects, verbs)
    if not _closed(value, file):
        return open_words
    known = vocabulary(value, file, ())
    return Words(
        objects,
        verbs,
        frozenset((c.verb_id, c.object_id) for c in known.classes),
        frozenset(known.without_object),
    )


def vocabulary(value: Mapping[str, Any], file: str, pairs: Iterable[tuple[int, int]]) -> Vocabulary:
    """The vocabulary of the file, whose verbs and objects have the ids of `words`.

    Args:
        pairs: verb and object (-1: none) of what occurs, by the numbers of `words`.
    """
    verbs, objects = [entry["name"] for entry in _verbs(value, file)], _objects(value, file)
    closed = _closed(value, file)
    occurring = sorted(pairs, key=lambda pair: (pair[1] < 0, pair))
    classes: list[Any] = [*closed] or [[verbs[v], objects[o] if o >= 0 else None] for v, o in occurring]
    info = value.get("info")
    name = info.get("description") if isinstance(info, dict) else None
    given = {
        "format": vocabulary_file.FORMAT,
        "name": name if isinstance(name, str) and name.strip() else "own pictures",
        "persons": _persons(value, file),
        "verbs": _verbs(value, file),
        "objects": [{"name": thing} for thing in objects],
        "classes": classes,
    }
    return vocabulary_file.parse(given, origin=file)[0]


def _objects(value: Mapping[str, Any], file: str) -> list[str]:
    """The objects by id: the person first, then the other categories in order."""
    (person,) = _persons(value, file)
    names = dict.fromkeys(
        [person, *(json_rows.text(row.get("name")) for row in json_rows.rows(value, "categories", file))]
    )
    return list({comparable(name): name for name in reversed(names)}.values())[::-1]


def _persons(value: Mapping[str, Any], file: str) -> list[str]:
    entries = json_rows.rows(value, "categories", file)
    names = [json_rows.text(row.get("name")) for row in entries]
    found = [name for name in names if comparable(name) == "person"]
    found = found or [n for n, row in zip(names, entries, strict=True) if row.get("supercategory") == "person"]
    if not found:
        raise DataError(f"{file}: no category is called person; say who can act under `persons`: {NEEDED}")
    return [found[0]]


def _verbs(value: Mapping[str, Any], file: str) -> list[dict[str, str]]:
    entries = json_rows.rows(value, "rel_categories", file)
    if not entries:
        raise DataError(f"{file}: has no rel_categories, which name the verbs and their -ing forms; {NEEDED}")
    for row in entries:
        if (
            not json_rows.text(row.get("ing")).strip()
            and comparable(json_rows.text(row.get("name"))) != "no interaction"
        ):
            raise DataError(
                f"{file}: rel_categories: {shown(row.get('name'))} has no -ing form; give it as `ing`, or {NEEDED}"
            )
    return [
        {"name": json_rows.text(row.get("name")), "ing": json_rows.text(row.get("ing")) or json_rows.text(row["name"])}
        for row in entries
    ]


def _closed(value: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    """The classes of `hoi_categories`, with their ids."""
    verbs = {json_rows.whole(row.get("id")): row.get("name") for row in json_rows.rows(value, "rel_categories", file)}
    things: dict[int | None, Any] = {None: None}
    things |= {json_rows.whole(row.get("id")): row.get("name") for row in json_rows.rows(value, "categories", file)}
    found = []
    for place, row in enumerate(json_rows.rows(value, "hoi_categories", file)):
        verb, thing = row.get("predicate_id"), row.get("category_id")
        plain = isinstance(verb, int) and isinstance(thing, int | None)
        if not plain or verb not in verbs or thing not in things:
            raise DataError(
                f"{file}: hoi_categories, entry {place + 1}: predicate {shown(verb)} or category {shown(thing)} does not exist"
            )
        number = {"id": row["id"]} if row.get("id") is not None else {}
        found.append({**number, "verb": verbs[verb], "object": things[thing]})
    return found
