"""A training that nobody launched as one of several runs alone, whatever ranks the environment holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import forked
import pytest

from pipeline.errors import EzhoiError
from pipeline.training import launch, ranks

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "left",
    [
        {"WORLD_SIZE": "2"},
        {"LOCAL_RANK": "0"},
        {"PMI_SIZE": "2", "PMI_RANK": "0"},
        {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
        {"MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "29500", "RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "3"},
        {"ACCELERATE_USE_DEEPSPEED": "true", "LOCAL_RANK": "0"},
    ],
)
def test_ranks_that_a_job_system_left_do_not_count(left: dict[str, str], tmp_path: Path) -> None:
    """In a process of its own: accelerate keeps what it found for as long as a process lives."""
    script = tmp_path / "alone.py"
    script.write_text(
        "import logging, os; from pipeline.training import ranks; logging.basicConfig(level=20)\n"
        "found = ranks.accelerator(cpu=True)\n"
        f"kept = all(os.environ[name] == value for name, value in {left!r}.items())\n"
        "print(found.num_processes, found.process_index, found.is_main_process, kept)"
    )
    done = forked.run(script, env=os.environ | left)
    assert done.stdout.split() == ["1", "0", "True", "True"], done.stderr
    assert f"{', '.join(sorted(left))}: of another program" in done.stderr


def test_processes_that_are_launched_get_their_ranks_from_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("PMIXER", "stays")
    found = launch._environment("cpu")
    assert not {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "MASTER_ADDR"} & set(found)
    assert found["PMIXER"] == "stays" and "PATH" in found


def test_a_user_s_own_configuration_of_accelerate_does_not_count(tmp_path: Path) -> None:
    """Were the file read, accelerate would give the two processes one GPU, number 7, or refuse to."""
    own = tmp_path / "accelerate" / "default_config.yaml"
    own.parent.mkdir()
    own.write_text("compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_processes: 1\ngpu_ids: '7'\n")
    (tmp_path / "script.py").write_text(
        "import os, pathlib\n"
        "seen = pathlib.Path(__file__).with_name('gpus-of-' + os.environ['RANK'])\n"
        "seen.write_text(os.environ.get('CUDA_VISIBLE_DEVICES', 'all'))\n"
    )
    line = launch.command(2, tmp_path)
    line = [*line[: line.index("-m", 3)], str(tmp_path / "script.py")]
    environment = ranks.without(os.environ) | {"HF_HOME": str(tmp_path), "ACCELERATE_USE_CPU": "1"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert [path.read_text() for path in tmp_path.glob("gpus-of-*")] == ["all", "all"], done.stderr


def test_machines_that_would_train_something_else_do_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others say comes from accelerate; here the second of them has other code."""
    other = {"machine": "second", "fingerprint": "f00", "code": "c1"}
    monkeypatch.setattr("accelerate.utils.gather_object", lambda said: [*said, other])
    ranks.demand_the_same("seen", fingerprint="f00", code="c1")
    with pytest.raises(EzhoiError, match=r"and second cannot train together, their code differ: give the same command"):
        ranks.demand_the_same("seen", fingerprint="f00", code="c0")
    with pytest.raises(EzhoiError, match=r"their fingerprint and code differ"):
        ranks.demand_the_same("seen", fingerprint="f01", code="c0")
