"""Ask a language model about many classes at once, judge the answers, and ask again about those that fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.config.language import Llm
from pipeline.errors import DataError, ServiceError
from pipeline.machine import awaiting
from pipeline.texts.judge import PASSED, Owners, judge, usable
from pipeline.texts.llm import thinking
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.pictures import Picture
from pipeline.texts.llm.request import Answer, Request, RequestRejected
from pipeline.texts.llm.templates import Rendered, Template
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

if TYPE_CHECKING:
    from pipeline.texts.llm.client import Client, Served

log = logging.getLogger("ezhoi.llm")

OnAnswer = Callable[[int, int, str], None]
"""Called with (questions answered, questions, name of the template) as answers come in."""
NAMED = 8
"""How many of the classes with the same fault a message names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What to ask about one class: `name` is for people to read, `about` and `compared` for the gate (`judge`)."""

    name: str
    rendered: Rendered
    about: Hoi | None = None
    compared: bool = False
    pictures: tuple[Picture, ...] = ()
    judged: Callable[[str, str], str] | None = None
    """Judges (answer, finish reason) in place of `judge` where the question asks for no description."""

    def verdict(self, answer: Answer, among: Vocabulary | None) -> str:
        """The gate's verdict on an answer; `among` are all classes, one of which it may be about instead."""
        if self.judged is not None:
            return self.judged(answer.text, answer.finish_reason)
        return judge(
            answer.text, finish_reason=answer.finish_reason, about=self.about, among=among, compared=self.compared
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question with an answer, the gate's verdict on it, and how often the question was asked up to then."""

    request: Request
    answer: Answer
    verdict: str
    attempts: int

    @property
    def text(self) -> str:
        """The answer on one line, without what the model thought before it."""
        return " ".join(thinking.spoken(self.answer.text).split())


@dataclass(slots=True)
class Tally:
    """Requests sent, answers taken from the journal, answers that failed the gate; names of classes that keep one."""

    requests: int = 0
    reused: int = 0
    rejected: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    """Class -> why the gate rejects the text that it keeps."""

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.requests += other.requests
        self.reused += other.reused
        self.rejected += other.rejected
        self.kept |= other.kept


@dataclass(slots=True)
class _Asking:
    """One call of `ask_all` in progress."""

    questions: Sequence[Question]
    template: Template
    among: Vocabulary | None
    llm: Llm
    journal: Journal
    progress: OnAnswer
    tally: Tally = field(default_factory=Tally)
    accepted: dict[int, Asked] = field(default_factory=dict)
    rejected: dict[int, list[Asked | str]] = field(default_factory=dict)
    """By position of the question: answers that failed the gate, or what the server said instead of one."""
    owners: Owners = field(default_factory=Owners)

    def failed(self, position: int) -> int:
        """Number of attempts at the question whose answer was not accepted."""
        return len(self.rejected.get(position, ()))

    def reject(self, position: int, result: Asked | str) -> None:
        """Note an attempt whose answer is not accepted, or which the server refused."""
        self.tally.rejected += 1
        self.rejected.setdefault(position, []).append(result)


def ask_all(
    questions: Sequence[Question],
    *,
    template: Template,
    llm: Llm,
    journal: Journal,
    progress: OnAnswer,
    tolerated: float = 0.0,
    among: Vocabulary | None = None,
) -> tuple[list[Asked], Tally]:
    """An answer for every question, in their order.

    Up to `llm.runtime.concurrency` requests are in flight. A question whose answer fails the gate is asked again at once
    with the next seed, `llm.attempts` times at most; whether two classes got the same text is decided when all have
    one, in order of the questions, so that timing does not decide which of the two is the duplicate.

    At most the share `tolerated` of the questions may end with an answer that fails the gate but is a text: it is kept,
    with its verdict. `among` are all classes, one of which an answer may be about instead (`judge`).

    Raises:
        DataError: more classes have no answer that passes; the message lists them.
        ServiceError: the server cannot be used, or `llm.runtime.deadline_s` passed.
    """
    if not questions:
        return [], Tally()
    asking = _Asking(questions, template, among, llm, journal, progress)
    awaiting.run(_ask(asking))
    _tolerate(asking, tolerated)
    return [asking.accepted[i] for i in range(len(questions))], asking.tally


async def _ask(asking: _Asking) -> None:
    from pipeline.texts.llm.client import Client  # its packages take a second to import: only where a model is asked

    deadline = asking.llm.runtime.deadline_s
    try:
        async with asyncio.timeout(deadline), Client(asking.llm) as client:
            served = await client.served()
            await client.check_length(_longest(asking, served), served)
            pending = list(range(len(asking.questions)))
            while pending:
                found = await _pass(asking, client, served, pending)
                pending = [
                    position
                    for position, asked in zip(pending, found, strict=True)
                    if asked is not None and not _take(asking, position, asked)
                ]
    except TimeoutError:
        raise ServiceError(
            f"llm.runtime.deadline_s = {deadline:g} s passed with {len(asking.journal)} answers in the journal; they "
            "are kept and not asked for again, so run again to continue."
        ) from None


async def _pass(asking: _Asking, client: Client, served: Served, pending: Sequence[int]) -> list[Asked | None]:
    """For each pending question an answer that passes by itself; None if its attempts are used up."""
    done = len(asking.questions) - len(pending)

    async def one(position: int) -> Asked | None:
        nonlocal done
        found = await _until_good(asking, client, served, position)
        done += 1
        asking.progress(done, len(asking.questions), asking.template.name)
        return found

    tasks = [asyncio.ensure_future(one(position)) for position in pending]
    try:
        return list(await asyncio.gather(*tasks))
    finally:  # after an error the others stop too; what they had received is in the journal
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_good(asking: _Asking, client: Client, served: Served, position: int) -> Asked | None:
    question = asking.questions[position]
    while asking.failed(position) < asking.llm.attempts:
        request = _request(asking, served, question, asking.failed(position))
        try:
            answer = await _answer(asking, client, request, question.pictures)
        except RequestRejected as error:
            asking.reject(position, f"rejected by the server: {error}")
            return None  # another seed changes nothing
        verdict = question.verdict(answer, asking.among)
        asked = Asked(request=request, answer=answer, verdict=verdict, attempts=asking.failed(position) + 1)
        if verdict == PASSED:
            return asked
        asking.reject(position, asked)
    return None


async def _answer(asking: _Asking, client: Client, request: Request, pictures: Sequence[Picture]) -> Answer:
    known = asking.journal.get(request)
    if known is not None:
        asking.tally.reused += 1
        return known
    asking.tally.requests += 1
    answer = await client.answer(request, pictures)
    await asking.journal.add(request, answer)
    return answer


def _request(asking: _Asking, served: Served, question: Question, attempt: int) -> Request:
    return Request(
        model=served.model,
        root=served.root,
        revision=served.revision,
        template=asking.template.name,
        template_version=asking.template.version,
        system=question.rendered.system,
        prompt=question.rendered.prompt,
        pictures=tuple(picture.digest for picture in question.pictures),
        temperature=asking.llm.temperature,
        top_p=asking.llm.top_p,
        max_tokens=asking.llm.max_tokens,
        seed=asking.llm.seed + attempt,
        system_role=asking.llm.system_role,
    )


def _longest(asking: _Asking, served: Served) -> Request:
    requests = [_request(asking, served, question, 0) for question in asking.questions]
    return max(requests, key=lambda r: (len(r.pictures), len(r.system) + len(r.prompt)))


def _take(asking: _Asking, position: int, asked: Asked) -> bool:
    """Accept an answer unless it repeats another class's."""
    question = asking.questions[position]
    thing = question.about.object if question.about is not None else ""
    owner = asking.owners.duplicate_of(question.name, asked.text, thing)
    if owner is None:
        asking.accepted[position] = asked
        return True
    verdict = f"duplicate of {owner!r}"
    asking.reject(position, Asked(request=asked.request, answer=asked.answer, verdict=verdict, attempts=asked.attempts))
    return False


def _tolerate(asking: _Asking, tolerated: float) -> None:
    """Keep the last usable answer of each question without a good one if these are few enough; DataError if not."""
    failing = sorted(set(range(len(asking.questions))) - asking.accepted.keys())
    chosen: dict[int, Asked] = {}
    for position in failing:
        texts = [a for a in asking.rejected[position] if isinstance(a, Asked) and usable(a.verdict)]
        if texts:
            chosen[position] = texts[-1]
    if len(chosen) < len(failing) or len(failing) > tolerated * len(asking.questions):
        raise DataError(_complaint(asking, failing, tolerated))
    for position, asked in chosen.items():
        asking.accepted[position] = asked
        asking.tally.kept[asking.questions[position].name] = asked.verdict
    if chosen:
        kept = "; ".join(f"{name}: {verdict}" for name, verdict in asking.tally.kept.items())
        log.warning("%d texts fail the quality gate and are kept with that verdict: %s", len(chosen), kept)


def _complaint(asking: _Asking, failing: Sequence[int], tolerated: float) -> str:
    faults: dict[str, list[str]] = {}
    for position in failing:
        said = [result if isinstance(result, str) else result.verdict for result in asking.rejected[position]]
        faults.setdefault("; ".join(said), []).append(asking.questions[position].name)
    lines = [f"  {_some(names)}: {said}" for said, names in faults.items()]
    frozen = " Its temperature is 0, so asking again hardly changes an answer." if asking.llm.temperature == 0 else ""
    return (
        f"{len(failing)} of {len(asking.questions)} classes got no usable text from {asking.llm.model!r} in "
        f"{asking.llm.attempts} attempts each ({asking.template.name}; tolerated: {tolerated:.0%} of texts with a fault, "
        "none without a text):\n" + "\n".join(lines) + "\n"
        f"The {len(asking.accepted)} answers that passed are kept and are not asked for again.{frozen} Raise "
        "llm.attempts or llm.max_tokens, choose another llm.model, or write these classes' descriptions yourself "
        "(descriptions.edits=FILE.yaml)."
    )


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
