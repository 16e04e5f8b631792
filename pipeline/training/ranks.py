"""Ranks in the environment: a process that trains alone has none, whatever a job system has set.

srun, mpirun, torchrun and notebook platforms set RANK, WORLD_SIZE, OMPI_COMM_WORLD_SIZE and the like for every process below
them. accelerate would then wait for other processes, which do not exist.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from pipeline.errors import EzhoiError
from pipeline.learned import checkpoint

if TYPE_CHECKING:
    from accelerate import Accelerator

log = logging.getLogger("ezhoi.training")
LAUNCHED = "EZHOI_TRAINS_TOGETHER"
"""The variable that `pipeline.training.launch` sets in processes that train together, whose ranks count."""
LEFT_BEHIND = re.compile(
    r"(LOCAL_|NODE_|GROUP_|ROLE_)?RANK|(LOCAL_|GROUP_|ROLE_)?WORLD_SIZE|MASTER_(ADDR|PORT)"
    r"|(PMI|PMIX|OMPI|MV2|MPI|TORCHELASTIC)_.+|(ACCELERATE|FSDP|PARALLELISM_CONFIG|MEGATRON_LM)_.+|FORK_LAUNCHED"
)


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without ranks and without other variables of launchers."""
    return {name: value for name, value in environment.items() if not LEFT_BEHIND.fullmatch(name)}


def accelerator(*, cpu: bool) -> Accelerator:
    """The processes that train together: those that `pipeline.training.launch` started, or this one alone."""
    from accelerate import Accelerator  # here, because only training needs it

    with contextlib.nullcontext() if os.environ.get(LAUNCHED) else _alone():
        return Accelerator(cpu=cpu, mixed_precision="no")


def on_this_machine() -> int:
    """How many of the processes that train together are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if os.environ.get(LAUNCHED) else 1


def demand_the_same(stage: str, **made_of: str) -> None:
    """Demand that all processes that train together make the same artifact with the same code.

    Raises:
        EzhoiError: this process and the main one differ; the message names what differs and the two machines.
    """
    from accelerate.utils import gather_object

    mine = {"machine": socket.gethostname(), **made_of}
    everybody = gather_object([mine])
    for other in everybody:
        if differing := [name for name in made_of if other[name] != everybody[0][name]]:
            raise EzhoiError(
                f"stage {stage}: {everybody[0]['machine']} and {other['machine']} cannot train together, their "
                f"{' and '.join(differing)} differ: give the same command, profile and version of the project on every machine"
            )


def hand_out(accelerator: Accelerator, modules: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> int:
    """Bring every process to the state and the step of the main one, which alone reads the checkpoint; return the step."""
    if accelerator.num_processes == 1:
        return step
    from accelerate.utils import broadcast, broadcast_object_list

    state = checkpoint.state(modules, optimiser) if accelerator.is_main_process else {}
    step, kinds = broadcast_object_list([step, {name: (t.shape, t.dtype) for name, t in state.items()}])
    for name, (shape, dtype) in kinds.items():
        tensor = state[name].detach() if name in state else torch.empty(shape, dtype=dtype)
        state[name] = broadcast(tensor.to(accelerator.device).contiguous())
    if not accelerator.is_main_process:
        checkpoint.put_back(state, modules=modules, optimiser=optimiser)
    return int(step)


@contextmanager
def _alone() -> Iterator[None]:
    left = {name: value for name, value in os.environ.items() if LEFT_BEHIND.fullmatch(name)}
    if left:
        names = ", ".join(sorted(left))
        log.info("%s: of another program; this training runs alone (see seen.runtime.processes)", names)
    for name in left:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(left)
