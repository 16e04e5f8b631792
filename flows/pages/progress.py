"""Progress of long stages in Prefect: a progress artifact, a curve while a stage trains, a log line now and then.

Nothing waits for the server: the newest state is sent when the last one has arrived, at most every two seconds. An update
costs the server about 20 ms, so 1 % of a core while a stage runs; stages that are shorter show nothing.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from flows.pages import markdown
from flows.pages.lineage import create, forgiving
from pipeline.outside import escaping
from pipeline.report.sample import curve
from pipeline.report.units import duration

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]
SHOW_SECONDS = 2.0
CURVE_SECONDS = 15.0
LOG_SECONDS = 10.0
VALUE = re.compile(r"(\w+) (-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
"""A note that is a name and a number, such as `loss 0.31`, becomes a point of a curve."""


@dataclass
class _Stage:
    """What is known about the stage at work."""

    task_run: UUID | None
    started: float = field(default_factory=lambda: time.monotonic())
    first: int | None = None
    """Units that were done at its first report, which an interrupted run had left."""
    values: dict[str, list[float]] = field(default_factory=dict)
    waits: tuple[str, float] | None = None
    """The message of its present wait, and when that began."""
    wait_page: UUID | None = None
    progress_page: UUID | None = None
    curve_page: UUID | None = None
    begun: float = field(default_factory=lambda: time.monotonic())
    shown: float | None = None
    """When its page of progress was last given to the thread; None before the first time."""
    drawn: float | None = None
    """Likewise its curve."""
    logged: float = field(default_factory=lambda: time.monotonic())


class ProgressPages:
    """See `pipeline.work.work.Progress`; stages come one after the other."""

    def __init__(self, client: SyncPrefectClient, *, logger: Logger, flow_run: UUID | None) -> None:
        self._client = client
        self._logger = logger
        self._flow_run = flow_run
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="progress")
        self._pending: Future[None] | None = None
        self._at = _Stage(None)

    def begin(self, task_run: UUID | None) -> None:
        """Note that a stage's task starts: the next progress is its own."""
        self._wait_is_over()
        self._at = _Stage(task_run)

    def close(self) -> None:
        """Wait for updates that are under way."""
        self._wait_is_over()
        self._thread.shutdown(wait=True)

    def waiting(self, stage: str, line: str) -> None:
        """See `pipeline.engine.execute.Waiting`. The log says that the stage `waits for run ...`, and so does a page."""
        self._wait_is_over()
        self._logger.info("%s %s", stage, line)
        self._at.waits = (f"{stage} {line}", time.monotonic())
        self._submit(self._show_wait, self._at, f"{stage} {line}")

    def _wait_is_over(self) -> None:
        if self._at.waits is not None:
            said, since = self._at.waits
            self._at.waits = None
            over = f"over after {duration(time.monotonic() - since)}: {said}"
            self._submit(self._show_wait, self._at, over)

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        self._wait_is_over()
        at, now = self._at, time.monotonic()
        if at.first is None:
            at.first, at.started = done - 1, now
        if (found := VALUE.fullmatch(note)) is not None:
            at.values.setdefault(found[1], []).append(float(found[2]))
        text = describe(done, total, note, since_first=done - at.first, seconds=now - at.started)
        last = done >= total
        due = now - (at.shown or at.begun) >= SHOW_SECONDS or (last and at.shown is not None)
        percent = 100.0 * done / max(total, 1)
        if due and self._later(lambda: self._show(at, stage, percent, text), wait=last):
            at.shown = now
        due = bool(at.values) and (now - (at.drawn or at.begun) >= CURVE_SECONDS or (last and at.drawn is not None))
        if due and self._later(lambda: self._draw(at, stage), wait=last):
            at.drawn = now
        if now - at.logged >= LOG_SECONDS:
            at.logged = now
            self._logger.info("%s: %s", stage, text)

    def _later(self, work: Callable[[], None], *, wait: bool) -> bool:
        """Do it in the thread unless that is busy (with `wait`, after its present work); return whether it will be done."""
        if self._pending is not None and not self._pending.done() and not wait:
            return False
        self._pending = self._thread.submit(copy_context().run, work)  # Prefect's settings are in the context
        return True

    def _submit(self, work: Callable[..., None], *arguments: object) -> None:
        """Do it in the thread, after its present work."""
        self._thread.submit(copy_context().run, work, *arguments)

    def _show_wait(self, at: _Stage, said: str) -> None:
        data = f"# Waiting\n\n{escaping.markdown(said)}\n"
        if at.wait_page is not None:
            with forgiving():
                self._client.update_artifact(at.wait_page, ArtifactUpdate(data=data, description=said))
            return
        at.wait_page = self._create(at, "ezhoi-waiting", "markdown", said, data)

    def _show(self, at: _Stage, stage: str, percent: float, text: str) -> None:
        description = f"{stage}: {text}"
        if at.progress_page is not None:
            with forgiving():
                self._client.update_artifact(at.progress_page, ArtifactUpdate(data=percent, description=description))
            return
        at.progress_page = self._create(at, f"{markdown.key(stage)}-progress", "progress", description, percent)

    def _draw(self, at: _Stage, stage: str) -> None:
        values = {name: list(column) for name, column in at.values.items()}
        name, column = next(iter(values.items()))
        description = f"{stage}: {name} {column[-1]:.4g} after {len(column)} steps"
        data = f"# {stage}, while it trains\n\n{curve(values, title=description)}\n"
        if at.curve_page is not None:
            with forgiving():
                self._client.update_artifact(at.curve_page, ArtifactUpdate(data=data, description=description))
            return
        at.curve_page = self._create(at, f"{markdown.key(stage)}-curve", "markdown", description, data)

    def _create(self, at: _Stage, key: str, kind: str, description: str, data: float | str) -> UUID | None:
        artifact = ArtifactCreate(
            key=key,
            type=kind,
            description=description,
            data=data,
            flow_run_id=self._flow_run,
            task_run_id=at.task_run,
        )
        return create(self._client, artifact)


def describe(done: int, total: int, note: str, *, since_first: int, seconds: float) -> str:
    """`120 of 900, loss 0.31, 4.2 a second, 186 s left`; rate and rest once there is something to tell them from."""
    parts = [f"{done} of {total}"] + ([note] if note else [])
    if since_first > 1 and seconds > 1:
        rate = (since_first - 1) / seconds
        parts.append(f"{rate:.3g} a second")
        if total > done:
            parts.append(f"{duration((total - done) / rate)} left")
    return ", ".join(parts)
