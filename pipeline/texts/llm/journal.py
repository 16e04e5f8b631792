"""The journal: every answer of a language model, on disk the moment it came in.

One JSON object a line, appended and synced before anybody gets the answer, so that a kill loses at most the requests in
flight. Answers that come in while the disk is busy share the next sync, and nobody else waits for it. A line is
found again by the digest of its full request: changing the prompt, the model or the sampling asks anew, nothing else.
It holds no API key and no header.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.store.store import Store
from pipeline.texts.llm.request import Answer, Request

log = logging.getLogger("ezhoi.llm")

WORKING = "journal.jsonl"
"""Name of the journal in a stage's scratch folder."""
PUBLISHED = "answers.jsonl"
"""Name of the answers in a stage's artifact."""


class Journal:
    """Answers by request, backed by `path`; those of `earlier` journals count as well and are only read.

    One process writes a journal at a time: the lock on the stage's workspace sees to that.
    """

    def __init__(self, path: Path, *, earlier: Iterable[Path] = ()) -> None:
        self.path = path
        self._answers: dict[str, Answer] = {}
        self._used: dict[str, str] = {}
        for old in earlier:
            self._answers.update(_read(old))
        _drop_torn_end(path)
        self._answers.update(_read(path))
        self._file = path.open("a", encoding="utf-8")
        self._written = self._synced = 0
        self._syncing: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

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
        """Sync what is written by now, beside the event loop: a disk takes milliseconds, in which answers come in."""
        written = self._written
        try:
            await asyncio.to_thread(os.fsync, self._file.fileno())
        finally:
            self._syncing = None
        self._synced = written

    def publish(self, path: Path) -> None:
        """Write the answers that this run used, accepted or not, in order of their keys."""
        path.write_text("".join(self._used[key] for key in sorted(self._used)), encoding="utf-8")


def earlier_journals(scratch: Path, store: Store) -> list[Path]:
    """Journals that other runs left in the store whose work `scratch` (`<store>/.work/<fingerprint>/scratch`) is.

    Another fingerprint, say after editing one description, then asks only what was never asked. The artifact of the
    same fingerprint is left out: it is there only when it is to be made anew.
    """
    root, own = store.root, scratch.parent.name
    if scratch != root / ".work" / own / "scratch":
        return []
    published = [path for fingerprint, path in store.files_named(PUBLISHED) if fingerprint != own]
    working = [p for p in root.glob(f".work/*/scratch/{WORKING}") if p.parents[1].name != own]
    return sorted(published) + sorted(working)


def _line(request: Request, answer: Answer) -> str:
    record = {"key": request.key, "request": asdict(request), "answer": asdict(answer)}
    return json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n"


def _read(path: Path) -> dict[str, Answer]:
    """The answers in a journal; a line that is no record costs one request, not the run."""
    found = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn, or nothing
        try:
            record = json.loads(line)
            request, answer = Request(**record["request"]), Answer(**record["answer"])
        except (ValueError, KeyError, TypeError):
            log.warning("%s: line %d is damaged and is left out", path, number)
            continue
        found[request.key] = answer
    return found


def _drop_torn_end(path: Path) -> None:
    """Cut what a kill left of an unfinished last line, so that the next line starts at its own beginning."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
