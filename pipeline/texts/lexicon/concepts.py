"""Region concepts from the lexicon: what its entries say of a verb, taken apart into human, object and context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.texts.concepts import MOST, Region
from pipeline.texts.lexicon import entries
from pipeline.texts.lexicon.lexicon import Look, look
from pipeline.vocabulary.vocabulary import Hoi

CONCEPTS = "concepts"
"""Name of the wording, for the concepts' provenance."""


def concepts(classes: Sequence[Hoi]) -> Mapping[Region, tuple[str, ...]]:
    """The phrases of a verb, given its classes: at most ten a region, distinct, in the order of the classes.

    human: posture, hands and gaze; object: contact, place and looks; context: the place where it happens, and where the
    object is in it. What is the same for several objects is said once, about "the object".
    """
    looks = [look(hoi) for hoi in classes]
    return {
        "human": _first(phrase for seen in looks for phrase in _human(seen)),
        "object": _first(phrase for seen in looks for phrase in _object(seen)),
        "context": _first(phrase for seen in looks for phrase in _context(seen)),
    }


def _human(seen: Look) -> list[str]:
    return [f"a person who {_any(seen.fields['body'])}", _any(seen.fields["hands"]), _any(seen.fields["gaze"])]


def _object(seen: Look) -> list[str]:
    thing = seen.object
    return [_any(seen.fields["contact"]), f"an object {_any(seen.fields['relation'])}", f"{thing.looks}, {thing.size}"]


def _context(seen: Look) -> list[str]:
    return [entries.scenes().of(seen.verb, seen.name), f"a scene with {seen.object.called}"]


def _any(text: str) -> str:
    return text.format(the="the object", it="the object", its="its")


def _first(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrases))[:MOST]
