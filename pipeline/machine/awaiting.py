"""Coroutines that a signal cancels.

Python's `asyncio.run` sees to this for Ctrl-C alone, and only while nobody has a handler of their own. An error that a handler
raises anywhere in the event loop may lose a step that was about to run, and then its end waits for that step for ever.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns.

    A signal that somebody here handles cancels it; when it has ended, the signal is raised again for whoever handles it. A
    second Ctrl-C does not wait.
    """
    came: list[int] = []

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop(number: int, frame: FrameType | None) -> None:
            came.append(number)
            if len(came) > 1 and number == signal.SIGINT:
                raise KeyboardInterrupt
            loop.call_soon_threadsafe(task.cancel)  # which also wakes the loop

        for number in handled:
            signal.signal(number, stop)
        return await coroutine

    here = threading.current_thread() is threading.main_thread()
    handled = {n: handler for n in ENDING if here and callable(handler := signal.getsignal(n))}
    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if not came:
            raise
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
    raise KeyboardInterrupt
