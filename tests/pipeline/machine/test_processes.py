"""Which process is which, and where its id means anything."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pipeline.machine import processes


def test_this_process_lives_and_another_of_its_id_does_not() -> None:
    mine = processes.current()
    assert mine.pid == os.getpid() and mine.alive()
    assert not processes.Process(mine.pid, "another start", mine.boot).alive()


def test_a_machine_is_its_host_its_boot_and_its_process_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.machine() == socket.gethostname(), "a system that tells nothing more"
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").symlink_to("pid:[5]")
    (tmp_path / "sys" / "kernel" / "random").mkdir(parents=True)
    (tmp_path / "sys" / "kernel" / "random" / "boot_id").write_text("b7\n")
    assert processes.machine() == f"{socket.gethostname()} b7 pid:[5]"
