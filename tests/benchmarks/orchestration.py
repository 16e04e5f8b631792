"""What a run that computes nothing costs, and whose time it is: interpreter and imports, Prefect, ours.

    python tests/benchmarks/orchestration.py [ROUNDS]

Ten stages, all cached, in stand-in form (tests/flows/fake_stages), so only orchestration is measured. Starts a Prefect server
and workers of its own on free ports and stops them. Prints wall seconds (the least of the rounds) and CPU seconds of the
measured process; on a busy machine only the CPU seconds mean something.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "flows" / "fake_stages"
INSIDE = """
import json, os, sys, time
start = time.perf_counter()
import gc; gc.disable()
import flows.recorded
gc.enable()
imported = time.perf_counter()
result = flows.cli.recorded.record(overrides=sys.argv[1:])
ended = time.perf_counter()
assert result.completed, result.message
print(json.dumps([imported - start, ended - imported]))
"""


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """(wall, CPU, output) of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        weights.write_bytes(b"weights")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "EZHOI_"))}
        environment = kept | {"PYTHONPATH": str(FAKES), "EZHOI_HOME": f"{folder}/home", "OMP_NUM_THREADS": "1"}
        settings = [f"store.root={folder}/store", f"clip.weights={weights}"]
        words = [word for setting in settings for word in ("--set", setting)]
        python, ezhoi = [sys.executable, "-c"], [sys.executable, "-m", "flows.cli.app"]
        try:
            measure([*ezhoi, "launch", *words], environment)  # fills the store, starts and deploys
            api = measure([*ezhoi, "up"], environment)[2].split("PREFECT_API_URL=")[1].strip()
            served = environment | {
                "PREFECT_API_URL": api,
                "PREFECT_HOME": f"{folder}/home/prefect",
                "DO_NOT_TRACK": "1",
            }
            rows = (
                ("interpreter", [*python, "pass"], environment),
                ("interpreter and ours: import the command line", [*python, "import flows.cli.app"], environment),
                (
                    "interpreter and Prefect: import flow and task",
                    [*python, "from prefect import flow, task"],
                    environment,
                ),
                ("ezhoi status", [*ezhoi, "status", *words], environment),
                ("ezhoi run, by the store alone", [*ezhoi, "run", *words], environment),
                ("ezhoi run --record, in process", [*ezhoi, "run", "--record", *words], environment),
                ("of it: imports, flow", [*python, INSIDE, *settings], served),
                ("ezhoi launch, through a worker", [*ezhoi, "launch", *words], environment),
            )
            print(f"{'':<48} {'wall s':>8} {'CPU s':>8}")
            for name, command, where in rows:
                found = [measure(command, where) for _ in range(rounds)]
                best = min(found)
                split = f"   split {best[2].strip()}" if "of it" in name else ""
                print(f"{name:<48} {best[0]:8.2f} {min(f[1] for f in found):8.2f}{split}")
        finally:
            subprocess.run([*ezhoi, "down"], env=environment, cwd=ROOT, capture_output=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
