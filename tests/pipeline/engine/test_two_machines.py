"""Two machines with a network, a disk and a clock of their own make one model, and each of them may die.

The machines are network namespaces of this one; all that they share is an S3 server. Needs root and libfaketime.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networks
import pytest
from small_demo import small
from weights_apart import weights_apart

from pipeline.engine import run

pytestmark = pytest.mark.slow
DEMO = Path(__file__).parents[2] / "demo"
CLOCKS = [
    Path("/usr/lib") / folder / "faketime/libfaketime.so.1" for folder in ("x86_64-linux-gnu", "aarch64-linux-gnu")
]
HOUR = 3600.0


@pytest.fixture(scope="module")
def two(gate: Any) -> Iterator[networks.Network]:
    if why := networks.missing():
        pytest.skip(why)
    if not any(path.exists() for path in CLOCKS):
        pytest.skip("needs libfaketime, for a clock that is an hour fast (package faketime)")
    gate.closed = False
    with networks.network(2, gate) as made:
        yield made


class Machines:
    """Starts machine 0 and 1, each with a disk of its own; the clock of 1 is an hour fast."""

    def __init__(self, network: networks.Network, folder: Path, *settings: str) -> None:
        self.network, self.folder, self.settings = network, folder, settings
        self.url = f"s3://bucket/{uuid.uuid4().hex[:8]}"
        self.started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.started:
            process.kill()
            process.communicate()

    def start(
        self, machine: int, target: str, *words: str, disk: str = "", **environment: str
    ) -> subprocess.Popen[str]:
        cache = self.folder / (disk or f"disk-{machine}")
        line = [sys.executable, str(DEMO / "one_machine.py"), self.url, str(cache), target, *words, *self.settings]
        line += [f"seen.runtime.machine={machine}"] if "seen.runtime.machines=2" in self.settings else []
        clock = (
            {}
            if machine == 0
            else {
                "LD_PRELOAD": str(next(path for path in CLOCKS if path.exists())),
                "FAKETIME": "+1h",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # time that passes is right; the hour of the day is not
            }
        )
        store = {"AWS_ENDPOINT_URL": self.network.store, "NO_PROXY": "*", "PYTHONPATH": str(DEMO / "site")}
        environment = {**os.environ, **store, **clock, **environment}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
        self.started.append(self.network.start(machine, line, **pipes))
        return self.started[-1]


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a machine that came to its end had."""
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(out)
    return found


def until(file: Path, *processes: subprocess.Popen[str]) -> None:
    """Wait for a file that one of the processes makes."""
    while not file.exists():
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_two_machines_make_one_model_whichever_dies(two: networks.Network, tmp_path: Path) -> None:
    """Of six shards machine 0 makes one and waits; machine 1 makes two and dies; machine 0 makes the three that are left.

    Then both train. Machine 0 dies at step 5, with which machine 1 fails; a new machine 0 with an empty disk takes its place,
    and both go on from the checkpoint of step 3.
    """
    stage, began, died, stopped = "image_embeddings", tmp_path / "began", tmp_path / "died", tmp_path / "stopped"
    meeting = f"seen.runtime.rendezvous={two.address(0)}:29500"
    with Machines(two, tmp_path, "seen.runtime.machines=2", meeting, "seen.runtime.patience_s=600") as machines:
        orders = ["--at", stage, "1", "make", str(began), "--at", stage, "1", "wait", str(died), "--report", stage]
        first = machines.start(0, "seen", *orders, EZHOI_STOP_AT=f"5:{stopped}")
        until(began, first)
        second = machines.start(1, "seen", "--at", stage, "2", "die", "-")
        _, said = second.communicate(timeout=300)
        assert second.returncode == -signal.SIGKILL, said
        died.touch()

        second = machines.start(1, "seen")
        until(stopped, first, second)
        first.kill()
        reported, _ = first.communicate()
        _, said = second.communicate(timeout=300)
        assert second.returncode == 1 and "on machine 1 of 2" in said and "Run again" in said

        new, second = machines.start(0, "seen", "--ttl", "3", disk="disk-new"), machines.start(1, "seen")
        here, there = ended(new), ended(second)
    assert [int(word) for word in reported.split()] == [12, 48, 60, 72], "two shards were those of machine 1"
    assert here["reports"] == [4, 5, 6, 7, 8], "it went on from the checkpoint that machine 0 left in the store"
    assert here["digest"] == there["digest"] and not here["hit"] and not there["hit"]
    work = [name for name in there["left"] if name.startswith(there["fingerprint"])]
    assert there["reports"] == [] and work == [], "only machine 0 has a scratch folder"
    assert HOUR / 2 < there["now"] - time.time() < 2 * HOUR
    alone = run.run(small(tmp_path / "alone"), targets=("seen",))["seen"].artifact
    assert weights_apart(alone.path("model.safetensors"), Path(here["files"]["model.safetensors"])) <= 1e-4
