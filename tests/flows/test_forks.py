"""The forks by which tests have processes of Prefect (tests/servers/forked_prefect.py)."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from flows.server import processes

SAYS = """
import os, sys
from prefect.settings import PREFECT_API_URL
print(os.getcwd(), os.environ["WHO"], sys.argv[1:], PREFECT_API_URL.value(), "EZHOI_HOME" in os.environ)
print("no", file=sys.stderr)
sys.exit(3)
"""
STAYS = """
import os, signal
signal.signal(signal.SIGTERM, lambda number, frame: print("asked to end", flush=True))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


def test_a_fork_has_folder_environment_words_outputs_and_exit_code_of_a_process(forks: Any, tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS)
    variables = {"WHO": "me", "PREFECT_API_URL": "http://there/api", "PREFECT_HOME": str(tmp_path)}
    command = forks.command("says", "one", "two")
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path} me ['one', 'two'] http://there/api False\n"
    assert (done.stderr, done.returncode) == ("no\n", 3)


def test_a_fork_is_sent_the_signals_of_its_client_and_ends_with_it(forks: Any, tmp_path: Path) -> None:
    (tmp_path / "stays.py").write_text(STAYS)
    client = subprocess.Popen(forks.command("stays"), cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    fork = processes.identify(int(client.stdout.readline()))
    assert fork is not None and fork.pid != client.pid
    client.terminate()
    assert client.stdout.readline() == "asked to end\n" and fork.alive()
    client.kill()
    client.wait()
    while fork.alive():
        time.sleep(0.01)
