"""Descriptions from whom the configuration names: the user's own, a language model's, the lexicon's, or the bare phrase.

The stage `descriptions` describes all classes of a dataset with it, the predictor those that somebody adds (`of_added`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.language import Descriptions
from pipeline.config.tree import Config
from pipeline.errors import DataError
from pipeline.store.exchange import Exchange
from pipeline.store.opening import store_of
from pipeline.texts import edits, sentences
from pipeline.texts.given import texts
from pipeline.texts.lexicon import lexicon
from pipeline.texts.llm import journal, pictures
from pipeline.texts.llm.ask import Asked, OnAnswer, Question, Tally, ask_all
from pipeline.texts.llm.journal import ONE_DISK
from pipeline.texts.llm.templates import template
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

PHRASE = "phrase"
"""Source of a description that nobody gave: the class's phrase stands for it."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is said of a class: the sentences of its description, and of its verb alone where that was asked for."""

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
    """{hoi_id: what is said of it} of classes that are added to a model, from whom `config.descriptions` names.

    Where that is the lexicon and it does not know a word, the phrase stands for the class.

    Args:
        actions: whether the verbs are described alone, too.
        scratch: folder that keeps a language model's answers.

    Raises:
        DataError: the user's file lacks a class, or a language model gave no usable text.
        ServiceError: the language model's server cannot be used.
    """
    given = own(config.descriptions, vocabulary, classes)
    rest = [hoi for hoi in classes if hoi.hoi_id not in given]
    asked: dict[int, Asked] = {}
    verbs: dict[int, Asked] = {}
    if config.descriptions.asks_model:
        alone = {hoi.verb_id: hoi for hoi in classes if not hoi.idle} if actions else {}
        asked, verbs, _ = ask(
            rest, list(alone.values()), vocabulary=vocabulary, config=config, scratch=scratch, progress=progress
        )
    found = {}
    for hoi in classes:
        plain = plainly(hoi, actions=actions, wording=lexicon.wording(config.descriptions.template.text))
        action = tuple(sentences.split(verbs[hoi.verb_id].text)) if hoi.verb_id in verbs else plain.action
        if hoi.hoi_id in given:
            source, text = given[hoi.hoi_id]
            found[hoi.hoi_id] = Described(tuple(sentences.split(text.text)), source, action)
        elif hoi.hoi_id in asked:
            found[hoi.hoi_id] = Described(tuple(sentences.split(asked[hoi.hoi_id].text)), "llm", action)
        else:
            found[hoi.hoi_id] = plain
    return found


def plainly(hoi: Hoi, *, actions: bool, wording: str = lexicon.DESCRIBE) -> Described:
    """What is said of a class where nobody says more: the lexicon's words, or its phrase if the lexicon lacks one of them."""
    try:
        lexicon.check([hoi])
    except DataError:
        return Described((f"{hoi.phrase[0].upper()}{hoi.phrase[1:]}.",), PHRASE)
    verb = lexicon.describe_verb(hoi.verb) if actions and not hoi.idle else ()
    return Described(tuple(lexicon.describe(hoi, wording)), "lexicon", verb)


def own(settings: Descriptions, vocabulary: Vocabulary, classes: Sequence[Hoi]) -> dict[int, tuple[str, texts.Given]]:
    """The user's texts for these classes, with their source: edits come before those of a file.

    Raises DataError if a class has none in the file and nothing was said about where else to take it.
    """
    edited = edits.read(settings.edits, vocabulary) if settings.edits is not None else {}
    found = {h: ("edit", texts.Given(text, settings.edits.name)) for h, text in edited.items() if settings.edits}
    if settings.source == "file":
        if settings.file is None:
            raise DataError("descriptions.source is file: name one with --set descriptions.file=PATH")
        found = {h: ("file", text) for h, text in texts.descriptions(settings.file, vocabulary).items()} | found
        missing = [hoi.name for hoi in classes if hoi.hoi_id not in found]
        if missing and settings.missing == "error":
            raise DataError(
                f"descriptions.file = {settings.file}: no text for {len(missing)} of {len(classes)} classes: "
                f"{', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}. Add them, or say where they come from "
                "with --set descriptions.missing=lexicon (or llm); their rows will tell."
            )
    return found


def ask(
    classes: Sequence[Hoi],
    verbs: Sequence[Hoi],
    *,
    vocabulary: Vocabulary,
    config: Config,
    scratch: Path,
    progress: OnAnswer,
    exchange: Exchange = ONE_DISK,
    keep: Path | None = None,
) -> tuple[dict[int, Asked], dict[int, Asked], Tally]:
    """The language model's texts by hoi_id and by verb_id, and what they cost.

    Args:
        verbs: a class of each verb that is described alone, too.
        scratch: folder of the journal of answers; `keep` is the folder that gets them when all are there.
    """
    settings, llm = config.descriptions, config.llm
    wording = template(settings.template, "describe", key="descriptions.template")
    shown = {}
    if settings.pictures is not None:
        shown = pictures.read(settings.pictures, vocabulary, most=settings.pictures_per_class)
    questions = [
        Question(name=hoi.name, rendered=wording.render(hoi), about=hoi, pictures=shown.get(hoi.hoi_id, ()))
        for hoi in classes
    ]
    earlier = journal.earlier_journals(scratch, store_of(config))
    with journal.Journal(scratch / journal.WORKING, earlier=earlier, exchange=exchange) as answers:
        found, tally = ask_all(
            questions,
            template=wording,
            among=vocabulary,
            llm=llm,
            journal=answers,
            progress=progress,
            tolerated=settings.tolerated,
        )
        by_verb: list[Asked] = []
        if verbs:
            wording = template(settings.action_template, "action", key="descriptions.action_template")
            questions = [Question(name=hoi.verb, rendered=wording.render_verb(hoi.verb, hoi.verb_ing)) for hoi in verbs]
            by_verb, more = ask_all(
                questions,
                template=wording,
                llm=llm,
                journal=answers,
                progress=progress,
                tolerated=settings.tolerated,
            )
            tally.requests, tally.reused = tally.requests + more.requests, tally.reused + more.reused
            tally.rejected += more.rejected
        if keep is not None:
            answers.publish(keep / journal.PUBLISHED)
    return (
        {hoi.hoi_id: asked for hoi, asked in zip(classes, found, strict=True)},
        {hoi.verb_id: asked for hoi, asked in zip(verbs, by_verb, strict=False)},
        tally,
    )
