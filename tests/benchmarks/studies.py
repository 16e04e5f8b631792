"""A study of trials that share no training on two workers of one thread each, against one. From the root, on idle cores:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.studies --trials 4 --epochs 6

What the trials share (world, boxes, embeddings) is made before, once; then a Prefect server is started, and the same study
runs in a store of its own with one worker and with two. Measured are wall seconds of the study's flow run, with the start of
a process a trial, as a ratio to one worker's; and of the same study once more, which finds everything in the store. Whatever
else is at work shares its cores with more processes of two workers than of one, which flatters the ratio.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.server import following, local, processes
from pipeline.config.loading import load
from pipeline.engine.run import run
from tests.servers.served_prefect import Served, client

SMALL = [
    "data.world.train_images=48",
    "data.world.test_images=60",
    "seen.batch_size=12",
    "utpl.steps=20",
    "evaluation.untrained=off",
    "device=cpu",
]
SHARED = ("image_embeddings", "text_embeddings", "disparities")


class Workers:
    """A server, a worker for studies, and so many for their trials."""

    def __init__(self, served: Served, folder: Path, count: int) -> None:
        environment = client(folder / "home", served.api) | {"OMP_NUM_THREADS": "1"}
        self.started = [_worker(environment, "ezhoi-cpu", "cpu", "4")]
        self.started += [_worker(environment, "ezhoi-gpu", f"gpu-{number}", "1") for number in range(count)]

    def stop(self) -> None:
        for worker in self.started:
            if (leader := processes.identify(worker.pid)) is not None:
                processes.stop(leader)
            worker.wait()


def _worker(environment: dict[str, str], pool: str, name: str, limit: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
    return subprocess.Popen(
        [*command, "--name", name, "--limit", limit],
        env=environment,
        cwd=local.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def measured(served: Served, file: Path, root: Path) -> float:
    """Wall seconds of the study's flow run."""
    parameters = {"file": str(file), "overrides": [f"store.root={root}"]}
    run = following.trigger(served.api, flow="ezhoi-study", deployment="study", parameters=parameters)
    while not following.look(served.api, run).final:
        time.sleep(1)
    ended = following.look(served.api, run)
    assert ended.state == "Completed", ended.message
    return float(served.api.get(f"/flow_runs/{run}")["total_run_time"])


def main() -> None:
    """Prints a line for each number of workers, and one for the study that finds everything."""
    parser = argparse.ArgumentParser(description="Time of a study on several workers.")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "seeds.yaml"
        changes = "\n".join(f"  {key}: {value}" for key, _, value in (setting.partition("=") for setting in SMALL))
        variant = f"variants:\n  one: {{set: {{seen.epochs: {options.epochs}}}}}\n"
        file.write_text(f"seeds: {list(range(options.trials))}\nset:\n{changes}\n{variant}")
        run(load(overrides=[*SMALL, f"store.root={folder / 'shared'}"], environment={}), targets=SHARED)
        served = Served(folder)
        for pool in local.POOLS:
            served.api.post("/work_pools/", {"name": pool, "type": "process"})
        deploy = [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt"]
        subprocess.run(deploy, cwd=local.ROOT, env=client(folder / "home", served.api), check=True, capture_output=True)
        alone = 0.0
        for count in options.workers:
            root = folder / str(count)
            shutil.copytree(folder / "shared", root)
            workers = Workers(served, folder, count)
            time.sleep(15)  # until they ask for work
            taken = measured(served, file, root)
            again = measured(served, file, root)
            workers.stop()
            alone = alone or taken
            print(
                f"{count} workers, {options.trials} trials: {taken:.1f} s, {taken / alone:.2f} of the first line; "
                f"once more, all in the store: {again:.1f} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
                flush=True,
            )
        served.stop()


if __name__ == "__main__":
    main()
