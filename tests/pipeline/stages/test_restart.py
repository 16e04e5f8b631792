"""Killed with SIGKILL once in every stage, the run ends with the very artifacts of a run that was not."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import forked
import pytest
from safetensors import safe_open
from shared_demo import Copied

from pipeline.engine.graph import NAMES

SCRIPT = Path(__file__).parents[2] / "demo" / "small_demo.py"
KILLS = {
    "vocabulary": 0,
    "annotations": 3,
    "detections": 0,
    "descriptions": 0,
    "text_embeddings": 1,
    "image_embeddings": 3,
    "disparities": 0,
    "seen": 5,
    "pair_features": 3,
    "utpl": 5,
    "untrained": 2,
    "predictions": 2,
    "evaluation": 2,
    "bundle": 0,
}
SHARDED = ("annotations", "image_embeddings", "pair_features", "untrained")


HALF = ("data.world.train_images=24", "seen.batch_size=6")
"""Half the pictures to train with, in as many steps."""


def run(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run(SCRIPT, str(store), *arguments)


@pytest.mark.slow
def test_killed_in_every_stage_and_continued(tmp_path: Path) -> None:
    assert tuple(KILLS) == NAMES
    whole = run(tmp_path / "whole", *HALF)
    assert whole.returncode == 0, whole.stderr
    store = tmp_path / "killed"
    kept: dict[str, int] = {}
    for stage, call in KILLS.items():
        stopped = run(store, stage, str(call), *HALF)
        assert stopped.returncode == -signal.SIGKILL, stopped.stderr
        assert not list((store / stage).glob("*/manifest.json"))
        shards = list((store / ".work").glob("*/scratch/*.parquet"))
        if stage in SHARDED:
            assert shards
            kept |= {f"{stage}/{shard.name}": shard.stat().st_ino for shard in shards}
        if stage in ("seen", "utpl"):
            (checkpoint,) = (store / ".work").glob("*/scratch/training.safetensors")
            with safe_open(checkpoint, framework="pt") as file:
                assert file.metadata()["step"] == "3"
    last = run(store, *HALF)
    assert last.returncode == 0, last.stderr
    for name, inode in kept.items():
        stage, shard = name.split("/")
        (published,) = (store / stage).glob(f"*/{shard}")
        assert published.stat().st_ino == inode, f"{name} was computed again"
    digests = [{stage: entry["digest"] for stage, entry in json.loads(done.stdout).items()} for done in (whole, last)]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_training_continues_at_its_checkpoint(demo: Copied, tmp_path: Path) -> None:
    shutil.rmtree(demo(tmp_path) / "seen")
    assert run(tmp_path, "seen", "5").returncode == -signal.SIGKILL
    done = json.loads(run(tmp_path).stdout)
    assert done["seen"]["first"] == 4
    assert [stage for stage, entry in done.items() if not entry["hit"]] == ["seen"], "the weights are those of before"
