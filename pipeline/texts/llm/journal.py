"""The journal: every answer of a language model, on disk as soon as it comes in.

One JSON object a line, appended and synced before anybody gets the answer, so that a kill loses at most the requests in
flight. Answers that come in while the disk is busy share the next sync, and nobody else waits for it. A line is
found by the digest of its full request: only a change of the prompt, the model or the sampling asks anew.
It holds no API key and no header. Each line has a digest of its own and is parsed into a `Record` when it is read; a damaged
line costs one request. Lines of earlier releases have no digest and are read as they are.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.machine.files import said
from pipeline.store import digest
from pipeline.store.exchange import Exchange
from pipeline.store.store import Store
from pipeline.texts.llm import handover
from pipeline.texts.llm.request import CHECKED, Answer, Request

log = logging.getLogger("ezhoi.llm")

WORKING = "journal.jsonl"
"""Name of the journal in a stage's scratch folder."""
ONE_DISK = Exchange()
PUBLISHED = "answers.jsonl"
"""Name of the answers in a stage's artifact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One line of a journal."""

    __pydantic_config__: ClassVar[ConfigDict] = CHECKED

    key: str
    request: Request
    answer: Answer
    digest: str | None = None
    """Digest of the request and the answer; earlier releases wrote none."""

    @property
    def is_whole(self) -> bool:
        """Whether the line is as it was written."""
        return self.key == self.request.key and self.digest in (None, _digest(self.request, self.answer))


RECORD = TypeAdapter(Record)


class Journal:
    """Answers by request, backed by `path`; those of `earlier` journals count as well and are only read.

    One process writes a journal at a time: the lock on the stage's workspace sees to that. Through `exchange` another
    machine goes on from it (pipeline/texts/llm/handover.py).
    """

    def __init__(self, path: Path, *, earlier: Iterable[Path] = (), exchange: Exchange = ONE_DISK) -> None:
        self.path, self._exchange = path, exchange
        self._answers: dict[str, Answer] = {}
        self._used: dict[str, str] = {}
        for old in earlier:
            self._answers.update(_read(old))
        _drop_torn_end(path)
        handover.take_over(path, exchange)
        self._answers.update(_read(path))
        self._file = path.open("a", encoding="utf-8")
        self._written = self._synced = 0
        self._syncing: asyncio.Task[None] | None = None
        self._giving: asyncio.Task[None] | None = None
        self._given = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if error is not None:
            handover.give(self.path, self._exchange)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, request: Request) -> Answer | None:
        """The answer to an equal request, if one is known."""
        answer = self._answers.get(request.key)
        if answer is not None:
            self._used[request.key] = _line(request, answer)
        return answer

    async def add(self, request: Request, answer: Answer) -> None:
        """Keep an answer; it is on disk when this returns."""
        line = _line(request, answer)
        self._file.write(line)
        self._file.flush()
        self._written += 1
        mine = self._written
        while self._synced < mine:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)
        self._answers[request.key] = answer
        self._used[request.key] = line

    async def _sync(self) -> None:
        """Sync what is written by now, beside the event loop: a disk takes milliseconds, and answers come in meanwhile."""
        written = self._written
        try:
            await asyncio.to_thread(os.fsync, self._file.fileno())
        finally:
            self._syncing = None
        self._synced = written
        if time.monotonic() - self._given >= handover.SECONDS and (self._giving is None or self._giving.done()):
            self._given = time.monotonic()
            self._giving = asyncio.create_task(asyncio.to_thread(handover.give, self.path, self._exchange))

    def publish(self, path: Path) -> None:
        """Write the answers that this run used, accepted or not, in order of their keys."""
        path.write_text("".join(self._used[key] for key in sorted(self._used)), encoding="utf-8")


def earlier_journals(scratch: Path, store: Store) -> list[Path]:
    """Journals that other runs left in the store whose work `scratch` (`<store>/.work/<fingerprint>/scratch`) is.

    A run with another fingerprint, say after editing one description, then asks only what was never asked. The artifact of the
    same fingerprint is left out: it is there only when it is to be made anew.
    """
    root, own = store.root, scratch.parent.name
    if scratch != root / ".work" / own / "scratch":
        return []
    published = [path for fingerprint, path in store.files_named(PUBLISHED) if fingerprint != own]
    working = [p for p in root.glob(f".work/*/scratch/{WORKING}") if p.parents[1].name != own]
    return sorted(published) + sorted(working)


def _line(request: Request, answer: Answer) -> str:
    record = Record(key=request.key, request=request, answer=answer, digest=_digest(request, answer))
    return json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) + "\n"


def _digest(request: Request, answer: Answer) -> str:
    return digest.of_value([asdict(request), asdict(answer)])


def _read(path: Path) -> dict[str, Answer]:
    """The answers in a journal; a line that is no record costs one request, not the run."""
    found: dict[str, Answer] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("%s cannot be read, and what it has is asked again: %s", path, said(error))
        return {}
    damaged = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn, or nothing
        try:
            record = RECORD.validate_json(line, strict=True)
        except ValidationError:
            damaged.append(number)
            continue
        if record.is_whole:
            found[record.key] = record.answer
        else:
            damaged.append(number)
    if damaged:
        log.warning(
            "%s: line %d is damaged%s; what is left out is asked again",
            path,
            damaged[0],
            f", and {len(damaged) - 1} more are" if len(damaged) > 1 else "",
        )
    return found


def _drop_torn_end(path: Path) -> None:
    """Cut off an unfinished last line that a kill left, so that the next entry begins a line."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
