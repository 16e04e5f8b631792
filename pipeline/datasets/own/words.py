"""The words that annotations may use: which object a label is, which verb a word is, and which of them form classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, comparable


@dataclass(frozen=True)
class Words:
    """Objects and verbs by their comparable names.

    Attributes:
        objects: object id by name; every name of a person is `PERSON`.
        verbs: verb id by base form and by -ing form.
        classes: the pairs (verb id, object id) that are classes; None if every pair that occurs is one.
        alone: the verbs that are classes without an object; None if every one that occurs is.
    """

    objects: Mapping[str, int]
    verbs: Mapping[str, int]
    classes: frozenset[tuple[int, int]] | None = None
    alone: frozenset[int] | None = None

    def object_id(self, label: str) -> int | None:
        """The id of the object that a label names; None if it names none."""
        return self.objects.get(comparable(label))

    def verb_id(self, word: str) -> int | None:
        """The id of the verb that a word names, in base form or with -ing; None if it names none."""
        return self.verbs.get(comparable(word))

    def is_person(self, label: str) -> bool:
        """Whether a label names a person."""
        return self.object_id(label) == PERSON

    @property
    def verb_names(self) -> list[str]:
        """The base forms of the verbs; position = verb id."""
        names: dict[int, str] = {}
        for name, number in self.verbs.items():
            names.setdefault(number, name)
        return [names[number] for number in sorted(names)]

    @property
    def object_names(self) -> list[str]:
        """The names of the objects; position = object id."""
        names: dict[int, str] = {}
        for name, number in self.objects.items():
            names.setdefault(number, name)
        return [names[number] for number in sorted(names)]


def of(vocabulary: Vocabulary) -> Words:
    """The words of a vocabulary; only its classes may be annotated."""
    verbs: dict[str, int] = {comparable(verb.name): i for i, verb in enumerate(vocabulary.verbs)}
    for i, verb in enumerate(vocabulary.verbs):
        verbs.setdefault(comparable(verb.ing), i)
    objects = {comparable(thing.name): i for i, thing in enumerate(vocabulary.objects)}
    return Words(
        objects={**objects, **{comparable(name): PERSON for name in vocabulary.persons}},
        verbs=verbs,
        classes=frozenset((c.verb_id, c.object_id) for c in vocabulary.classes),
        alone=frozenset(vocabulary.without_object),
    )
