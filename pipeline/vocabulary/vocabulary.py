"""Verbs, objects and the classes that they form, as one value that is passed to every part that needs names.

A dataset builds a vocabulary, the stage `vocabulary` writes it, and every stage that needs names reads it first and passes
it down; no module keeps one. Of verbs and objects the position is the id. Classes carry an id of their own, which need not
be 0, 1, 2, ...: the rendered world keeps HICO-DET's. Every person is object 0.

Counts, rarity and unseen classes belong to a dataset, not here. Only the standard library is imported, so that command lines
stay fast; numpy is imported when an array is asked for.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.outside.parsing import LONGEST, shown

if TYPE_CHECKING:
    import numpy as np

PERSON = 0
"""Object id of every person."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a person does: `name` in base form ("sit_on"), `ing` its -ing form ("sitting_on")."""

    name: str
    ing: str
    idle: bool = False
    """Whether it means "both are in the picture, nothing happens" (HICO-DET's no_interaction)."""


@dataclass(frozen=True, slots=True)
class Object:
    """What the verb is done to: its name, and the COCO category (1..90) whose boxes show it, if there is one."""

    name: str
    coco_id: int | None = None
    plural: bool = False
    """Whether the name is a plural, which takes no article: "scissors"."""

    @property
    def noun(self) -> str:
        """The name with spaces: "dining table"."""
        return spaced(self.name)

    @property
    def article(self) -> str:
        """The article that the name takes: "a", "an", or "" for a plural."""
        if self.plural:
            return ""
        # Names in use do not start with a vowel letter that is spoken as a consonant, so the letter decides.
        return "an" if self.noun[0].lower() in "aeiou" else "a"

    @property
    def with_article(self) -> str:
        """The name as it stands in a sentence: "an airplane", "scissors"."""
        return f"{self.article} {self.noun}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Hoi:
    """One human-object interaction class: a verb done to an object.

    `verb`, `verb_ing` and `object` are the names as the vocabulary spells them, with underscores where it has them.
    """

    hoi_id: int
    verb_id: int
    object_id: int
    verb: str
    verb_ing: str
    object: str
    idle: bool
    """Whether the verb is idle (`Verb.idle`)."""
    article: str
    """The article of the object: "a", "an", or "" for a plural."""
    phrase: str
    """The class as English: "a person riding a horse", or "a person and a horse" where the verb is idle."""

    @property
    def name(self) -> str:
        """Verb and object with spaces, such as "sit on chair": unique, and what `Vocabulary.find` accepts."""
        return spaced(f"{self.verb} {self.object}")


@dataclass(frozen=True)
class Vocabulary:
    """All verbs, objects and classes of a dataset. `pipeline.vocabulary.file.parse` checks what comes from outside."""

    name: str
    """Its name in messages: "HICO-DET", "rendered world"."""
    verbs: tuple[Verb, ...]
    objects: tuple[Object, ...]
    classes: tuple[Hoi, ...]
    """The classes, in rising order of their ids."""
    persons: tuple[str, ...] = ("person",)
    """Names that mean object 0."""
    without_object: tuple[int, ...] = ()
    """Ids of verbs that are classes without an object ("wave"), which are never scored as pairs."""

    def __post_init__(self) -> None:
        if self.objects[PERSON].name != self.persons[0]:
            raise ValueError(
                f"{self.name}: object {PERSON} is {self.objects[PERSON].name!r}, and persons are called {self.persons}"
            )

    @property
    def ids(self) -> tuple[int, ...]:
        """The class ids, rising."""
        return tuple(hoi.hoi_id for hoi in self.classes)

    @property
    def verb_names(self) -> tuple[str, ...]:
        """The names of the verbs; position = verb id."""
        return tuple(verb.name for verb in self.verbs)

    @property
    def object_names(self) -> tuple[str, ...]:
        """The names of the objects; position = object id."""
        return tuple(thing.name for thing in self.objects)

    def hoi(self, hoi_id: int) -> Hoi:
        """The class with that id; ValueError if there is none."""
        found = self._by_id.get(int(hoi_id))
        if found is None:
            raise ValueError(f"{self.name} has no class with the id {hoi_id}; its ids are {self.span}")
        return found

    def of(self, verb_id: int, object_id: int) -> int | None:
        """The id of the class of a verb and an object, None where they form no class."""
        return self._by_pair.get((verb_id, object_id))

    def find(self, name: str) -> Hoi:
        """The class called `name`: verb and object separated by spaces, underscores or hyphens, in any case.

        Raises:
            ValueError: no class has that name; the message lists the nearest names.
        """
        wanted = comparable(name)
        found = self._by_name.get(wanted)
        if found is None:
            nearest = self._nearest(wanted[:LONGEST])
            raise ValueError(f"no class of {self.name} is called {shown(name)}; nearest: {nearest}")
        return found

    def may_be_elsewhere(self, name: str) -> bool:
        """Whether a name may be that of a class which the dataset does not have: a verb and an object that it knows.

        Only a part of a larger vocabulary can have such names, as that of the rendered world is a part of HICO-DET's: it
        lists verbs and objects that are in no class. Where each is in a class, any other name is a mistake.
        """
        if len({c.verb_id for c in self.classes}) == len(self.verbs):
            return False
        words = comparable(name).split()
        verbs, objects = ({comparable(n) for n in names} for names in (self.verb_names, self.object_names))
        return any(" ".join(words[:i]) in verbs and " ".join(words[i:]) in objects for i in range(1, len(words)))

    @property
    def span(self) -> str:
        """The class ids in words: "0 to 599", or "10 to 599 with gaps"."""
        first, last = self.classes[0].hoi_id, self.classes[-1].hoi_id
        return f"{first} to {last}" + ("" if len(self.classes) == last - first + 1 else " with gaps")

    @cached_property
    def verb_of(self) -> np.ndarray:
        """The verb of each class by its id, int (largest class id + 1,); -1 where there is no class of that id."""
        return self._column([hoi.verb_id for hoi in self.classes])

    @cached_property
    def object_of(self) -> np.ndarray:
        """The object of each class by its id, int (largest class id + 1,); -1 where there is no class of that id."""
        return self._column([hoi.object_id for hoi in self.classes])

    def valid(self, hois: Iterable[int]) -> np.ndarray:
        """Which object and verb form one of these classes, (O, V) bool."""
        return self.lookup(hois) >= 0

    def lookup(self, hois: Iterable[int]) -> np.ndarray:
        """The class of each object and verb, (O, V) int; -1 where they form none of these classes."""
        import numpy as np

        table = np.full((len(self.objects), len(self.verbs)), -1, dtype=np.int64)
        for hoi in map(self.hoi, hois):
            table[hoi.object_id, hoi.verb_id] = hoi.hoi_id
        return table

    def subset(self, hois: Iterable[int], *, name: str | None = None) -> Vocabulary:
        """The vocabulary with only these classes; all ids stay, and so do all verbs and objects."""
        kept = tuple(self.hoi(h) for h in sorted(set(hois)))
        return Vocabulary(name or self.name, self.verbs, self.objects, kept, self.persons, self.without_object)

    @cached_property
    def digest(self) -> str:
        """The digest of its whole content: equal vocabularies have equal digests, wherever they were read."""
        text = json.dumps(self.as_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The vocabulary as plain JSON, in the form that `pipeline.vocabulary.file.parse` reads."""
        own = [{"verb": self.verbs[verb_id].name, "object": None} for verb_id in self.without_object]
        return {
            "name": self.name,
            "persons": list(self.persons),
            "verbs": [{"name": v.name, "ing": v.ing} | ({"idle": True} if v.idle else {}) for v in self.verbs],
            "objects": [
                {"name": o.name}
                | ({"coco": o.coco_id} if o.coco_id is not None else {})
                | ({"plural": True} if o.plural else {})
                for o in self.objects
            ],
            "classes": [{"id": c.hoi_id, "verb": c.verb, "object": c.object, "phrase": c.phrase} for c in self.classes]
            + own,
        }

    @cached_property
    def _by_id(self) -> dict[int, Hoi]:
        return {hoi.hoi_id: hoi for hoi in self.classes}

    @cached_property
    def _by_pair(self) -> dict[tuple[int, int], int]:
        return {(hoi.verb_id, hoi.object_id): hoi.hoi_id for hoi in self.classes}

    @cached_property
    def _by_name(self) -> dict[str, Hoi]:
        return {comparable(hoi.name): hoi for hoi in self.classes}

    def _nearest(self, wanted: str) -> str:
        """Names close to `wanted` by spelling, else classes that share a word with it, else the form of a name."""
        near = difflib.get_close_matches(wanted, self._by_name, n=5, cutoff=0.6)
        if not near:
            words = set(wanted.split())
            near = [known for known in self._by_name if words & set(known.split())][:5]
        return ", ".join(near) if near else "none (a name is a verb and an object, such as 'ride horse')"

    def _column(self, values: list[int]) -> np.ndarray:
        import numpy as np

        found = np.full(self.classes[-1].hoi_id + 1 if self.classes else 0, -1, dtype=np.int64)
        found[list(self.ids)] = values
        found.setflags(write=False)
        return found


def hoi(hoi_id: int, verb_id: int, object_id: int, verb: Verb, thing: Object, phrase: str | None = None) -> Hoi:
    """The class of a verb and an object; without a `phrase` it gets the one that follows from the names."""
    link = "and" if verb.idle else spaced(verb.ing)
    return Hoi(
        hoi_id=hoi_id,
        verb_id=verb_id,
        object_id=object_id,
        verb=verb.name,
        verb_ing=verb.ing,
        object=thing.name,
        idle=verb.idle,
        article=thing.article,
        phrase=phrase or f"a person {link} {thing.with_article}",
    )


def spaced(name: str) -> str:
    """A name with spaces instead of underscores."""
    return name.replace("_", " ")


def comparable(name: str) -> str:
    """A name as names are compared: NFC, lower case, any run of blanks, underscores and hyphens as one blank."""
    return " ".join(unicodedata.normalize("NFC", name).lower().replace("_", " ").replace("-", " ").split())
