"""Ask a language model about many classes at once, judge the answers, and ask again about those that fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import DataError
from pipeline.llm.journal import Journal
from pipeline.llm.judge import judge, normalised
from pipeline.llm.request import Answer, Request, RequestRejected
from pipeline.llm.templates import Template
from pipeline.sections.language import Llm

if TYPE_CHECKING:
    from pipeline.llm.client import Client, Served

log = logging.getLogger("ezhoi.llm")

Progress = Callable[[int, int, str], None]
"""(done, total, note)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What to ask about one class: `name` is for people, `object_name` must occur in the answer."""

    name: str
    prompt: str
    object_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A question with the answer that passed the gate, after so many askings."""

    request: Request
    answer: Answer
    attempts: int

    @property
    def text(self) -> str:
        """The answer on one line."""
        return " ".join(self.answer.text.split())


@dataclass(slots=True)
class Tally:
    """Requests sent, answers taken from the journal, answers that failed the gate."""

    requests: int = 0
    reused: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Asking:
    """One call of `ask_all` in progress."""

    questions: Sequence[Question]
    template: Template
    llm: Llm
    journal: Journal
    progress: Progress
    tally: Tally = field(default_factory=Tally)
    accepted: dict[int, Accepted] = field(default_factory=dict)
    faults: dict[int, list[str]] = field(default_factory=dict)
    """By position of the question: why each asking failed."""
    owners: dict[str, str] = field(default_factory=dict)
    """Normalised text -> name of the class that has it."""


def ask_all(
    questions: Sequence[Question], *, template: Template, llm: Llm, journal: Journal, progress: Progress
) -> tuple[list[Accepted], Tally]:
    """An accepted answer for every question, in their order.

    All questions go out at once, `llm.runtime.concurrency` of them in flight. Those whose answers fail the gate are
    asked again with the next seed, in rounds, so that which of two equal texts is the duplicate is no matter of timing.

    Raises:
        DataError: some class has no usable answer after `llm.attempts` askings; the message lists them.
        ServiceError: the server cannot be used.
    """
    if not questions:
        return [], Tally()
    asking = _Asking(questions, template, llm, journal, progress)
    asyncio.run(_ask(asking))
    if asking.faults.keys() - asking.accepted.keys():
        raise DataError(_complaint(asking))
    return [asking.accepted[i] for i in range(len(questions))], asking.tally


async def _ask(asking: _Asking) -> None:
    from pipeline.llm.client import Client  # its packages take a second to import: only where a model is asked

    async with Client(asking.llm) as client:
        served = await client.served()
        pending = list(range(len(asking.questions)))
        for attempt in range(asking.llm.attempts):
            answers = await _round(asking, client, served, pending, attempt)
            for position, (request, answer) in zip(pending, answers, strict=True):
                _take(asking, position, request, answer, attempt)
            pending = [position for position in pending if position not in asking.accepted]
            if not pending:
                return
            log.info("%d of %d answers fail the gate, asking %d", len(pending), len(asking.questions), attempt + 1)


async def _round(
    asking: _Asking, client: Client, served: Served, pending: Sequence[int], attempt: int
) -> list[tuple[Request, Answer | str]]:
    """Ask all pending questions once; a text instead of an answer says why the server rejected the request."""
    gate, done = asyncio.Semaphore(asking.llm.runtime.concurrency), len(asking.accepted)
    note = asking.template.name if attempt == 0 else f"{asking.template.name}, asking {attempt + 1}"

    async def one(position: int) -> tuple[Request, Answer | str]:
        nonlocal done
        request = _request(asking, served, asking.questions[position].prompt, attempt)
        async with gate:
            answer = await _answer(asking, client, request)
        done += 1
        asking.progress(done, len(asking.questions), note)
        return request, answer

    tasks = [asyncio.ensure_future(one(position)) for position in pending]
    try:
        return list(await asyncio.gather(*tasks))
    finally:  # after an error the others stop too; what they had received is in the journal
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(asking: _Asking, client: Client, request: Request) -> Answer | str:
    known = asking.journal.get(request)
    if known is not None:
        asking.tally.reused += 1
        return known
    try:
        asking.tally.requests += 1
        answer = await client.answer(request)
    except RequestRejected as error:
        return f"the server rejects the request: {error}"
    asking.journal.add(request, answer)
    return answer


def _request(asking: _Asking, served: Served, prompt: str, attempt: int) -> Request:
    return Request(
        model=served.model,
        root=served.root,
        template=asking.template.name,
        template_version=asking.template.version,
        prompt=prompt,
        temperature=asking.llm.temperature,
        top_p=asking.llm.top_p,
        max_tokens=asking.llm.max_tokens,
        seed=asking.llm.seed + attempt,
    )


def _take(asking: _Asking, position: int, request: Request, answer: Answer | str, attempt: int) -> None:
    """Accept an answer or note what is wrong with it."""
    question = asking.questions[position]
    if isinstance(answer, str):
        fault: str | None = answer
    else:
        fault = judge(answer, object_name=question.object_name)
        owner = asking.owners.setdefault(normalised(answer.text), question.name) if fault is None else question.name
        if fault is None and owner != question.name:
            fault = f"duplicate of {owner!r}"
    if fault is None and isinstance(answer, Answer):
        asking.accepted[position] = Accepted(request=request, answer=answer, attempts=attempt + 1)
    else:
        asking.tally.rejected += 1
        asking.faults.setdefault(position, []).append(str(fault))


def _complaint(asking: _Asking) -> str:
    failing = sorted(asking.faults.keys() - asking.accepted.keys())
    lines = [f"  {asking.questions[i].name}: {'; '.join(asking.faults[i])}" for i in failing]
    frozen = " Its temperature is 0, so asking again hardly changes an answer." if asking.llm.temperature == 0 else ""
    return (
        f"{len(failing)} of {len(asking.questions)} classes got no usable text from {asking.llm.model!r} in "
        f"{asking.llm.attempts} askings each ({asking.template.name}):\n" + "\n".join(lines) + "\n"
        f"The {len(asking.accepted)} answers that passed are kept and are not asked for again.{frozen} Raise "
        "llm.attempts or llm.max_tokens, choose another llm.model, or write these classes' descriptions yourself "
        "(descriptions.edits=FILE.yaml)."
    )
