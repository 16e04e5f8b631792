"""Processes of Prefect that have nothing to import: forks of a server that has imported Prefect and the flows once.

To import Prefect and a flow takes a process four seconds of a core, and a run by a worker has three such processes. Here the
worker, the run's process and a `prefect` command are each a client of a few milliseconds, which hands its words, folder,
environment and outputs to the server of forks and has one be the module that was asked for. The client passes signals on and
ends as the fork does; if the client is killed, its fork is too. Prefect's own server reads settings while it is imported: it is
started anew.

    python forked_prefect.py SOCKET                    the server of forks
    python forked_prefect.py SOCKET MODULE WORD...     what `python -m MODULE WORD...` does
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMPORTED = (
    "prefect.main",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.cli.deploy._commands",
    "prefect.cli.deployment",
    "prefect.cli.flow_run",
    "prefect.cli.work_pool",
    "prefect.cli.worker",
    "prefect.workers.process",
    "flows.ezhoi",
    "flows.share",
    "flows.study",
    "flows.cli.app",
    "pyarrow.parquet",
)
LARGEST = 1 << 20
"""The most bytes of a request."""
KILLED = 128 + signal.SIGKILL
"""Exit code of a client whose fork ended without one."""


class Forks:
    """The server, and the commands that are its clients."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "forks"
        command = [sys.executable, __file__, str(self._socket)]
        self._server = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE)
        while not self._socket.exists():
            assert self._server.poll() is None, "the server of forks ended"
            time.sleep(0.05)

    def command(self, module: str, *words: str) -> list[str]:
        """The command line that does what `python -m MODULE WORD...` does."""
        return [sys.executable, "-S", __file__, str(self._socket), module, *words]

    def stop(self) -> None:
        """End the server; forks that are left end by themselves."""
        self._server.terminate()
        self._server.wait()


def serve(path: str) -> None:
    """Fork for every client, until SIGTERM. A fork returns from here once it has been what was asked for."""
    atexit.register(_leave)  # the first to be registered is the last to be called
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    server = os.getpid()
    threading.Thread(target=_end_with_the_tests, args=(server,), daemon=True).start()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks but their clients
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(f"{path}.part")
        listening.listen()
        Path(f"{path}.part").rename(path)
        while True:
            client, _ = listening.accept()
            asked, outputs, _, _ = socket.recv_fds(client, LARGEST, 3)
            if os.fork() == 0:
                break
            client.close()
            for output in outputs:
                os.close(output)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell ignore it
    client.send(str(os.getpid()).encode())
    threading.Thread(target=_end_with, args=(client,), daemon=True).start()
    code = _be(**json.loads(asked), files=outputs)
    client.send(str(code).encode())
    client.detach()  # it stays open, as long as this process lives


def _end_with_the_tests(server: int) -> None:
    """End when the process of the tests is gone, however it ended: nothing is ever written to this one's input."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(server, signal.SIGTERM)


def _leave() -> None:
    """End without taking the heap apart, all of which a fork shares with the server until it writes to it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _end_with(client: socket.socket) -> None:
    """End when the client is gone: it says nothing more, so that there is something to read only at its end."""
    client.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _be(module: str, words: Sequence[str], folder: str, environment: Mapping[str, str], files: Sequence[int]) -> int:
    """Be the process of `python -m MODULE WORD...`, and return its exit code."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *words]
    sys.path[0] = folder
    if "PYTHONPATH" in environment:
        sys.path[1:1] = environment["PYTHONPATH"].split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    # What Prefect read of the environment when it was imported.
    import prefect.context
    import prefect.logging.configuration

    prefect.context.refresh_global_settings_context()
    prefect.logging.configuration.setup_logging(incremental=False)
    warnings.filterwarnings("ignore", message=".*found in sys.modules", category=RuntimeWarning)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def ask(path: str, module: str, *words: str) -> int:
    """Have a fork be the module, and return its exit code when it has ended."""
    asked = {"module": module, "words": words, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(path)
        socket.send_fds(server, [json.dumps(asked).encode()], [0, 1, 2])
        fork = int(server.recv(LARGEST))

        def pass_on(number: int, frame: Any) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(fork, number)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, pass_on)
        code = server.recv(LARGEST)
        while server.recv(LARGEST):  # until the fork has ended, which may have something left to do after its code
            pass
    with contextlib.suppress(ProcessLookupError):
        for _ in range(10_000):  # its files are closed a moment before it is gone
            os.kill(fork, 0)
            time.sleep(0.001)
    return int(code or KILLED)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        sys.exit(ask(*sys.argv[1:]))
