"""How long `ezhoi runs` and `ezhoi site` take in a store of many runs, and how large the site is. Run from the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.site --runs 1000

The store is made up (`tests/demo/many_runs.py`): records and manifests of their usual size, trainings shared by eight runs.
Each command is a process of its own, its time that of wall and of CPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))

from many_runs import fill


def timed(*words: str, root: Path) -> tuple[float, float]:
    """(wall, CPU) seconds of a command."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "flows.cli.app", *words]
    subprocess.run(command, env=os.environ | {"EZHOI__STORE__ROOT": str(root)}, check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def main() -> None:
    """Measure the site and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "artifacts"
        store = fill(root, count)
        print(f"{count:,} runs, {len(store.artifacts()):,} artifacts")
        for words in (("runs",), ("runs", "--sort", "unseen", "--seeds"), ("site",), ("site",)):
            wall, cpu = timed(*words, root=root)
            print(f"ezhoi {' '.join(words):<30} {wall:6.2f} s wall {cpu:6.2f} s CPU")
        size = sum(path.stat().st_size for path in (root / ".site").rglob("*") if path.is_file())
        print(f"the site: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
