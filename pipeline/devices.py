"""The GPUs of this machine, one training at a time on each: a lock that dies with its holder, so no slot stays taken.

A server-side limit counts slots and leaks them when a machine goes down; a lock on a file of the machine does not, and
it says *which* GPU is free.
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
from collections.abc import Iterator, Sequence
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
def one_gpu(configured: str, *, found: Sequence[str] | None = None, folder: Path | None = None) -> Iterator[str]:
    """Hold a GPU for one training and give the torch device to use; what was configured where there is none to hold.

    `configured` is the configuration's `device`: 'auto' takes the first free GPU and waits while all are taken,
    'cuda:N' waits for that one.
    """
    known = gpus() if found is None else found
    if configured == "cpu" or not known:
        yield configured
        return
    names = {f"cuda:{i}": name for i, name in enumerate(known)}
    wanted = {configured: names[configured]} if configured in names else names
    if configured.startswith("cuda:") and configured not in names:
        raise EzhoiError(f"device = {configured}: this machine has {', '.join(names)}")
    device, handle = _first_free(wanted, folder or Path(tempfile.gettempdir()) / f"ezhoi-gpus-{os.getuid()}")
    try:
        yield configured if len(known) == 1 else device
    finally:
        os.close(handle)


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


def _first_free(wanted: dict[str, str], folder: Path) -> tuple[str, int]:
    said = False
    while True:
        for device, name in wanted.items():
            handle = _try(folder, name)
            if handle is not None:
                return device, handle
        if not said:
            log.info("every GPU (%s) is at work for another training; waiting for one", ", ".join(wanted))
            said = True
        time.sleep(POLL_SECONDS)


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
