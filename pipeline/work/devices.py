"""The GPUs of this machine and the servers it asks, one stage at a time on each.

Each is a lock that dies with its holder, so no slot stays taken. A server-side limit counts slots and leaks them when a
machine goes down; a lock on a file of the machine does not, and it says *which* GPU is free.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pipeline.errors import EzhoiError

log = logging.getLogger("ezhoi.devices")
POLL_SECONDS = 1.0


@cache
def gpus() -> tuple[str, ...]:
    """Identifiers of the GPUs that this process may use, in torch's order (cuda:0 first); empty without any."""
    every = _installed()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return every
    wanted = [v.strip() for v in visible.split(",") if v.strip() and v.strip() != "-1"]
    return tuple(every[int(v)] if v.isdigit() and int(v) < len(every) else v for v in wanted)


@contextmanager
def hold(
    configured: str, *, count: int = 1, found: Sequence[str] | None = None, folder: Path | None = None
) -> Iterator[str]:
    """Hold `count` GPUs for one training and give the torch device to use, 'cuda:0,cuda:2' where they are several.

    `configured` is the configuration's `device`: 'auto' takes the first free GPUs and waits while too few are free,
    'cuda:N' waits for that one. It comes back as it is where there is no GPU to hold.
    """
    known = gpus() if found is None else found
    if configured == "cpu" or not known:
        yield configured
        return
    names = {f"cuda:{i}": name for i, name in enumerate(known)}
    wanted = {configured: names[configured]} if configured in names else names
    if configured.startswith("cuda:") and configured not in names:
        raise EzhoiError(f"device = {configured}: this machine has {', '.join(names)}")
    if count > len(wanted):
        raise EzhoiError(f"{count} processes want a GPU each; there are {', '.join(wanted)}")
    held = _first_free(wanted, folder or Path(tempfile.gettempdir()) / f"ezhoi-gpus-{os.getuid()}", count)
    try:
        yield configured if len(known) == 1 else ",".join(held)
    finally:
        _release(held)


@contextmanager
def alone(server: str | None, *, folder: Path | None = None) -> Iterator[None]:
    """Hold a language model's server for one stage of this machine: `llm.runtime.concurrency` limits what it is asked at once.

    Without one (None) nothing is held.
    """
    if server is None:
        yield
        return
    held = _first_free({server: server}, folder or Path(tempfile.gettempdir()) / f"ezhoi-servers-{os.getuid()}", 1)
    try:
        yield
    finally:
        _release(held)


def taken(*, found: Sequence[str] | None = None, folder: Path | None = None) -> dict[str, bool]:
    """{torch device: whether a training holds it now}"""
    place = folder or Path(tempfile.gettempdir()) / f"ezhoi-gpus-{os.getuid()}"
    answer = {}
    for i, name in enumerate(gpus() if found is None else found):
        handle = _try(place, name)
        answer[f"cuda:{i}"] = handle is None
        if handle is not None:
            os.close(handle)
    return answer


def _first_free(wanted: dict[str, str], folder: Path, count: int) -> dict[str, int]:
    """{device: open lock}. All or none: two trainings that want several never hold what the other one waits for."""
    said = False
    while True:
        held: dict[str, int] = {}
        for device, name in wanted.items():
            handle = _try(folder, name)
            if handle is not None:
                held[device] = handle
            if len(held) == count:
                return held
        _release(held)
        if not said:
            log.info("%s: at work for another stage; waiting for %d", ", ".join(wanted), count)
            said = True
        time.sleep(POLL_SECONDS)


def _release(held: Mapping[str, int]) -> None:
    for handle in held.values():
        os.close(handle)


def _try(folder: Path, name: str) -> int | None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{''.join(c if c.isalnum() or c in '-.' else '_' for c in name)}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _installed() -> tuple[str, ...]:
    """UUIDs of the machine's GPUs by the driver's own tool; no torch is imported for that."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [tool, "--query-gpu=uuid", "--format=csv,noheader"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return tuple(line.strip() for line in shown.stdout.splitlines() if line.strip().startswith("GPU-"))
    return ()
