"""Descriptions and disparities composed from the visual lexicon: deterministic, made of words that classes share.

Verbs are described from one small stock of phrases ("both arms are stretched forward", "below the person"), so that
most of an unseen class's description also occurs in descriptions of seen classes: guidance (Eq. 2) can carry over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.errors import ConfigError, DataError
from pipeline.outside.parsing import shown
from pipeline.texts.lexicon import entries
from pipeline.vocabulary.vocabulary import Hoi, comparable

LEXICON_VERSION = 1
"""Raised with every change of the entries or of the wording."""

DESCRIBE = "compose"
"""Name of the usual wording of descriptions, for their provenance."""
SLOTS_VERSION = 1
"""Raised with every change of `scenes.yaml` or of the wording in slots; that of the other entries counts besides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """All that the lexicon says about one class; `fields` are not filled in, so that they compare across objects."""

    hoi: Hoi
    verb: str
    name: str
    """Names of the entries of the verb and of the object, which may part their words otherwise than the class does."""
    fields: dict[str, str]
    object: entries.ObjectLook

    def say(self, *fields: str, named: bool = False) -> str:
        """The fields as one series of clauses about this object, which may have been `named` before."""
        clauses = [self.fields[field] for field in fields]
        series = clauses if len(clauses) == 1 else [*clauses[:-1], f"and {clauses[-1]}"]
        return self.object.fill(", ".join(series), named=named)


def check(classes: Iterable[Hoi], *, key: str = "descriptions.source") -> None:
    """DataError, naming the classes that the lexicon has no entry for, if there are any; `key` is what chose the lexicon."""
    if missing := [one.name for one in classes if not knows(one)]:
        raise DataError(
            f"{key} = lexicon: the lexicon knows the verbs and objects of HICO-DET and V-COCO alone, and not those "
            f"of {len(missing)} classes: {', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}. Use {key}=llm or "
            f"{key}=file."
        )


def knows(hoi: Hoi) -> bool:
    """Whether the lexicon has an entry for a class's verb and one for its object."""
    return _entry(hoi.verb, entries.verbs()) is not None and _entry(hoi.object, entries.objects()) is not None


def look(hoi: Hoi) -> Look:
    """The lexicon's entry of a class; DataError if it has none."""
    check([hoi])
    verbs, objects = entries.verbs(), entries.objects()
    verb, name = str(_entry(hoi.verb, verbs)), str(_entry(hoi.object, objects))
    return Look(hoi=hoi, verb=verb, name=name, fields=verbs[verb].of(name, objects[name].kind), object=objects[name])


def _entry(name: str, known: Iterable[str]) -> str | None:
    """The entry that a vocabulary's word means, however it parts its words ("no interaction"); None if there is none."""
    wanted = comparable(name)
    return name if name in known else next((entry for entry in known if comparable(entry) == wanted), None)


def describe(hoi: Hoi, template: str = DESCRIBE) -> tuple[str, ...]:
    """The sentences about a class, of at most 23 words each, in the wording that the template stands for.

    The first one opens with the class's own phrase. A template without a wording of the lexicon's (`DESCRIPTIONS`) means the
    usual one: posture, then hands, gaze and contact, then the object and where it is.
    """
    return DESCRIPTIONS[wording(template)](look(hoi))


def wording(template: str) -> str:
    """Name of the wording of descriptions that a template stands for, in `DESCRIPTIONS`."""
    return template if template in DESCRIPTIONS else DESCRIBE


def _composed(seen: Look) -> tuple[str, ...]:
    thing = seen.object
    return (
        _sentence(f"{_opening(seen.hoi)} {seen.say('body')}"),
        _sentence(f"{seen.say('hands', 'gaze', 'contact')}"),
        _sentence(f"{thing.the}, {thing.looks}, {thing.size}, {thing.is_or_are} {seen.say('relation')}"),
    )


def _slots(seen: Look) -> tuple[str, ...]:
    """A sentence each on the human (posture and gaze), the contact (with the hands), the object's state, and the scene."""
    thing = seen.object
    return (
        _sentence(f"{_opening(seen.hoi)} {seen.say('body', 'gaze', named=True)}"),
        _sentence(seen.say("hands", "contact")),
        _sentence(f"{thing.the}, {thing.looks}, {thing.is_or_are} {seen.say('relation')}"),
        _sentence(f"the scene is {entries.scenes().of(seen.verb, seen.name)}"),
    )


DESCRIPTIONS: dict[str, Callable[[Look], tuple[str, ...]]] = {DESCRIBE: _composed, "describe-slots-v1": _slots}
"""The wordings of descriptions by name; that in slots has the name of the template that asks a model for the same."""


def _opening(hoi: Hoi) -> str:
    return f"{hoi.phrase}, where the person" if hoi.idle else hoi.phrase


def describe_verb(verb: str) -> tuple[str, ...]:
    """Three sentences about a verb (the vocabulary's word) whatever its object: posture, then hands and gaze, then contact."""
    fields = entries.verbs()[_entry(verb, entries.verbs()) or verb].fields
    filled = {name: text.format(the="the object", it="the object", its="its") for name, text in fields.items()}
    return (
        _sentence(f"the person {filled['body']}"),
        _sentence(f"{filled['hands']}, and {filled['gaze']}"),
        _sentence(f"{filled['contact']}, and the object is {filled['relation']}"),
    )


def contrast(unseen: Hoi, seen: Hoi, template: str) -> tuple[str, ...]:
    """One to four sentences that say how class `unseen` differs from class `seen`, said about the former.

    Raises:
        ConfigError: unknown `template`; the message lists the valid ones.
        ValueError: the two are the same class.
    """
    if template not in CONTRASTS:
        raise ConfigError(f"disparities.template: no wording {shown(template)}; valid: {', '.join(CONTRASTS)}")
    if unseen.hoi_id == seen.hoi_id:
        raise ValueError(f"class {shown(unseen.name)} cannot differ from itself")
    return CONTRASTS[template](look(unseen), look(seen))


def _grouped(unseen: Look, seen: Look) -> tuple[str, ...]:
    """A sentence each on posture, on hands with gaze and contact, on place, on the object."""
    changed = _changed(unseen, seen)
    parts = []
    if "body" in changed:
        parts.append(f"this person {unseen.say('body')}")
    touch = [field for field in ("hands", "gaze", "contact") if field in changed]
    if touch:
        parts.append(f"here {unseen.say(*touch)}")
    if "relation" in changed:
        parts.append(f"{unseen.object.the} {unseen.object.is_or_are} {unseen.say('relation')}")
    if "object" in changed:
        parts.append(_presented(unseen.object))
    parts[0] = f"unlike {_other(seen.hoi)}, {parts[0]}"
    return tuple(_sentence(part) for part in parts)


def _by_field(unseen: Look, seen: Look) -> tuple[str, ...]:
    """A sentence a difference, at most four: object, posture, hands, contact, place, gaze."""
    thing = unseen.object
    wording = {
        "object": f"{thing.the} {thing.is_or_are} new, {thing.looks}, {thing.size}",
        "body": f"the posture changes, as the person {unseen.say('body')}",
        "hands": f"the arms change, as {unseen.say('hands')}",
        "contact": f"the contact changes, as {unseen.say('contact')}",
        "relation": f"the place changes, as {thing.the} {thing.is_or_are} {unseen.say('relation')}",
        "gaze": f"the gaze changes, as {unseen.say('gaze')}",
    }
    changed = _changed(unseen, seen)
    parts = [text for field, text in wording.items() if field in changed][:4]
    parts[0] = f"compared with {_other(seen.hoi)}, {parts[0]}"
    return tuple(_sentence(part) for part in parts)


CONTRASTS: dict[str, Callable[[Look, Look], tuple[str, ...]]] = {"contrast-v1": _grouped, "contrast-v2": _by_field}
"""The wordings of disparities by name."""


def _changed(unseen: Look, seen: Look) -> set[str]:
    changed = {field for field in entries.FIELDS if unseen.fields[field] != seen.fields[field]}
    if unseen.hoi.object_id != seen.hoi.object_id:
        changed.add("object")
    return changed


def _other(hoi: Hoi) -> str:
    return f"{hoi.phrase} without interaction" if hoi.idle else hoi.phrase


def _presented(thing: entries.ObjectLook) -> str:
    article = "another" if thing.kind == "person" else "an" if thing.called[0] in "aeiou" else "a"
    noun = "person" if thing.kind == "person" else thing.called
    opening = f"the objects are {noun}" if thing.plural else f"the object is {article} {noun}"
    return f"{opening}, {thing.looks}, {thing.size}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
