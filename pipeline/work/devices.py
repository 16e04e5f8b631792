"""The GPUs of this machine and the servers it asks, one stage at a time on each.

A stage that computes on a GPU holds it alone: trainings, image stages and the embedding of texts. Each GPU has a lock that ends
with its holder's process, so no slot stays taken. A limit at a server would count slots, and lose them when a machine goes
down; a lock on a file of the machine does not, and it tells *which* GPU is free. All users of the machine share its GPUs, so
these locks lie where all users see them; the lock of a language model's server is the user's own
(`pipeline/machine/lock_folders.py`), and its file is named by a digest, since an address may hold a password. Where there can
be no lock, a warning says so and the stage runs without one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from pipeline.errors import EzhoiError
from pipeline.machine import lock_folders, turns
from pipeline.machine.files import said
from pipeline.machine.holder import Claimant
from pipeline.machine.turns import Held
from pipeline.outside.parsing import shown
from pipeline.store import digest

T = TypeVar("T")
log = logging.getLogger("ezhoi.devices")
LISTED = "PCI_BUS_ID"
"""CUDA's word for the order in which `nvidia-smi` lists the GPUs."""


@cache
def gpus() -> tuple[str, ...]:
    """Identifiers of the GPUs that this process may use, in torch's order (cuda:0 first); empty without any.

    A GPU has one identifier, and so one lock, however `CUDA_VISIBLE_DEVICES` names it. As CUDA does, this reads the variable up
    to the first name of none.
    """
    number_as_listed()
    every = _installed()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return every
    return tuple(takewhile(bool, (_identifier(name.strip(), every) for name in visible.split(","))))


def number_as_listed() -> None:
    """Have CUDA number the GPUs as `nvidia-smi` lists them, and so as their locks do; to be called before torch starts it.

    By itself it begins with the fastest one, so where GPUs differ a stage would compute on another one than it holds. Another
    order that was asked for is not taken, which a warning says.
    """
    asked = os.environ.get("CUDA_DEVICE_ORDER") or LISTED
    if asked != LISTED:
        log.warning(
            "CUDA_DEVICE_ORDER=%s is not taken: GPUs are numbered as nvidia-smi lists them (%s), also in CUDA_VISIBLE_DEVICES",
            shown(asked),
            LISTED,
        )
    os.environ["CUDA_DEVICE_ORDER"] = LISTED


def _identifier(name: str, every: Sequence[str]) -> str:
    """The identifier of the GPU with a number, or of which the name is the beginning; empty if it is surely none."""
    if name.startswith("-"):
        return ""
    if not every:  # without the driver's tool, names are all that is known
        return name
    if name.isdecimal():
        return every[int(name)] if int(name) < len(every) else ""
    alike = [one for one in every if one.startswith(name)] if name.startswith("GPU-") else []
    return alike[0] if len(alike) == 1 else name


@contextmanager
def hold(
    configured: str,
    *,
    count: int = 1,
    most: int = 1,
    found: Sequence[str] | None = None,
    folder: Path | None = None,
    claimant: Claimant | None = None,
) -> Iterator[str]:
    """Hold `count` GPUs for one stage, up to `most` if they are free, and give the torch device to use.

    The device is 'cuda:0,cuda:2' for several GPUs. `configured` is the configuration's `device`: 'auto' takes the first free
    GPUs and waits while too few are free, 'cuda:N' waits for that one. Where there is no GPU to hold, `configured` is
    returned unchanged.
    """
    wanted = _wanted(configured, found, count)
    take = partial(turns.take, count=count, most=most, claimant=claimant, thing=" or ".join(wanted))
    with contextlib.ExitStack() as stack:
        held = None
        if wanted:
            held = _or_warn(lambda: take(_gpu_folder(folder), wanted))
        if held is not None:
            stack.callback(_give_back, held)
        yield _named(configured, held, found)


@contextmanager
def hold_if_free(
    configured: str, *, most: int = 1, found: Sequence[str] | None = None, folder: Path | None = None
) -> Iterator[str | None]:
    """The same without waiting: None where no GPU is free now."""
    wanted = _wanted(configured, found, 1)
    if not wanted:
        yield configured
        return
    held = _or_warn(lambda: turns.take(_gpu_folder(folder), wanted, most=most, wait=False) or Held())
    if held is not None and not held.locks:
        yield None
        return
    with contextlib.ExitStack() as stack:
        if held is not None:
            stack.callback(_give_back, held)
        yield _named(configured, held, found)


@contextmanager
def alone(server: str | None, *, folder: Path | None = None, claimant: Claimant | None = None) -> Iterator[None]:
    """Hold a language model's server for one stage of this machine, so that `llm.runtime.concurrency` limits its requests.

    Without a server (None) nothing is held.
    """
    if server is None:
        yield
        return
    # A home folder may be that of several machines.
    name = f"server-{digest.of_value([socket.gethostname(), server])}"
    take = partial(turns.take, claimant=claimant, thing="the language model's server")
    held = _or_warn(lambda: take(folder or lock_folders.own(), {name: name}))
    try:
        yield
    finally:
        if held is not None:
            held.release()


def taken(*, found: Sequence[str] | None = None, folder: Path | None = None) -> dict[str, bool]:
    """{torch device: whether a stage of any user holds it now}"""
    names = gpus() if found is None else found
    held = _or_warn(lambda: [turns.taken(_gpu_folder(folder), name) for name in names]) or [False] * len(names)
    return {f"cuda:{i}": by_somebody for i, by_somebody in enumerate(held)}


def _gpu_folder(folder: Path | None) -> Path:
    return folder or lock_folders.shared()


def _wanted(configured: str, found: Sequence[str] | None, count: int) -> dict[str, str]:
    """{torch device: identifier} of the GPUs that may be held; empty if none is to be held."""
    known = gpus() if found is None else found
    if configured == "cpu" or not known:
        return {}
    names = {f"cuda:{i}": name for i, name in enumerate(known)}
    wanted = {configured: names[configured]} if configured in names else names
    if configured.startswith("cuda:") and configured not in names:
        raise EzhoiError(f"device = {configured}: this machine has {', '.join(names)}")
    if count > len(wanted):
        raise EzhoiError(f"{count} processes want a GPU each; there are {', '.join(wanted)}")
    return wanted


def _give_back(held: Held) -> None:
    """Release GPUs, and the memory that torch keeps there, which the next holder may need."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    held.release()


def _named(configured: str, held: Held | None, found: Sequence[str] | None) -> str:
    if held is None or len(gpus() if found is None else found) == 1:
        return configured
    return ",".join(held.locks)


def _or_warn(take: Callable[[], T]) -> T | None:
    """What `take` gives; None and a warning where there can be no lock, which does not stop the stage."""
    try:
        return take()
    except (OSError, EzhoiError) as error:
        log.warning(
            "no lock can be had (%s): other stages may use the same GPU or server at the same time", said(error)
        )
        return None


def _installed() -> tuple[str, ...]:
    """The UUIDs of the machine's GPUs by their place on the bus, from the driver's own tool; torch is not imported."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [tool, "--query-gpu=uuid", "--format=csv,noheader"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, encoding="utf-8", errors="replace")
        return tuple(line.strip() for line in shown.stdout.splitlines() if line.strip().startswith("GPU-"))
    return ()
