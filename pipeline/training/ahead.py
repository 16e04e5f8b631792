"""Loading ahead: threads prepare the batches of the next steps while the current one is computed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

B = TypeVar("B")
MOST = 8
"""The most loader threads by default: somewhat more than keep a GPU busy that takes 0.1 s for a step."""


def loaders_for(processes: int) -> int:
    """Loader threads for each of so many training processes on this machine: its share of the cores less one, 1 to 8."""
    return max(1, min(MOST, len(os.sched_getaffinity(0)) // processes - 1))


def ahead(load: Callable[[int], B], steps: range, *, threads: int) -> Iterator[B]:
    """Yield `load(step)` of every step, in order; `threads` of them are being made while one is in use.

    Threads are enough, since decoding, resizing and arithmetic release Python's lock. With 0 threads each is made when it is
    asked for. An error of `load` is raised when its step is due.
    """
    if not threads:
        yield from map(load, steps)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    pending: deque[Future[B]] = deque()
    try:
        for step in steps:
            pending.append(pool.submit(load, step))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
