"""The quality gate: whether a text is a description of its class at all. It finds texts that are surely wrong, not poor ones.

Its rules and bounds were set on 1,200 published LLaVA descriptions of HICO-DET's classes; good ones pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.texts import sentences, synonyms
from pipeline.texts.llm import thinking
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

PASSED = "passed"
FEWEST_WORDS, MOST_WORDS = 6, 220
"""A shorter text describes nothing; a longer one rambles (CLIP reads some 50 words of it)."""
LEAST_ENGLISH = 0.15
"""Least share of English function words; LLaVA's own texts have 0.2 to 0.5, other languages almost none."""
NEAR = 0.9
"""Two texts about one object count as the same text from this share of common word triples on."""
_FINISHED = ("stop", "eos", "eos_token", "stop_sequence")
"""The reasons that servers give for an answer that ended by itself."""

UNUSABLE = ("empty", "thinking aloud", "markup", "refusal", "not a text", "not English", "rejected by the server")
"""Faults with which a text is never kept, whatever share of faulty texts is tolerated."""

_PART_OF_OTHERS = ("hold", "sit_on", "stand_on")
"""Verbs that a description of another verb may well mention: whoever carries a banana holds it."""

_REFUSAL = re.compile(
    r"\b(i (cannot|can ?not|can't|am unable|am not able)|i'?m (sorry|unable|not able)|i apologi[sz]e"
    r"|(as|i am|i'm) an? (ai|language model)|unable to (help|assist|provide))\b"
)
_BOILERPLATE = re.compile(
    r"^(sure|certainly|of course|okay|here (is|are)|here's|absolutely)\b(?! how)"
    r"|\b(let me know|hope this helps|feel free to|as (requested|you requested))\b"
    r"|^(user|assistant|description|system) ?:|\b(first|second) photograph\b|\bscene (one|two)\b"
)
_THINKING = re.compile(
    r"^(\W*(okay|ok|alright|hmm+|right|so|well|first)\b)*\W*(let me (think|see|start)|let's (think|see)"
    r"|(the|this) (user|prompt|question|instructions?) (is|are|asks?|wants?|needs?|says?)\b"
    r"|(we|i) (need|have|want|should|must|are asked)( to)?\b|thinking( process| aloud)?\W{0,4}:)"
)
_MARK = re.compile(
    r"</?[a-z][\w:.-]*(?:\s[^<>]*)?/?>|<\|[^|<>]{1,40}\|>|\[/?(?:inst|img|think)\]|◁/?\w+▷", re.IGNORECASE
)
_FUNCTION_WORDS = frozenset(
    {
        *(
            "a",
            "an",
            "the",
            "this",
            "that",
            "they",
            "their",
            "them",
            "there",
            "he",
            "his",
            "him",
            "she",
            "her",
            "it",
            "its",
        ),
        *("and", "or", "as", "at", "by", "down", "for", "from", "in", "into", "of", "on", "over", "to", "up", "with"),
        *("are", "be", "being", "can", "is", "may", "was", "one", "where", "which", "while", "who"),
    }
)


@dataclass(slots=True)
class Owners:
    """The texts accepted so far, to find one that repeats another class's.

    Texts about different objects name different objects, so only equal ones are duplicates; texts about the same object may
    not even be nearly equal, as only the verb would tell the two classes apart.
    """

    texts: dict[str, str] = field(default_factory=dict)
    """Normalised text -> name of the class that has it."""
    triples: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    """Object -> class -> the word triples of its text."""

    def duplicate_of(self, name: str, text: str, about: str = "") -> str | None:
        """The class, other than `name`, that has this or nearly this text; if there is none, the text is noted as `name`'s."""
        plain, mine = normalised(text), _triples(text)
        if self.texts.get(plain, name) != name:
            return self.texts[plain]
        others = self.triples.setdefault(about, {})
        for other, triples in others.items():
            if other != name and len(mine & triples) >= NEAR * len(mine | triples):
                return other
        self.texts[plain] = name
        others[name] = mine
        return None


def judge(
    text: str,
    *,
    finish_reason: str = "stop",
    about: Hoi | None = None,
    among: Vocabulary | None = None,
    compared: bool = False,
) -> str:
    """`PASSED`, or, in a few words, why the text does not describe the class.

    Whether two classes have the same text is for `Owners` to say.

    Args:
        text: An answer, or a text from elsewhere; the model's thinking before it is not judged.
        finish_reason: How the answer ended, as the server says.
        about: The class that the text has to be about; None for a verb's description.
        among: All classes, one of which the text may be about instead.
        compared: The text compares the class with another one, so it may name other verbs.
    """
    said = " ".join(thinking.spoken(text).split())
    fault = _as_whole(text, said, finish_reason) or _as_answer(said, finish_reason) or _as_text(said)
    if fault is None and about is not None:
        fault = _as_description(said, about, among, compared)
    return fault or PASSED


def usable(verdict: str) -> bool:
    """Whether a text with this verdict may be kept where some faults are tolerated."""
    return not verdict.startswith(UNUSABLE)


def normalised(text: str) -> str:
    """The words in lower case, so that texts that differ in punctuation alone become equal."""
    return " ".join(re.findall(r"[^\W\d_]+", text.lower()))


def _as_whole(text: str, said: str, finish_reason: str) -> str | None:
    """What came in place of an answer; None if there is one."""
    if normalised(said):
        return None
    fault = "thinking aloud without an answer" if normalised(text) else "empty"
    if finish_reason == "length":
        fault += ", cut off (finish reason 'length': raise llm.max_tokens)"
    return fault


def _as_answer(text: str, finish_reason: str) -> str | None:
    plain = text.lower().replace("’", "'")
    if _REFUSAL.search(plain) or finish_reason == "content_filter":
        return "refusal"
    if finish_reason not in _FINISHED:
        return f"cut off (finish reason {finish_reason!r})"
    if _THINKING.search(plain):
        return "thinking aloud"
    if mark := _MARK.search(text):
        return f"markup ({mark[0][:40]!r})"
    if _BOILERPLATE.search(plain):
        return "boilerplate"
    return None


def _as_text(text: str) -> str | None:
    words = normalised(text).split()
    if "\ufffd" in text or sum(c.isalpha() or c.isspace() for c in text) < 0.8 * len(text):
        return "not a text"
    if not FEWEST_WORDS <= len(words) <= MOST_WORDS:
        return f"too {'short' if len(words) < FEWEST_WORDS else 'long'} ({len(words)} words)"
    if sum(word in _FUNCTION_WORDS for word in words) < LEAST_ENGLISH * len(words):
        return "not English"
    parts = [plain for part in sentences.split(text) if (plain := normalised(part))]  # "1." has no words
    if len(set(parts)) < len(parts):
        return "repeats itself"
    return None


def _as_description(text: str, about: Hoi, among: Vocabulary | None, compared: bool) -> str | None:
    if not synonyms.names_object(text, about.object):
        return f"wrong object ({about.object.replace('_', ' ')!r} is not named)"
    if compared or about.idle or synonyms.names_verb(text, about.verb):
        return None
    for other in _same_object(about, among.classes if among is not None else ()):
        if synonyms.does(text, other):
            return f"wrong verb ({other.verb_ing.replace('_', ' ')!r}, not {about.verb_ing.replace('_', ' ')!r})"
    return None


def _same_object(hoi: Hoi, classes: Iterable[Hoi]) -> Iterable[Hoi]:
    return (
        other
        for other in classes
        if other.object_id == hoi.object_id and not other.idle and other.verb not in (hoi.verb, *_PART_OF_OTHERS)
    )


def _triples(text: str) -> frozenset[str]:
    words = normalised(text).split()
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))
