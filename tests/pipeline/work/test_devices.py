from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import EzhoiError
from pipeline.machine import turns
from pipeline.machine.holder import Claimant
from pipeline.work import devices

PATIENCE = 60
"""After so many seconds of a test nobody waits any more."""
TWO = ("GPU-a", "GPU-b")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as somebody found what it wants held, drew a ticket and waits; an error for who does so without end."""
    found, end = threading.Event(), time.monotonic() + PATIENCE

    def sleep(seconds: float) -> None:
        found.set()
        assert time.monotonic() < end, "nobody gives what is waited for"
        time.sleep(0.01)

    monkeypatch.setattr(turns, "time", SimpleNamespace(sleep=sleep, monotonic_ns=time.monotonic_ns))
    return found


def test_without_a_gpu_nothing_is_held(tmp_path: Path) -> None:
    for configured in ("auto", "cpu"):
        with devices.hold(configured, found=(), folder=tmp_path) as device:
            assert device == configured
    with devices.hold("cpu", found=TWO, folder=tmp_path) as device:
        assert device == "cpu" and not any(devices.taken(found=TWO, folder=tmp_path).values())


def test_two_stages_take_two_gpus_and_a_third_waits(tmp_path: Path, waits: threading.Event) -> None:
    third: list[str] = []

    def wait() -> None:
        with devices.hold("auto", found=TWO, folder=tmp_path) as device:
            third.append(device)

    with devices.hold("auto", found=TWO, folder=tmp_path) as first:
        with devices.hold("auto", found=TWO, folder=tmp_path) as second:
            assert (first, second) == ("cuda:0", "cuda:1")
            assert devices.taken(found=TWO, folder=tmp_path) == {"cuda:0": True, "cuda:1": True}
            thread = threading.Thread(target=wait)
            thread.start()
            assert waits.wait(20) and not third
        thread.join(20)
    assert third == ["cuda:1"]


def test_the_one_that_is_asked_for(tmp_path: Path) -> None:
    with devices.hold("cuda:1", found=TWO, folder=tmp_path) as device:
        assert device == "cuda:1" and devices.taken(found=TWO, folder=tmp_path)["cuda:0"] is False
    with (
        pytest.raises(EzhoiError, match="cuda:7: this machine has cuda:0, cuda:1"),
        devices.hold("cuda:7", found=TWO, folder=tmp_path),
    ):
        pass


def test_several_are_taken_together_or_not_at_all(tmp_path: Path, waits: threading.Event) -> None:
    both: list[str] = []

    def wait() -> None:
        with devices.hold("auto", count=2, found=TWO, folder=tmp_path) as device:
            both.append(device)

    with devices.hold("cuda:1", found=TWO, folder=tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        assert waits.wait(20) and not both
        with devices.hold("cuda:0", found=TWO, folder=tmp_path) as other:
            assert other == "cuda:0", "the one that waits for two holds one"
    thread.join(20)
    assert both == ["cuda:0,cuda:1"]
    with (
        pytest.raises(EzhoiError, match="3 processes want a GPU each; there are cuda:0, cuda:1"),
        devices.hold("auto", count=3, found=TWO, folder=tmp_path),
    ):
        pass


def test_a_killed_holder_leaves_the_gpu_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pipeline.work import devices\n"
        f"with devices.hold('auto', found=('GPU-a',), folder=Path({str(tmp_path)!r})): print(1, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    assert devices.taken(found=("GPU-a",), folder=tmp_path) == {"cuda:0": True}
    child.kill()
    child.wait()
    assert devices.taken(found=("GPU-a",), folder=tmp_path) == {"cuda:0": False}


def test_visible_devices_count_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_installed", lambda: ("GPU-a", "GPU-b", "GPU-c"))
    for visible, expected in (("2,0", ("GPU-c", "GPU-a")), ("", ()), ("GPU-b", ("GPU-b",)), ("-1", ())):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        devices.gpus.cache_clear()
        assert devices.gpus() == expected
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    devices.gpus.cache_clear()
    assert devices.gpus() == ("GPU-a", "GPU-b", "GPU-c")
    devices.gpus.cache_clear()


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("GPU-8932", ("GPU-8932f937-d72c",)),
        ("1,GPU-8932f937-d72c", ("GPU-77aa0000-1111", "GPU-8932f937-d72c")),
        ("GPU-77", ("GPU-77aa0000-1111",)),
        ("MIG-5", ("MIG-5",)),
        ("1,-1,0", ("GPU-77aa0000-1111",)),
        ("1,7,0", ("GPU-77aa0000-1111",)),
        ("-2", ()),
    ],
)
def test_a_gpu_has_one_lock_by_whatever_name_it_is_visible(
    visible: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA takes the beginning of an identifier, and nothing after a name that it does not know."""
    monkeypatch.setattr(devices, "_installed", lambda: ("GPU-8932f937-d72c", "GPU-77aa0000-1111"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices.gpus.cache_clear()
    assert devices.gpus() == expected
    devices.gpus.cache_clear()


@pytest.mark.parametrize("call", ["devices.gpus()", "torch_device.named('cpu')"])
@pytest.mark.parametrize("before", [None, "FASTEST_FIRST"])
def test_a_gpu_is_numbered_as_its_lock_before_torch_starts_cuda(call: str, before: str | None) -> None:
    """Where GPUs differ CUDA would begin with the fastest, and `nvidia-smi` with the first of the bus."""
    code = f"""
import os
from unittest import mock
import torch
from pipeline.work import devices, torch_device
order = lambda *given: found.append(os.environ.get("CUDA_DEVICE_ORDER"))
found = []
with mock.patch.object(torch.cuda, "is_available", order), mock.patch.object(devices, "_installed", lambda: order() or ()):
    {call}
print(found)
"""
    environment = os.environ | {"CUDA_DEVICE_ORDER": before or ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["['PCI_BUS_ID']"]
    assert done.stderr.count("CUDA_DEVICE_ORDER='FASTEST_FIRST' is not taken") == (before is not None)


def test_a_language_models_server_is_asked_by_one_stage_at_a_time(tmp_path: Path, waits: threading.Event) -> None:
    order: list[str] = []

    def second() -> None:
        with devices.alone("http://127.0.0.1:8000/v1", folder=tmp_path):
            order.append("second")

    with devices.alone("http://127.0.0.1:8000/v1", folder=tmp_path), devices.alone("http://other", folder=tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(20)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    with devices.alone(None, folder=tmp_path):
        assert len(list(tmp_path.iterdir())) == 2, "a lock for each server"


def test_a_password_in_an_address_is_no_file_name_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, waits: threading.Event
) -> None:
    caplog.set_level("INFO")
    address = "http://me:secret@host/v1"
    said: list[str] = []
    mine = Claimant(tell=said.append)
    with devices.alone(address, folder=tmp_path):
        second = devices.alone(address, folder=tmp_path, claimant=mine)
        thread = threading.Thread(target=second.__enter__, daemon=True)
        thread.start()
        assert waits.wait(20)
        names = [path.name for path in tmp_path.iterdir()]
        contents = "".join(path.read_text() for path in tmp_path.iterdir())
    assert len(names) == 3, "the lock, its holder's note and a ticket"
    assert "secret" not in "".join(names) + contents + caplog.text + "".join(said)
    assert said[0].startswith("waits for the language model's server, which process ")


def test_a_stage_takes_as_many_as_are_free(tmp_path: Path) -> None:
    three = (*TWO, "GPU-c")
    with devices.hold("cuda:1", found=three, folder=tmp_path):
        with devices.hold("auto", most=3, found=three, folder=tmp_path) as device:
            assert device == "cuda:0,cuda:2"
            with devices.hold_if_free("auto", found=three, folder=tmp_path) as none:
                assert none is None
        with devices.hold_if_free("auto", found=three, folder=tmp_path) as device:
            assert device == "cuda:0"


def test_where_no_lock_can_be_had_a_warning_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        with devices.hold("auto", found=TWO, folder=tmp_path / "file") as device:
            assert device == "auto"
    assert devices.taken(found=TWO, folder=tmp_path / "file") == {"cuda:0": False, "cuda:1": False}
    assert "no lock can be had" in caplog.text


@pytest.mark.parametrize(
    ("name", "settings", "computes"),
    [
        ("annotations", [], False),
        ("detections", [], False),
        ("detections", ["detections.source=detr"], True),
        ("descriptions", [], False),
        ("text_embeddings", [], True),
        ("image_embeddings", [], True),
        ("disparities", [], True),
        ("seen", [], True),
        ("pair_features", [], True),
        ("utpl", [], True),
        ("evaluation", [], False),
    ],
)
def test_which_stages_hold_a_gpu(name: str, settings: list[str], computes: bool) -> None:
    from pipeline.config.loading import load
    from pipeline.engine import graph

    assert graph.stage(name).computes(load(overrides=settings, environment={})) is computes


def test_which_stages_ask_a_server() -> None:
    from pipeline.config.loading import load
    from pipeline.engine import graph

    asked = load(overrides=["descriptions.source=llm", "llm.runtime.base_url=http://x/v1"], environment={})
    assert graph.stage("descriptions").server(asked) == "http://x/v1"
    assert graph.stage("disparities").server(asked) is None and graph.stage("seen").server(asked) is None
