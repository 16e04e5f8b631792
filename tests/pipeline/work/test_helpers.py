"""Helper processes: one that fails or dies is named while the rest goes on, and none outlives the stage."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.errors import DataError
from pipeline.work import helpers
from pipeline.work.work import Work


def work_in(folder: Path, workers: int = 3, **more: Any) -> Work:
    (folder / "scratch").mkdir(exist_ok=True)
    config = load(overrides=[f"images.runtime.workers={workers}"], environment={})
    return Work(stage="image_embeddings", config=config, inputs={}, out=folder, scratch=folder / "scratch", **more)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Helpers are forks of this process, so that they have its stand-in for the stage; signals end them as usual."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind: _FORK)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


_FORK = multiprocessing.get_context("fork")


def stage(monkeypatch: pytest.MonkeyPatch, compute: Callable[[Work], int]) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.stages.image_embeddings", SimpleNamespace(compute=compute))


def fails(work: Work) -> int:
    raise DataError("weights.pt: no such file")


def breaks(work: Work) -> int:
    raise RuntimeError("CUDA out of memory")


def exits(work: Work) -> int:
    os._exit(7)


def killed(work: Work) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (fails, "exit code 1: weights.pt: no such file"),
        (breaks, "exit code 1: RuntimeError: CUDA out of memory"),
        (exits, "exit code 7"),
        (killed, "ended by SIGKILL"),
    ],
)
def test_a_helper_that_is_gone_is_said_at_once(
    forked: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    compute: Callable[[Work], int],
    reason: str,
) -> None:
    stage(monkeypatch, compute)

    def here(work: Work) -> int:
        deadline = time.monotonic() + 20
        while caplog.text.count(reason) < 2:  # both are said while this process is still at work
            assert time.monotonic() < deadline, caplog.text
            time.sleep(0.01)
        return 5

    assert helpers._together(work_in(tmp_path), here) == 5
    for index in (1, 2):
        assert f"stage image_embeddings: helper process {index} of 2 is gone ({reason})" in caplog.text


def test_helpers_that_do_their_share_are_counted(
    forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage(monkeypatch, lambda work: 2)
    assert helpers._together(work_in(tmp_path), lambda work: 1) == 5
    assert not caplog.records and not list((tmp_path / "scratch").iterdir())


def test_held_gpus_are_dealt_out(forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_device(work: Work) -> int:
        (tmp_path / work.config.device).touch()
        return 1

    stage(monkeypatch, write_device)
    helpers._together(work_in(tmp_path, 4, gpus=("cuda:0", "cuda:2", "cuda:3")), lambda work: 1)
    assert sorted(path.name for path in tmp_path.glob("cuda*")) == ["cuda:0", "cuda:2", "cuda:3"]


def test_helpers_end_when_the_stage_fails(
    forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage(monkeypatch, lambda work: threading.Event().wait(60) or 0)

    def here(work: Work) -> int:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        helpers._together(work_in(tmp_path), here)
    assert time.monotonic() - start < 30
    assert not multiprocessing.active_children() and not caplog.records


KILLED = """
import multiprocessing, os, signal, threading
from pipeline.work import helpers

def helper():
    threading.Thread(target=helpers._end_with_the_stage, daemon=True).start()
    signal.pause()

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=helper).start()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_helper_process_ends_when_the_one_that_started_it_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    # The helper has its parent's output, which ends only when no process is left that could write to it.
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from pipeline.config.loading import load
from pipeline.work import helpers
from pipeline.work.work import Work

def interrupted(work):
    os.kill(os.getpid(), signal.SIGINT)
    return 2

sys.modules["pipeline.stages.image_embeddings"] = SimpleNamespace(compute=interrupted)
if __name__ == "__main__":
    config = load(overrides=["images.runtime.workers=3"], environment={})
    scratch = Path(sys.argv[1])
    work = Work(stage="image_embeddings", config=config, inputs={}, out=scratch, scratch=scratch)
    print(helpers._together(work, lambda work: 1))
"""


def test_ctrl_c_is_for_the_process_that_started_the_helpers(tmp_path: Path) -> None:
    """A terminal sends it to all of them: a helper that took it would show its traceback, and be said to be gone."""
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, str(script), str(tmp_path / "scratch")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("5\n", "")
