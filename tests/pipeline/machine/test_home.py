from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import ServiceError
from pipeline.machine import home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "password"
    before = os.umask(0)
    try:
        made = home.secret(path, "ezhoi:")
    finally:
        os.umask(before)
    assert made.startswith("ezhoi:") and len(made) == len("ezhoi:") + 32 and home.secret(path) == made
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [p.name for p in path.parent.iterdir()] == ["password"]
    tmp_path.chmod(0o755)
    assert home.secret(tmp_path / "other") != made and mode(tmp_path) == 0o755, "the folder is its user's business"


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o602, 0o660])
def test_a_secret_that_others_may_know_or_choose_is_refused(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "password"
    home.secret(path)
    path.chmod(wrong)
    with pytest.raises(ServiceError, match=r"others may know the secret in .*password.*0600.*ezhoi up"):
        home.secret(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    home.secret(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(ServiceError, match="others may know"):
        home.read_secret(path)


def test_no_secret_is_empty(tmp_path: Path) -> None:
    assert home.read_secret(tmp_path / "none") == ""


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    home.private_folder(folder)
    assert mode(folder) == 0o700


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EZHOI_HOME", raising=False)
    assert home.home() == home.ROOT / ".ezhoi" and (home.ROOT / "pyproject.toml").is_file()
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path))
    assert home.home() == tmp_path


def test_a_path_of_nobody_is_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pathlib's own `expanduser` raises; who opens the path then says that there is none."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert home.expanded("~/runs/a.yaml") == Path("/home/somebody/runs/a.yaml")
    assert home.expanded("~nobody-of-that-name/a.yaml") == Path("~nobody-of-that-name/a.yaml")
