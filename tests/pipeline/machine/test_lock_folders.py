"""The locks' folders: all users share one, and whatever a hostile one made of it costs a warning at most."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import EzhoiError
from pipeline.machine import lock_folders, turns

ROOT = os.geteuid() == 0


@pytest.fixture(autouse=True)
def forget() -> None:
    lock_folders.shared.cache_clear()


def test_the_shared_folder_is_everybodys_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = lock_folders.shared(tmp_path / "locks")
        held = turns.take(folder, {"a": "GPU-a"})
        assert held is not None
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((folder / "GPU-a.lock").stat().st_mode) == 0o644
    held.release()


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that all users may enter; those of pytest are the user's alone, and may be in one that is too."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not ROOT, reason="needs root, to become another user")
def test_users_see_each_others_locks(everybodys: Path) -> None:
    """The other user's file is there already, in a sticky folder: Linux refuses O_CREAT on it."""
    folder = lock_folders.shared(everybodys / "locks")

    def other_user() -> str:
        """A child of this process that is `nobody`; whether it could hold the GPU."""
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.setuid(65534)
            try:
                answer = "held" if turns.take(folder, {"a": "GPU-a"}, wait=False) else "busy"
            except BaseException as error:
                answer = repr(error)
            os.write(write, answer.encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with os.fdopen(read) as answers:
            return answers.read()

    assert other_user() == "held"  # and leaves its file
    assert (folder / "GPU-a.lock").stat().st_uid == 65534
    held = turns.take(folder, {"a": "GPU-a"}, wait=False)
    assert held is not None
    assert other_user() == "busy"
    held.release()


@pytest.mark.parametrize("kind", ["link", "file", "not sticky"])
def test_a_shared_folder_that_somebody_made_otherwise_is_not_used(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = tmp_path / "locks"
    if kind == "link":
        place.symlink_to(tmp_path)
    elif kind == "file":
        place.write_text("")
    else:
        place.mkdir()
        monkeypatch.setattr(Path, "chmod", lambda self, mode: None)  # as for a folder of another user
    assert lock_folders.shared(place) == lock_folders.shared(place) == tmp_path / "ezhoi"
    assert caplog.text.count("cannot be used") == 1


def test_the_own_folder_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "ezhoi").mkdir(mode=0o755)
    assert stat.S_IMODE(lock_folders.own().stat().st_mode) == 0o700
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lock_folders.own() == tmp_path / ".ezhoi" / "locks"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "run")
    assert lock_folders.own() == tmp_path / ".ezhoi" / "locks", "it would be another one for each working directory"


@pytest.mark.parametrize("made", ["link", "file", "other's"])
def test_an_own_folder_that_is_not_ones_own_is_one_message(
    tmp_path: Path, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if made == "link":
        (tmp_path / "ezhoi").symlink_to(tmp_path)
    elif made == "file":
        (tmp_path / "ezhoi").write_text("")
    else:
        (tmp_path / "ezhoi").mkdir()
        monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(EzhoiError, match="Set XDG_RUNTIME_DIR to a folder of yours"):
        lock_folders.own()


def test_a_pipe_in_place_of_a_lock_does_not_stop_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "GPU-a.lock")
    with pytest.raises(OSError, match="no plain file"):
        lock_folders.open_file(tmp_path / "GPU-a.lock")
