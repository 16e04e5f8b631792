"""Which of several machines that train together this one is, and where they meet, by the configuration or by Slurm.

The same command is given on each machine. Machine 0 publishes and owns the scratch folder; the others only train with it.

    ezhoi run --set seen.runtime.machines=2 --set seen.runtime.machine=0 --set seen.runtime.rendezvous=first:29500
    ezhoi run --set seen.runtime.machines=2 --set seen.runtime.machine=1 --set seen.runtime.rendezvous=first:29500
    srun --nodes=2 --ntasks-per-node=1 ezhoi run --set seen.runtime.machines=2
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from pipeline.config.training import SeenRuntime
from pipeline.errors import ConfigError
from pipeline.work.work import Place

FIRST_PORT, PORTS = 20_000, 10_000
"""The range of ports from which a Slurm job gets one by its number. Systems assign none of them by themselves."""
LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class Rendezvous:
    """Where machines that train together meet, and which of them this one is."""

    place: Place
    host: str
    """The address of machine 0 that all others can reach."""
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def is_open(self) -> bool:
        """Whether machine 0 waits there."""
        with suppress(OSError), socket.create_connection((self.host, self.port), LOOK_SECONDS):
            return True
        return False

    def interface(self) -> str | None:
        """The network interface of this machine by which it is reached; None if none is known.

        gloo would take the interface of the machine's own name, which on many systems is the loopback.
        """
        import psutil

        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self.host, self.port))  # sends nothing, but chooses the way
            own = probe.getsockname()[0]
            for name, addresses in psutil.net_if_addrs().items():
                if own in (address.address for address in addresses):
                    return name
        return None


def rendezvous(runtime: SeenRuntime, environment: Mapping[str, str] | None = None) -> Rendezvous | None:
    """The rendezvous of a training over several machines; None if one machine trains.

    Raises:
        ConfigError: neither the configuration nor Slurm says which machine this is and where they meet, or they say
            different numbers of machines.
    """
    if runtime.machines == 1:
        return None
    if runtime.machine is not None and runtime.rendezvous is not None:
        host, _, port = runtime.rendezvous.rpartition(":")
        return Rendezvous(Place(runtime.machine, runtime.machines), host, int(port))
    if runtime.machine is not None or runtime.rendezvous is not None:
        raise ConfigError("seen.runtime.machine and seen.runtime.rendezvous go together: set both, or none under Slurm")
    return _of_slurm(runtime, os.environ if environment is None else environment)


def _of_slurm(runtime: SeenRuntime, environment: Mapping[str, str]) -> Rendezvous:
    number, job = environment.get("SLURM_NODEID", ""), environment.get("SLURM_JOB_ID", "")
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    count = environment.get("SLURM_STEP_NUM_NODES") or environment.get("SLURM_NNODES", "")
    if not (number.isdecimal() and job.isdecimal() and count.isdecimal() and nodes):
        raise ConfigError(
            f"seen.runtime.machines = {runtime.machines}: which of them this is, is not known. Set seen.runtime.machine (0 on "
            "the one that publishes) and seen.runtime.rendezvous=HOST:PORT, or start it with srun, one task a node"
        )
    if int(count) != runtime.machines:
        raise ConfigError(f"seen.runtime.machines = {runtime.machines}: Slurm gave this job step {count}")
    if environment.get("SLURM_LOCALID", "0") != "0":
        raise ConfigError("a second task of the job step runs on this node: srun --ntasks-per-node=1")
    return Rendezvous(Place(int(number), int(count)), first_of(nodes), FIRST_PORT + int(job) % PORTS)


def first_of(nodes: str) -> str:
    """The first host of a list as Slurm writes it: `gpu[007-009,12]-ib,cpu3` begins with gpu007-ib."""
    first = re.match(r"(?:\[[^]]*\]|[^,\[])*", nodes)
    assert first is not None, "the pattern fits the empty text too"
    return re.sub(r"\[(\w+)[^]]*\]", r"\1", first.group())
