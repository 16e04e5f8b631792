"""CrossHOI-Bench's scores of answered questions.

Of a question's answers, in order, each right choice can be matched once: a true positive. An answer among the wrong choices is
a false positive every time; a right choice that is given again is neither. F1 is 0 where it is undefined.

    instance_f1   mean over questions; one without any answer scores 0, or 1 if it has no right choice
    micro_f1      of the sums over questions
    macro_f1      of the sums of each class (verb and object), mean over classes that are a right choice or an answer
    exact         questions whose answers are exactly the right choices, as multisets, divided by the number of images (the
                  original's) and, beside it, of questions (`exact_of_questions`)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.metrics.crosshoi.questions import Choice, Question


def scores(answered: Sequence[tuple[Question, Sequence[Choice]]]) -> dict[str, Any]:
    """All scores in percent, None if nothing was asked, and the numbers of questions and images."""
    hits: Counter[Choice] = Counter()
    errors: Counter[Choice] = Counter()
    right: Counter[Choice] = Counter()
    instance = exact = 0.0
    for question, given in answered:
        matched, wrong = _judged(question, given)
        hits.update(matched)
        errors.update(wrong)
        right.update(question.right)
        instance += _f1(len(matched), len(wrong), len(question.right)) if given else float(not question.right)
        exact += Counter(given) == Counter(question.right)
    images, questions = len({question.image for question, _ in answered}), len(answered)
    known = sorted({*right, *(choice for _, given in answered for choice in given)})
    macro = [_f1(hits[c], errors[c], right[c]) for c in known]
    return {
        "questions": questions,
        "images": images,
        "instance_f1": _percent(instance, questions),
        "macro_f1": _percent(sum(macro), len(macro)),
        "micro_f1": _percent(_f1(hits.total(), errors.total(), right.total()), 1) if questions else None,
        "exact": _percent(exact, images),
        "exact_of_questions": _percent(exact, questions),
    }


def _judged(question: Question, given: Sequence[Choice]) -> tuple[list[Choice], list[Choice]]:
    """The answers that match a right choice, and those that are wrong choices."""
    left = Counter(question.right)
    matched = []
    for choice in given:
        if left[choice] > 0:
            left[choice] -= 1
            matched.append(choice)
    return matched, [choice for choice in given if choice in question.wrong]


def _f1(hits: int, errors: int, right: int) -> float:
    """2 P R / (P + R) with precision hits / (hits + errors) and recall hits / right."""
    return 2 * hits / (hits + errors + right) if hits else 0.0


def _percent(total: float, count: int) -> float | None:
    return 100 * total / count if count else None
