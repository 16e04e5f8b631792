"""Trainings in processes of their own: the same result, and every way to end is told."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import forked
import pytest
import torch
from shared_demo import Copied
from small_demo import small
from weights_apart import weights_apart

from pipeline.config.loading import load
from pipeline.config.training import SeenRuntime
from pipeline.engine import run
from pipeline.errors import EzhoiError
from pipeline.store.artifact import Artifact
from pipeline.training import launch
from pipeline.work import devices
from pipeline.work.machines import Rendezvous
from pipeline.work.work import Place, Work

FAKES = Path(__file__).parents[2] / "flows" / "fake_stages"
pytestmark = pytest.mark.slow


def fake_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A stage of the stand-ins, which in the new process take the stages' place."""
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    out, scratch = folder / "f" / "out", folder / "f" / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir(parents=True)
    return Work(stage="vocabulary", config=load(environment={}), inputs={}, out=out, scratch=scratch)


def training(work: Work) -> int | None:
    """The process that trains: it is started with the work's file as its last word."""
    spec = str(work.scratch / "work.json")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_text().rstrip("\0").split("\0")[-1] == spec:
                return int(path.parent.name)
    return None


def test_it_is_asked_for_by_the_configuration() -> None:
    assert not launch.wanted(SeenRuntime())
    assert launch.wanted(SeenRuntime(apart=True)) and launch.wanted(SeenRuntime(processes=2))
    assert launch.wanted(SeenRuntime(machines=2))


def test_gpus_that_are_held_are_the_ones_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: ("GPU-a", "GPU-b", "GPU-c"))
    assert launch._environment("cuda:0,cuda:2")["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-c"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in launch._environment("cpu")


def test_metrics_files_seconds_and_progress_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_SLEEP", "vocabulary:0.3")
    reports: list[tuple[str, int, int, str]] = []
    work = fake_work(tmp_path, monkeypatch)
    work = Work(**{**work.__dict__, "progress_to": lambda *report: reports.append(report)})
    assert launch.train_apart(work, processes=1) == {"rows": 1}
    assert (work.out / "main.parquet").exists() and work.clock.seconds["compute"] > 0
    assert reports == [("vocabulary", i, 3, "sleeping") for i in (1, 2, 3)]


def test_an_error_of_the_training_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_FAIL", "vocabulary")
    with pytest.raises(EzhoiError, match=r"^vocabulary\.csv row 7: no such class 'fly pig'; remove the row$"):
        launch.train_apart(fake_work(tmp_path, monkeypatch), processes=1)


def test_a_death_is_told_with_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_SLEEP", "vocabulary:60")
    killed: list[int] = []

    def kill(*report: object) -> None:
        if not killed:
            child = training(work)
            assert child is not None
            killed.append(child)
            os.kill(child, signal.SIGKILL)

    work = fake_work(tmp_path, monkeypatch)
    with pytest.raises(EzhoiError) as caught:
        launch.train_apart(Work(**{**work.__dict__, "progress_to": kill}), processes=1)
    text = str(caught.value)
    assert "stage vocabulary: the training was ended by SIGKILL. Run again" in text and "launch.log" in text


def test_it_ends_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_SLEEP", "vocabulary:60")
    work = fake_work(tmp_path, monkeypatch)
    code = (
        "from pathlib import Path; from pipeline.config.loading import load; from pipeline.work.work import Work\n"
        "from pipeline.training import launch\n"
        f"work = Work(stage='vocabulary', config=load(environment={{}}), inputs={{}}, out=Path({str(work.out)!r}),\n"
        f"            scratch=Path({str(work.scratch)!r}), progress_to=lambda *report: print(report, flush=True))\n"
        "launch.train_apart(work, processes=1)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline()
    child = training(work)
    assert child is not None
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()


@pytest.fixture(scope="module")
def alone(demo: Copied, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Artifact]:
    """A store, and what one process has trained in it, which stays as it is when the store has it trained again."""
    root = demo(tmp_path_factory.mktemp("store"))
    made = run.run(small(root), targets=("seen",))["seen"].artifact
    kept = shutil.copytree(made.place, tmp_path_factory.mktemp("kept") / made.fingerprint)
    return root, Artifact(kept, made.manifest)


@pytest.mark.parametrize(
    ("setting", "tolerance"), [("seen.runtime.accumulate=3", 1e-4), ("seen.runtime.loaders=0", 0.0)]
)
def test_the_same_batch_in_parts_trains_the_same(alone: tuple[Path, Artifact], setting: str, tolerance: float) -> None:
    """Eight steps at a global batch of 12; docs/training.md has what was measured, and tests/gpu/test_kit.py two processes."""
    root, whole = alone
    outcome = run.run(small(root, setting), targets=("seen",), force=("seen",))["seen"]
    assert not outcome.hit and outcome.artifact.fingerprint == whole.fingerprint
    apart = weights_apart(*(artifact.path("model.safetensors") for artifact in (whole, outcome.artifact)))
    assert apart <= tolerance and bool(apart) == bool(tolerance)
    losses = [torch.tensor(a.table("history.parquet")["loss"].to_numpy()) for a in (whole, outcome.artifact)]
    torch.testing.assert_close(*losses, rtol=max(tolerance, 1e-12), atol=0)
    metrics = outcome.artifact.manifest.metrics
    assert metrics["images_per_second"] > 0
    assert outcome.artifact.manifest.seconds.keys() >= {"data", "forward", "backward"}


def test_what_was_trained_by_hand_is_published(alone: tuple[Path, Artifact]) -> None:
    """The documented line, given after a run that was killed at step 5, trains to the end; the next run only publishes."""
    root, _ = alone
    setting = "seed=1"
    script = Path(__file__).parents[2] / "demo" / "small_demo.py"
    done = forked.run(script, str(root), "seen", "5", setting, "seen.runtime.apart=true")
    assert done.returncode == -signal.SIGKILL, done.stderr
    (spec,) = root.glob(".work/*/scratch/work.json")
    subprocess.run(launch.command(1, spec), check=True, capture_output=True)
    steps = []
    outcome = run.run(small(root, setting), targets=("seen",), progress=lambda *report: steps.append(report))["seen"]
    assert not outcome.hit and not [s for s in steps if s[0] == "seen"]
    assert len(outcome.artifact.table("history.parquet")) == 8


def test_one_process_alone_needs_no_launcher(tmp_path: Path) -> None:
    assert launch.command(1, tmp_path) == [sys.executable, "-m", "pipeline.training.launch", str(tmp_path)]


def test_any_free_port_will_do(tmp_path: Path) -> None:
    assert launch.command(2, tmp_path)[3:6] == ["--multi_gpu", "--main_process_port", "0"]


def test_machines_meet_at_the_first_one_by_the_network_that_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    second = Rendezvous(Place(1, 2), "127.0.0.1", 29_500)
    words = launch.command(4, tmp_path, second, patience=60)
    options = dict(zip(words[4:18:2], words[5:18:2], strict=True))
    assert words[3] == "--multi_gpu" and options == {
        "--machine_rank": "1",
        "--main_process_ip": "127.0.0.1",
        "--main_process_port": "29500",
        "--rdzv_conf": "timeout=60",
        "--num_processes": "8",
        "--config_file": str(launch.CONFIG),
        "--num_machines": "2",
    }
    assert launch._environment("cpu", second)["GLOO_SOCKET_IFNAME"] == "lo"
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "mine")
    assert launch._environment("cpu", second)["GLOO_SOCKET_IFNAME"] == "mine"
    assert launch._environment("cpu").get("GLOO_SOCKET_IFNAME") == "mine"
