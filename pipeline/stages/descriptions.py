"""Stage `descriptions`: one visual description of each class, with its provenance and the quality gate's verdict.

    descriptions.parquet    hoi_id, name, text, sentences, verdict and what produced them: all that later stages read
    actions.parquet         the same for each verb of the classes: verb_id, name, ...; where descriptions.actions is set
    concepts.parquet        phrases on each verb's human, object and context, where model.head reads them
    provenance.parquet      hoi_id, model_root, attempts, token counts, latency_s ...: how it went, language models only
    answers.jsonl           every answer used, accepted or not, with its full request: language models only

Texts come from the project's lexicon, from a language model or from a user's file; `descriptions.edits` replaces single
ones. An added class (`data.classes`) with words that the lexicon lacks has its phrase as text. The stage resumes at the single
request, and takes answers that another run of this store has to the very same request.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.datasets import classes as class_tables
from pipeline.errors import DataError
from pipeline.texts import columns, concept_tables, describing, sentences
from pipeline.texts.given import texts
from pipeline.texts.judge import PASSED, Owners, judge
from pipeline.texts.lexicon import lexicon
from pipeline.texts.llm.ask import Asked
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.descriptions")

NAMED: dict[str, pa.DataType] = {"hoi_id": pa.int64(), "name": pa.string()}
VERB: dict[str, pa.DataType] = {"verb_id": pa.int64(), "name": pa.string()}


@dataclass(frozen=True)
class Texts:
    """The rows of the tables of a run."""

    classes: list[dict[str, Any]]
    verbs: list[dict[str, Any]] | None
    """None where no verb is described (`descriptions.actions`)."""
    concepts: list[dict[str, Any]] | None
    """None where `model.head` reads none."""


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts, and the classes whose texts fail the gate.

    Raises DataError if more than `descriptions.tolerated` of the texts of a model or a file fail the gate. Edits are written
    by hand, so their verdict is only noted.
    """
    section = work.config.descriptions
    with work.clock("read"):
        vocabulary = class_tables.vocabulary(work.inputs["vocabulary"])
        own = describing.own(section, vocabulary, vocabulary.classes)
        added = class_tables.added(work.inputs["vocabulary"])
    said = _said(work, vocabulary, [hoi for hoi in vocabulary.classes if hoi.hoi_id not in own])
    made = _texts(work, vocabulary, own, said, added)
    _judge(made.classes, vocabulary)
    if section.source == "file":
        given = {row["name"]: row["verdict"] for row in made.classes if row["source"] == "file"}
        _tolerate(given, section.tolerated)
    with work.clock("write"):
        _write(work, made, said)
    work.progress(len(made.classes), len(made.classes), "described")
    return _metrics(made.classes, said)


def _said(work: Work, vocabulary: Vocabulary, rest: list[Hoi]) -> describing.Said:
    """What a language model says about the classes without a text of the user's; nothing where none is asked."""
    section = work.config.descriptions
    if not section.asks_model:
        return describing.Said()
    with work.clock("compute"):
        return describing.ask(
            rest,
            _verbs(vocabulary.classes) if section.actions else [],
            vocabulary=vocabulary,
            config=work.config,
            scratch=work.scratch,
            exchange=work.exchange,
            progress=work.progress,
            concepts=vocabulary.classes if work.config.reads_concepts else (),
            keep=work.out,
        )


def _texts(
    work: Work,
    vocabulary: Vocabulary,
    own: Mapping[int, tuple[str, texts.Given]],
    said: describing.Said,
    added: Collection[int],
) -> Texts:
    """Every text from the first that has it: the user's own, the language model, the lexicon.

    Args:
        own: {class id: source and text} of the user's texts.
        added: the ids of classes of `data.classes`, of which the lexicon need not know the words.

    Raises:
        DataError: the lexicon is asked for a word that it lacks.
    """
    section, classes = work.config.descriptions, vocabulary.classes
    silent = [hoi for hoi in classes if hoi.hoi_id not in own and hoi.hoi_id not in said.classes]
    bare = [h for h in silent if h.hoi_id in added and not lexicon.knows(h)]
    if bare:
        log.warning("nobody describes %s: the phrase stands for it", ", ".join(hoi.name for hoi in bare))
    lexicon.check((h for h in silent if h not in bare), key="descriptions.source")
    verbs = _verbs([h for h in classes if h not in bare or h.verb_id in said.verbs])
    if section.actions:
        lexicon.check((h for h in verbs if h.verb_id not in said.verbs), key="descriptions.source")
    wording = lexicon.wording(section.template.text)
    return Texts(
        classes=[_row(hoi, own.get(hoi.hoi_id), said.classes.get(hoi.hoi_id), wording) for hoi in classes],
        verbs=[_action(hoi, said.verbs.get(hoi.verb_id)) for hoi in verbs] if section.actions else None,
        concepts=concept_tables.rows(classes, said.concepts) if work.config.reads_concepts else None,
    )


def _write(work: Work, made: Texts, said: describing.Said) -> None:
    columns.write(work.out / "descriptions.parquet", made.classes, NAMED | columns.PRODUCED)
    if made.concepts is not None:
        columns.write(work.out / "concepts.parquet", made.concepts, concept_tables.COLUMNS)
    if made.verbs is not None:
        columns.write(work.out / "actions.parquet", made.verbs, VERB | columns.PRODUCED)
    measures = [{"hoi_id": hoi_id, **columns.measured(answer)} for hoi_id, answer in sorted(said.classes.items())]
    columns.write(work.out / "provenance.parquet", measures, {"hoi_id": pa.int64()} | columns.MEASURED)


def _metrics(rows: Sequence[Mapping[str, Any]], said: describing.Said) -> dict[str, Any]:
    """Counts of the classes' texts and of what a language model was asked, and the classes whose texts fail the gate."""
    return {
        "classes": len(rows),
        "mean_words": round(sum(len(row["text"].split()) for row in rows) / max(len(rows), 1), 2),
        "sources": {name: sum(row["source"] == name for row in rows) for name in sorted({r["source"] for r in rows})},
        "edited": sum(row["source"] == "edit" for row in rows),
        "requests": said.tally.requests,
        "reused": said.tally.reused,
        "rejected": said.tally.rejected,
        "failing": {str(row["name"]): str(row["verdict"]) for row in rows if row["verdict"] != PASSED},
    }


def _row(hoi: Hoi, own: tuple[str, texts.Given] | None, asked: Asked | None, wording: str) -> dict[str, Any]:
    named = {"hoi_id": hoi.hoi_id, "name": hoi.name}
    if own is not None:
        source, given = own
        parts = list(sentences.split(given.text))
        return named | {"text": given.text, "sentences": parts, "source": source, "origin": given.origin}
    if asked is not None:
        return named | columns.produced(asked, sentences.split(asked.text))
    if not lexicon.knows(hoi):
        bare = describing.plainly(hoi, actions=False).sentences
        return named | {"text": " ".join(bare), "sentences": list(bare), "source": describing.PHRASE}
    return named | _from_lexicon(lexicon.describe(hoi, wording), wording)


def _action(hoi: Hoi, asked: Asked | None) -> dict[str, Any]:
    named = {"verb_id": hoi.verb_id, "name": hoi.verb}
    if asked is not None:
        return named | columns.produced(asked, sentences.split(asked.text))
    found = _from_lexicon(lexicon.describe_verb(hoi.verb))
    return named | found | {"verdict": judge(found["text"])}


def _from_lexicon(parts: Sequence[str], wording: str = lexicon.DESCRIBE) -> dict[str, Any]:
    return {
        "text": " ".join(parts),
        "sentences": list(parts),
        "source": "lexicon",
        "template": wording,
        "template_version": lexicon.LEXICON_VERSION if wording == lexicon.DESCRIBE else lexicon.SLOTS_VERSION,
    }


def _verbs(classes: Sequence[Hoi]) -> list[Hoi]:
    """A class for each verb that these classes have, in order of verb_id."""
    found = {hoi.verb_id: hoi for hoi in classes if not hoi.idle}
    return [found[verb_id] for verb_id in sorted(found)]


def _judge(rows: Sequence[dict[str, Any]], vocabulary: Vocabulary) -> None:
    """Judge the texts that no model was asked for."""
    owners = Owners()
    for row in sorted(rows, key=lambda row: "verdict" not in row):  # answers first: they were judged among themselves
        hoi = vocabulary.hoi(row["hoi_id"])
        owner = owners.duplicate_of(hoi.name, row["text"], hoi.object)
        if "verdict" not in row:
            verdict = judge(row["text"], about=hoi, among=vocabulary)
            row["verdict"] = f"duplicate of {owner!r}" if verdict == PASSED and owner is not None else verdict


def _tolerate(verdicts: Mapping[str, str], tolerated: float) -> None:
    """DataError if too many of a file's texts fail the gate; texts of a model were judged when they were asked for."""
    failing = {name: verdict for name, verdict in verdicts.items() if verdict != PASSED}
    if len(failing) > tolerated * len(verdicts):
        lines = "\n".join(f"  {name}: {verdict}" for name, verdict in failing.items())
        raise DataError(
            f"{len(failing)} of {len(verdicts)} given descriptions fail the quality gate (tolerated: {tolerated:.0%}):\n"
            f"{lines}\nMend them in your file or with `ezhoi describe edit CLASS`, or raise descriptions.tolerated."
        )
