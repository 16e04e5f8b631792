"""How the `ezhoi` command ends.

When all is done the exit code is 0. An error that the user can correct, also one of the file system, is one message and
code 1. A signal (Ctrl-C, SIGTERM of a job system, SIGHUP of a closed terminal) is one line and 128 + its number; the run's
record is closed and its processes end. Any other error is a fault of this program: one message, which names the error and the
file with its traceback, and code 70.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer

from pipeline.errors import EzhoiError
from pipeline.machine import files
from pipeline.machine.home import home, write_secret
from pipeline.outside.escaping import brief, for_terminal

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command as Ctrl-C does. One that is ignored when we start (nohup) stays so."""
ONCE = 2.0
"""Within so many seconds such signals are one: job systems send it to the group and to its leader. Who sends another one later
means it, as who presses Ctrl-C again: what a library does meanwhile, such as an import, may have lost the first one."""
INTERRUPTED = 128 + signal.SIGINT
UNFORESEEN = 70
"""Exit code of a fault of the program itself, EX_SOFTWARE of sysexits.h."""
LONGEST = 300
"""The most letters that are quoted of an unforeseen error; its file has all."""


def guarded(app: Callable[[], object]) -> NoReturn:
    """Run the command line and leave with its exit code."""
    _prepare_streams()
    received = _listen()
    code = 1
    try:
        app()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        # A library in native code that is interrupted may say so with an error of its own.
        code = INTERRUPTED if received else _said_of(error)
    if code == INTERRUPTED:
        number = received[0] if received else signal.SIGINT
        code = 128 + number
        say(f"stopped by {signal.Signals(number).name}. What was computed is kept: the same command goes on", word="")
    raise SystemExit(_flushed(code))


def _said_of(failed: Exception) -> int:
    """The exit code of an error, once it is said."""
    if isinstance(failed, BrokenPipeError):
        return 1  # whoever read our output has seen enough
    message = foreseen(failed)
    say(_unforeseen(failed) if message is None else message)
    return UNFORESEEN if message is None else 1


def foreseen(failed: Exception) -> str | None:
    """What to tell a user of an error that is the fault of the input or the environment; None for one of this program."""
    if isinstance(failed, EzhoiError):
        return str(failed)
    if isinstance(failed, OSError):
        return _refused(failed)
    if isinstance(failed, UnicodeEncodeError):
        return f"the locale cannot express {failed.object[failed.start : failed.end]!r}. Set LC_ALL=C.UTF-8"
    if isinstance(failed, UnicodeDecodeError):
        return f"a file is not UTF-8 ({failed}). Convert it, for example with `iconv -f latin1 -t utf-8`"
    if _wants_memory(failed):
        return f"there is not enough memory ({_said(failed)}). Compute less at once: fewer images, smaller sizes"
    return None


def say(message: str, *, word: str = "error: ") -> None:
    """Print one message to the error stream, if that is open, without control characters and shortened."""
    with contextlib.suppress(OSError, ValueError):
        typer.secho(f"{word}{brief(message)}", fg="red", err=True)


def hang_up_as_termination() -> None:
    """End by SIGHUP as by SIGTERM, in a process that Prefect runs, which knows only the latter."""
    with contextlib.suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))


class _Output(io.FileIO):
    """The standard output; its errors have its name, as those of files have theirs."""

    def write(self, content: Any) -> Any:
        try:
            return super().write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "the standard output") from error


class _Shown(io.TextIOWrapper):
    """A stream for people, without control characters: no text of a file or a server can command the terminal."""

    moves = False

    def write(self, text: str) -> int:
        super().write(for_terminal(text, moves=self.moves))
        return len(text)


class _ShownWithBars(_Shown):
    moves = True


def _prepare_streams() -> None:
    """Name the standard output in its errors, and print letters that the locale lacks as ? instead of failing.

    A stream that is closed (`2>&-`) takes everything and keeps nothing: libraries count on streams that are there.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is that of the closed one
            setattr(sys, name, os.fdopen(nowhere, "r" if name == "stdin" else "w", closefd=False, encoding="utf-8"))
    with contextlib.suppress(AttributeError, ValueError, OSError):  # one that is closed, or a test's
        old, errors = sys.stderr, io.FileIO(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = _ShownWithBars(
            io.BufferedWriter(errors), encoding=old.encoding, errors="replace", line_buffering=True, write_through=True
        )
    with contextlib.suppress(AttributeError, ValueError, OSError):
        old, raw = sys.stdout, _Output(sys.stdout.fileno(), "w", closefd=False)
        sys.stdout = _Shown(
            io.BufferedWriter(raw), encoding=old.encoding, errors="replace", line_buffering=raw.isatty()
        )


def _listen() -> list[int]:
    """Let Ctrl-C and the signals of `ENDING` end the command; the list gets the numbers of all that came.

    Their error is raised wherever the program is; an event loop is cancelled instead (`pipeline.machine.awaiting`).
    """
    received: list[int] = []
    last = -ONCE

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal last
        once, last = time.monotonic() - last < ONCE, time.monotonic()
        received.append(number)
        if number == signal.SIGINT or not once:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, *ENDING):
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, end)
    return received


def _refused(error: OSError) -> str:
    if error.filename is None:
        try:
            Path.cwd()
        except FileNotFoundError:
            return "the working directory is gone. Change to a folder that is there, and run again"
    return files.sentence(error)


def _wants_memory(error: Exception) -> bool:
    """Whether the error of Python, numpy or torch means that memory is exhausted; torch has no type for that on a CPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in ("not enough memory", "out of memory"))
    )


def _said(error: Exception) -> str:
    """The error's type and the first line of what it says."""
    says = str(error).strip().splitlines()
    return f"{type(error).__name__}: {says[0][:LONGEST]}" if says else type(error).__name__


def _unforeseen(error: Exception) -> str:
    """The message of an unforeseen error, with the file that keeps its traceback, or the place if no file can be written."""
    now = dt.datetime.now(dt.UTC)
    path = home() / "errors" / f"{now:%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        write_secret(path, f"{now.isoformat()}\n\n{''.join(traceback.format_exception(error))}")
        where = f"Where it happened is in {path}"
    except (OSError, ValueError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"It happened in {last.filename}, line {last.lineno}"
    return f"a fault of ezhoi itself ({_said(error)}). What was computed is kept. {where}; please report it with the command"


def _flushed(code: int) -> int:
    """The exit code, once all output is written; 1 and a message if it cannot be."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python would complain as it ends
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        if code == 0 and not isinstance(error, BrokenPipeError):
            say(files.sentence(error))
            return 1
    return code
