"""The entries of `verbs.yaml`, `objects.yaml` and `scenes.yaml`, read once and checked: of HICO-DET and V-COCO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DataError

FOLDER = Path(__file__).parent
FIELDS = ("body", "hands", "gaze", "contact", "relation")
"""What a verb's entry says, in the order of writing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectLook:
    """How an object appears: `looks` is a noun phrase, `size` compares it with a person."""

    kind: str
    looks: str
    size: str
    plural: bool
    called: str

    @property
    def the(self) -> str:
        return f"the {self.called}"

    @property
    def is_or_are(self) -> str:
        return "are" if self.plural else "is"

    def fill(self, text: str, *, named: bool = False) -> str:
        """`text` with {the}, {it} and {its} replaced by words for this object.

        It is named once, then referred to; only referred to if what stands before the text has `named` it.
        """
        several = self.plural or self.kind == "person"  # "them" also fits a person of unknown sex
        first, once, rest = ("", "", text) if named else text.partition("{the}")
        text = first + once + rest.replace("{the}", "{it}")
        return text.format(the=self.the, it="them" if several else "it", its="their" if several else "its")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerbLook:
    """The unfilled fields of a verb, and those that read otherwise for some objects."""

    fields: Mapping[str, str]
    variants: tuple[tuple[frozenset[str], Mapping[str, str]], ...]

    def of(self, name: str, kind: str) -> dict[str, str]:
        """The unfilled fields for the object of that name and kind."""
        for words, changed in self.variants:
            if name in words or kind in words:
                return {**self.fields, **changed}
        return dict(self.fields)


@lru_cache(maxsize=1)
def objects() -> Mapping[str, ObjectLook]:
    """The objects that the lexicon knows, by name. Raises DataError naming the file and the entry that is wrong."""
    path = FOLDER / "objects.yaml"
    found = {}
    for name, entry in _entries(path).items():
        unknown = set(entry) - {"kind", "looks", "size", "plural", "called"}
        missing = {"kind", "looks", "size"} - set(entry)
        if unknown or missing:
            raise DataError(f"{path}: {name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
        found[name] = ObjectLook(
            kind=entry["kind"],
            looks=entry["looks"],
            size=entry["size"],
            plural=bool(entry.get("plural", False)),
            called=entry.get("called", name.replace("_", " ")),
        )
    return found


@lru_cache(maxsize=1)
def verbs() -> Mapping[str, VerbLook]:
    """The verbs that the lexicon knows, by name. Raises DataError naming the file and the entry that is wrong."""
    path = FOLDER / "verbs.yaml"
    things = objects()
    selectors = set(things) | {thing.kind for thing in things.values()}
    found = {}
    for name, entry in _entries(path).items():
        if set(entry) - {"variants"} != set(FIELDS):
            raise DataError(f"{path}: {name}: expected the fields {', '.join(FIELDS)}, found {', '.join(entry)}")
        variants = []
        for variant in entry.get("variants", []):
            words = frozenset(variant["of"])
            strange = (words - selectors) | (set(variant) - {"of", *FIELDS})
            if strange:
                raise DataError(f"{path}: {name}: a variant has no object, kind or field called {sorted(strange)}")
            variants.append((words, {key: variant[key] for key in FIELDS if key in variant}))
        found[name] = VerbLook(fields={key: entry[key] for key in FIELDS}, variants=tuple(variants))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenes:
    """Places, as noun phrases: those that a verb tells, and those of objects by name or kind."""

    verbs: Mapping[str, str]
    objects: Mapping[str, str]

    def of(self, verb: str, name: str) -> str:
        """The place where that verb is usually done to the object of that name."""
        return self.verbs.get(verb) or self.objects.get(name) or self.objects[objects()[name].kind]


@lru_cache(maxsize=1)
def scenes() -> Scenes:
    """The places that the lexicon knows. Raises DataError naming the file and what is unknown or missing in it."""
    path = FOLDER / "scenes.yaml"
    entries = _entries(path)
    kinds = {thing.kind for thing in objects().values()}
    strange = [*(set(entries["verbs"]) - set(verbs())), *(set(entries["objects"]) - kinds - set(objects()))]
    bare = [name for name, thing in objects().items() if not {name, thing.kind} & set(entries["objects"])]
    if strange or bare:
        raise DataError(f"{path}: no verb, object or kind is called {sorted(strange)}; no place for {bare}")
    return Scenes(verbs=entries["verbs"], objects=entries["objects"])


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        entries: dict[str, dict[str, Any]] = yaml.safe_load(file)
    return entries
