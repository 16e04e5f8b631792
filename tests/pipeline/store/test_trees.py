"""A store that may not be listed is not an empty one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StoreError
from pipeline.store.store import Store


@pytest.mark.parametrize("closed", [".", "seen"])
def test_a_folder_that_may_not_be_listed_is_named(closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rights of files do not stop root, as whom tests may run: the system's answer is put in its place."""
    (tmp_path / "seen").mkdir()
    (tmp_path / "lost+found").mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) in (tmp_path / closed, tmp_path / "lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StoreError, match=f"the store cannot be listed: {tmp_path / closed}: no permission"):
        Store(tmp_path).artifacts()


def test_a_store_that_nobody_made_yet_is_empty(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").artifacts() == []


@pytest.mark.parametrize("kind", ["no folder", "a link to nothing"])
@pytest.mark.parametrize("where", ["store", ".runs"])
def test_what_is_no_folder_is_no_empty_store(where: str, kind: str, tmp_path: Path) -> None:
    """If the records were taken for absent, `gc` would remove what all runs use."""
    place = tmp_path / "store" if where == "store" else tmp_path / "store" / where
    place.parent.mkdir(exist_ok=True)
    if kind == "no folder":
        place.write_text("")
    else:
        place.symlink_to(tmp_path / "unmounted")
    store = Store(tmp_path / "store")
    for read in (store.artifacts, store.read_records) if where == "store" else (store.read_records,):
        with pytest.raises(StoreError, match=f"the store cannot be listed: {place} is {kind}"):
            read()


def test_a_store_behind_a_link_is_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    assert Store(tmp_path / "store").artifacts() == [] and Store(tmp_path / "store").read_records() == {}
