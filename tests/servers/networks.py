"""Machines of one network on this one: a network namespace each, joined by a bridge in another; needs root and `ip`."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from s3_gate import Gate

NEWNET = 0x4000_0000
SUBNET = "198.18.0"
"""Of the addresses that are set aside for such experiments (RFC 2544)."""


class Network:
    """Machines 0, 1, ... with an address each, and a gate to the S3 server of this process at `store`."""

    def __init__(self, names: Sequence[str], store: str) -> None:
        self._names, self.store = names, store

    def address(self, machine: int) -> str:
        return f"{SUBNET}.{machine + 2}"

    def start(self, machine: int, line: Sequence[str], **more: object) -> subprocess.Popen[str]:
        """A process on a machine: `ip` becomes the program, so the process is the program's."""
        return subprocess.Popen(["ip", "netns", "exec", self._names[machine], *line], text=True, **more)  # type: ignore[call-overload, no-any-return]


def missing() -> str:
    """The reason why no such network can be made here; empty if one can be."""
    if shutil.which("ip") is None:
        return "needs the program `ip` (package iproute2)"
    name = f"ezhoi-{os.getpid()}-tried"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"needs root, to make network namespaces ({tried.stderr.strip()})"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""


@contextmanager
def network(count: int, s3: Gate) -> Iterator[Network]:
    """A network of `count` machines, which see each other and a gate to the S3 server behind `s3`, and nothing else."""
    hub, *names = (f"ezhoi-{os.getpid()}-{number}" for number in range(count + 1))
    with ExitStack() as stack:
        for name in (hub, *names):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "address", "add", f"{SUBNET}.1/24", "dev", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        for number, name in enumerate(names):
            port = f"port{number}"
            _ip("-n", name, "link", "add", "wire", "type", "veth", "peer", "name", port, "netns", hub)
            _ip("-n", hub, "link", "set", port, "master", "bridge", "up")
            _ip("-n", name, "address", "add", f"{SUBNET}.{number + 2}/24", "dev", "wire")
            for link in ("wire", "lo"):
                _ip("-n", name, "link", "set", link, "up")
        gate = _listening_in(hub, s3)
        stack.callback(gate.shutdown)
        yield Network(names, f"http://{SUBNET}.1:{gate.server_port}")


def _listening_in(namespace: str, s3: Gate) -> Gate:
    """A gate whose socket is of a namespace; a socket stays where it was made, so it hands on to the server in ours."""
    made: list[Gate] = []

    def make() -> None:
        with Path(f"/var/run/netns/{namespace}").open() as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), NEWNET):  # of this thread alone
                raise OSError(ctypes.get_errno(), "setns")
        gate = Gate(address=f"{SUBNET}.1")
        gate.backend = s3.backend
        made.append(gate)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (gate,) = made
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    return gate


def _ip(*words: str) -> None:
    with suppress(subprocess.CalledProcessError) if words[:2] == ("netns", "delete") else ExitStack():
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
