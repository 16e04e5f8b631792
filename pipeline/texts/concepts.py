"""Region concepts: up to ten short phrases on what each verb shows of the human, of the object and of the context.

VDRP's prompt family (section 3.3 there): the head `regions` looks up, for each pair, which phrases its regions show. A phrase
says one thing that a camera sees ("both arms are stretched forward"). Phrases come from the project's lexicon or from a
language model, whose answer is parsed into phrases here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

from pipeline.texts.judge import PASSED, judge, normalised
from pipeline.texts.llm import thinking

Region = Literal["human", "object", "context"]
REGIONS: tuple[Region, ...] = get_args(Region)
"""The regions of a pair: its human box, its object box, and their union with what is around."""
ASKED: Mapping[Region, str] = {
    "human": "the person alone: posture, legs, arms, hands, head and eyes",
    "object": "the object alone: how it is touched or held, the state that it is in, where it is seen from the person",
    "context": "the surroundings of both: the kind of place, what stands and lies there, other people",
}
"""What a language model is asked about, by region."""
MOST = 10
"""The most phrases of a verb and region."""
FEWEST = 3
"""The fewest phrases that a language model's answer must have."""
MOST_WORDS = 14
"""The most words of a phrase; a longer one is prose, which CLIP blurs into one concept."""

_MARK = re.compile(r"""^\s*(?:[-*•–—]+|\(?\d{1,2}[.):]|[a-z][.)])\s*""")
_EDGE = " \t\"'“”‘’.,;:"


def parse(answer: str) -> tuple[str, ...]:
    """The phrases of an answer, at most `MOST`: one a line, or parted by semicolons; numbers, bullets, quotes and full stops
    are taken off, repeats, lines without words, headings (ending in a colon) and what is too long are left out."""
    found: dict[str, str] = {}
    for line in re.split(r"[\n;]", thinking.spoken(answer)):
        if line.rstrip().endswith(":"):
            continue
        phrase = " ".join(_MARK.sub("", line).strip(_EDGE).split())
        plain = normalised(phrase)
        if plain and len(plain.split()) <= MOST_WORDS:
            found.setdefault(plain, phrase)
    return tuple(found.values())[:MOST]


def judge_answer(answer: str, finish_reason: str = "stop") -> str:
    """`PASSED`, or in a few words why the answer is no list of phrases."""
    phrases = parse(answer)
    if len(phrases) < FEWEST:
        whole = judge(answer, finish_reason=finish_reason)
        return whole if whole != PASSED else f"no list of phrases ({len(phrases)} found, {FEWEST} at least)"
    if finish_reason == "length":  # the last phrase is the one that was cut off
        return PASSED if len(phrases) > FEWEST else f"cut off (finish reason {finish_reason!r})"
    return judge(f"{'. '.join(phrases)}.", finish_reason=finish_reason)
