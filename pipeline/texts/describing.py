"""Descriptions from the source that the configuration names: the user, a language model, the lexicon, or the bare phrase.

The stage `descriptions` describes all classes of a dataset with it, the predictor only added ones (`of_added`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.config.language import Descriptions
from pipeline.config.tree import Config
from pipeline.errors import DataError
from pipeline.store.exchange import Exchange
from pipeline.store.opening import store_of
from pipeline.texts import concept_tables, edits, sentences
from pipeline.texts.given import texts
from pipeline.texts.lexicon import lexicon
from pipeline.texts.llm import journal, pictures
from pipeline.texts.llm.ask import Asked, OnAnswer, Question, Tally, ask_all
from pipeline.texts.llm.journal import ONE_DISK
from pipeline.texts.llm.templates import Template, template
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

K = TypeVar("K")
PHRASE = "phrase"
"""Source of a description that nobody gave: the class's phrase is used in its place."""


@dataclass(frozen=True, slots=True)
class Described:
    """A class's description as sentences, and that of its verb alone where it was asked for."""

    sentences: tuple[str, ...]
    source: str
    """edit, file, lexicon, `phrase`, or the language model's, as the table of descriptions has it."""
    action: tuple[str, ...] = ()


def of_added(
    classes: Sequence[Hoi],
    *,
    vocabulary: Vocabulary,
    config: Config,
    actions: bool,
    scratch: Path,
    progress: OnAnswer,
) -> dict[int, Described]:
    """{hoi_id: its description} of classes that are added to a model, from the source that `config.descriptions` names.

    Where that is the lexicon and it lacks a word, the class's phrase is used.

    Args:
        actions: whether the verbs are described alone as well.
        scratch: folder that keeps a language model's answers.

    Raises:
        DataError: the user's file lacks a class, or a language model gave no usable text.
        ServiceError: the language model's server cannot be used.
    """
    given = own(config.descriptions, vocabulary, classes)
    rest = [hoi for hoi in classes if hoi.hoi_id not in given]
    said = Said()
    if config.descriptions.asks_model:
        alone = {hoi.verb_id: hoi for hoi in classes if not hoi.idle} if actions else {}
        said = ask(rest, list(alone.values()), vocabulary=vocabulary, config=config, scratch=scratch, progress=progress)
    found = {}
    for hoi in classes:
        plain = plainly(hoi, actions=actions, wording=lexicon.wording(config.descriptions.template.text))
        action = tuple(sentences.split(said.verbs[hoi.verb_id].text)) if hoi.verb_id in said.verbs else plain.action
        if hoi.hoi_id in given:
            source, text = given[hoi.hoi_id]
            found[hoi.hoi_id] = Described(tuple(sentences.split(text.text)), source, action)
        elif hoi.hoi_id in said.classes:
            found[hoi.hoi_id] = Described(tuple(sentences.split(said.classes[hoi.hoi_id].text)), "llm", action)
        else:
            found[hoi.hoi_id] = plain
    return found


def plainly(hoi: Hoi, *, actions: bool, wording: str = lexicon.DESCRIBE) -> Described:
    """A class's description that no user or model gives: the lexicon's, or its phrase if the lexicon lacks a word of it."""
    if not lexicon.knows(hoi):
        return Described((f"{hoi.phrase[0].upper()}{hoi.phrase[1:]}.",), PHRASE)
    verb = lexicon.describe_verb(hoi.verb) if actions and not hoi.idle else ()
    return Described(tuple(lexicon.describe(hoi, wording)), "lexicon", verb)


def own(section: Descriptions, vocabulary: Vocabulary, classes: Sequence[Hoi]) -> dict[int, tuple[str, texts.Given]]:
    """The user's texts for these classes with their source; edits come before those of a file.

    Raises DataError if a class has none in the file and `descriptions.missing` names no other source.
    """
    edited = edits.read(section.edits, vocabulary) if section.edits is not None else {}
    found = {h: ("edit", texts.Given(text, section.edits.name)) for h, text in edited.items() if section.edits}
    if section.source == "file":
        if section.file is None:
            raise DataError("descriptions.source is file: name one with --set descriptions.file=PATH")
        found = {h: ("file", text) for h, text in texts.descriptions(section.file, vocabulary).items()} | found
        missing = [hoi.name for hoi in classes if hoi.hoi_id not in found]
        if missing and section.missing == "error":
            raise DataError(
                f"descriptions.file = {section.file}: no text for {len(missing)} of {len(classes)} classes: "
                f"{', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}. Add them, or say where to take them "
                "from with --set descriptions.missing=lexicon (or llm); their rows will say so."
            )
    return found


@dataclass(slots=True)
class Said:
    """A language model's texts by hoi_id, by verb_id, and by verb_id and region, and how often it was asked."""

    classes: dict[int, Asked] = field(default_factory=dict)
    verbs: dict[int, Asked] = field(default_factory=dict)
    concepts: dict[concept_tables.Key, Asked] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


def ask(
    classes: Sequence[Hoi],
    verbs: Sequence[Hoi],
    *,
    vocabulary: Vocabulary,
    config: Config,
    scratch: Path,
    progress: OnAnswer,
    concepts: Sequence[Hoi] = (),
    exchange: Exchange = ONE_DISK,
    keep: Path | None = None,
) -> Said:
    """The language model's texts, and what they cost.

    Args:
        verbs: one class of each verb that is also described alone.
        concepts: classes of whose verbs region concepts are asked for.
        scratch: folder of the journal of answers; `keep` is the folder that gets them when all have come in.
    """
    section, said = config.descriptions, Said()
    earlier = journal.earlier_journals(scratch, store_of(config))
    with journal.Journal(scratch / journal.WORKING, earlier=earlier, exchange=exchange) as answers:

        def of(questions: Mapping[K, Question], wording: Template, among: Vocabulary | None = None) -> dict[K, Asked]:
            found, more = ask_all(
                list(questions.values()),
                template=wording,
                among=among,
                llm=config.llm,
                journal=answers,
                progress=progress,
                tolerated=section.tolerated,
            )
            said.tally.add(more)
            return dict(zip(questions, found, strict=True))

        wording = template(section.template, "describe", key="descriptions.template")
        shown = {}
        if section.pictures is not None:
            shown = pictures.read(section.pictures, vocabulary, most=section.pictures_per_class)
        by_class = {
            hoi.hoi_id: Question(
                name=hoi.name, rendered=wording.render(hoi), about=hoi, pictures=shown.get(hoi.hoi_id, ())
            )
            for hoi in classes
        }
        said.classes = of(by_class, wording, vocabulary)
        if verbs:
            wording = template(section.action_template, "action", key="descriptions.action_template")
            said.verbs = of(
                {h.verb_id: Question(name=h.verb, rendered=wording.render_verb(h.verb, h.verb_ing)) for h in verbs},
                wording,
            )
        if concepts:
            wording = template(section.concept_template, "concept", key="descriptions.concept_template")
            said.concepts = of(concept_tables.questions(concepts, wording), wording)
        if keep is not None:
            answers.publish(keep / journal.PUBLISHED)
    return said
