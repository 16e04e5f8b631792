"""The table of region concepts: a row for each verb and region, with its phrases and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.texts import columns
from pipeline.texts.concepts import ASKED, REGIONS, Region, judge_answer, parse
from pipeline.texts.judge import PASSED
from pipeline.texts.lexicon import lexicon
from pipeline.texts.lexicon.concepts import CONCEPTS, concepts
from pipeline.texts.llm.ask import Asked, Question
from pipeline.texts.llm.templates import Template
from pipeline.vocabulary.vocabulary import Hoi

Key = tuple[int, Region]
"""(verb_id, region)"""
COLUMNS: dict[str, pa.DataType] = {"verb_id": pa.int64(), "name": pa.string(), "region": pa.string()} | columns.PRODUCED
"""Columns of `concepts.parquet`: `sentences` are the phrases, `text` is all of them joined by semicolons."""


def questions(classes: Sequence[Hoi], wording: Template) -> dict[Key, Question]:
    """What to ask a language model: three questions for each verb of the classes except idle ones, in order of verb_id."""
    return {
        (verb_id, region): Question(
            name=f"{hoi.verb}: {region}",
            rendered=wording.render_region(hoi.verb, hoi.verb_ing, ASKED[region]),
            judged=judge_answer,
        )
        for verb_id, hoi in _verbs(classes).items()
        for region in REGIONS
    }


def rows(classes: Sequence[Hoi], asked: Mapping[Key, Asked]) -> list[dict[str, Any]]:
    """Three rows for each verb of the classes except idle ones; from the lexicon, where no model was asked.

    Raises DataError if the lexicon lacks a class that it is needed for.
    """
    found = []
    for verb_id, hoi in _verbs(classes).items():
        own: Mapping[Region, tuple[str, ...]] = {}
        if (verb_id, "human") not in asked:
            mine = [one for one in classes if one.verb_id == verb_id]
            lexicon.check(mine)
            own = concepts(mine)
        for region in REGIONS:
            answer = asked.get((verb_id, region))
            row = _lexicon(own[region]) if answer is None else _answered(answer)
            found.append({"verb_id": verb_id, "name": hoi.verb, "region": region} | row)
    return found


def _answered(asked: Asked) -> dict[str, Any]:
    phrases = parse(asked.answer.text)
    if asked.answer.finish_reason == "length":
        phrases = phrases[:-1]
    return columns.produced(asked, phrases) | {"text": "; ".join(phrases)}


def _lexicon(phrases: Sequence[str]) -> dict[str, Any]:
    return {
        "text": "; ".join(phrases),
        "sentences": list(phrases),
        "source": "lexicon",
        "verdict": PASSED,
        "template": CONCEPTS,
        "template_version": lexicon.LEXICON_VERSION,
    }


def _verbs(classes: Sequence[Hoi]) -> dict[int, Hoi]:
    """{verb_id: a class with it}, in order."""
    found = {hoi.verb_id: hoi for hoi in classes if not hoi.idle}
    return {verb_id: found[verb_id] for verb_id in sorted(found)}
