"""Helpers compute shards of a stage that another process publishes.

A helper is a process of this machine that the publisher started (`images.runtime.workers` - 1 of them), or a run on this or
another machine that calls `help_with`, and may have such processes of its own. Helper processes end with whoever started
them, and one that fails or dies is named at once; the rest of the stage goes on without it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import EzhoiError
from pipeline.machine.files import atomic
from pipeline.work import shards
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.work")


def compute_all(work: Work, compute: Callable[[Work], int]) -> None:
    """Get every shard: run `compute`, which claims shards until none is left, in this process and in helper processes.

    Nobody waits for helpers of other machines: a shard that none has published when its turn comes is computed here. Shards
    that are damaged, here or where another machine published them, are computed again.
    """
    shards.drop_damaged(work)
    shards.forget_faults(work)
    start = time.perf_counter()
    _together(work, compute)
    if not shards.bring(work):
        _together(work, compute)
    work.clock.add("wall", time.perf_counter() - start)


def help_with(work: Work, compute: Callable[[Work], int]) -> int:
    """Compute shards of a stage that another run publishes, until none is left; return how many were made here.

    A shard with an image that cannot be read here is left to that run, which decides about such images.
    """
    try:
        return _together(work, compute)
    except FileNotFoundError:
        if work.scratch.is_dir():
            raise
        return 0  # published meanwhile, and the folder is gone


def _together(work: Work, compute: Callable[[Work], int]) -> int:
    """Run `compute` here and in the helper processes, which end with this one; return how many shards were made."""
    group = uuid.uuid4().hex[:8]
    others = [_start(work, group, index) for index in range(1, work.config.images.runtime.workers)]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(work, group, others, over), daemon=True)
    watcher.start()
    try:
        made = compute(work)
    except BaseException:
        over.set()
        for process in others:
            process.terminate()
        raise
    finally:
        watcher.join()
    for path in sorted(work.scratch.glob(f"{group}-*.json")):
        helped = json.loads(path.read_text(encoding="utf-8"))
        made += helped["shards"]
        for kind, seconds in helped["seconds"].items():
            work.clock.add(kind, seconds)
        path.unlink()
    return made


def _watch(work: Work, group: str, others: Sequence[Any], over: threading.Event) -> None:
    """Wait for the helper processes, and report at once which of them failed or died."""
    from multiprocessing import connection

    running = {process.sentinel: (index, process) for index, process in enumerate(others, start=1)}
    while running:
        for sentinel in connection.wait(list(running)):
            index, process = running.pop(sentinel)
            process.join()
            if process.exitcode and not over.is_set():
                log.warning(
                    "stage %s: helper process %d of %d is gone (%s); the others do its work, only slower",
                    *(
                        work.stage,
                        index,
                        len(others),
                        _how_it_ended(process.exitcode, work.scratch / _reason(group, index)),
                    ),
                )


def _how_it_ended(code: int, reason: Path) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    try:
        return f"exit code {code}: {reason.read_text(encoding='utf-8')}"
    except OSError:
        return f"exit code {code}"


def _reason(group: str, index: int) -> str:
    return f".{group}-{index}.txt"


def _start(work: Work, group: str, index: int) -> Any:
    from multiprocessing import get_context, resource_tracker

    # All but its clock, which has a lock, and its voice: only this process tells how far the stage is.
    names = ("stage", "config", "inputs", "out", "scratch", "exchange", "helper", "place", "gpus")
    given = {name: getattr(work, name) for name in names}
    arguments = (given | {"inputs": dict(work.inputs)}, group, index)
    process = get_context("spawn").Process(target=_worker, args=arguments, daemon=True)
    resource_tracker.ensure_running()  # or the first start would start it, which lets SIGINT in again
    # Ctrl-C comes to all processes of a terminal, and is for the one that started them: it ends its helpers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _end_with_the_stage() -> None:
    """End this helper process when the one that started it is gone, though it was killed: nobody else would."""
    from multiprocessing import parent_process

    if (stage := parent_process()) is not None:
        stage.join()
        os._exit(1)


def _worker(given: dict[str, Any], group: str, index: int) -> None:
    """Run a helper process; the GPUs that the stage holds are assigned in turn."""
    threading.Thread(target=_end_with_the_stage, daemon=True).start()
    work = Work(**given)
    if work.gpus:
        device = work.gpus[index % len(work.gpus)]
        work = replace(work, config=work.config.model_copy(update={"device": device}))
    try:
        made = importlib.import_module(f"pipeline.stages.{work.stage}").compute(work)
    except Exception as error:  # whatever it is, it costs time only, and who started this process says so
        kind = "" if isinstance(error, EzhoiError) else f"{type(error).__name__}: "
        (work.scratch / _reason(group, index)).write_text(f"{kind}{error}", encoding="utf-8")
        raise SystemExit(1) from None
    with atomic(work.scratch / f"{group}-{index}.json") as temporary:
        temporary.write_text(json.dumps({"shards": made, "seconds": work.clock.seconds}), encoding="utf-8")
