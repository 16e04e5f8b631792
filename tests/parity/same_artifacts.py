"""Whether two commits make the same artifacts: the gate of a change that only moves or rewrites code.

    python tests/parity/same_artifacts.py BEFORE AFTER [KEY=VALUE ...]

Runs the smallest demo (tests/demo/small_demo.py) of both commits in this environment, each in a checkout of its own, and
compares the digests of the artifacts stage by stage. Exit code 1, naming the stages, if one differs or is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def digests(commit: str, folder: Path, settings: list[str]) -> dict[str, str]:
    """{stage: digest of its artifact} as the commit's code makes them."""
    checkout = folder / "checkout"
    subprocess.run(["git", "worktree", "add", "--detach", "--quiet", checkout, commit], cwd=ROOT, check=True)
    try:
        script = checkout / "tests" / "demo" / "small_demo.py"
        environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(script), str(folder / "store"), *settings]
        done = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return {stage: entry["digest"] for stage, entry in json.loads(done.stdout).items()}
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", checkout], cwd=ROOT, check=True)


def main() -> None:
    before, after, *settings = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name, commit in (("before", before), ("after", after)):
            (Path(folder) / name).mkdir()
            found.append(digests(commit, Path(folder) / name, settings))
    differing = 0
    for stage in dict.fromkeys([*found[0], *found[1]]):
        one, other = (digest.get(stage, "missing") for digest in found)
        differing += one != other
        print(f"{stage:18} {one[:12]:12} {other[:12]:12} {'equal' if one == other else 'DIFFERS'}")
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
