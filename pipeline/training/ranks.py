"""Ranks in the environment: who trains alone has none, whatever a job system left there.

srun, mpirun, torchrun and notebook platforms set RANK, WORLD_SIZE, OMPI_COMM_WORLD_SIZE and the like for every process below
them. accelerate would take them for an order to wait for the other processes, which do not exist.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import Accelerator

log = logging.getLogger("ezhoi.training")
LAUNCHED = "EZHOI_TRAINS_TOGETHER"
"""Set by `pipeline.training.launch` in the processes that train together, whose ranks count."""
LEFT_BEHIND = re.compile(
    r"(LOCAL_|NODE_|GROUP_|ROLE_)?RANK|(LOCAL_|GROUP_|ROLE_)?WORLD_SIZE|MASTER_(ADDR|PORT)"
    r"|(PMI|PMIX|OMPI|MV2|MPI|TORCHELASTIC)_.+|(ACCELERATE|FSDP|PARALLELISM_CONFIG|MEGATRON_LM)_.+|FORK_LAUNCHED"
)


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without ranks and without a launcher's orders."""
    return {name: value for name, value in environment.items() if not LEFT_BEHIND.fullmatch(name)}


def accelerator(*, cpu: bool) -> Accelerator:
    """The processes that train together: those that `pipeline.training.launch` started, or this one alone."""
    from accelerate import Accelerator  # here, because only training needs it

    with contextlib.nullcontext() if os.environ.get(LAUNCHED) else _alone():
        return Accelerator(cpu=cpu, mixed_precision="no")


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
