"""Folders in which files vanish, that nobody may look into, with pipes and circles: the rest is found, and that is told."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import own_samples
import pytest

from pipeline.datasets import check as checks
from pipeline.datasets.hico import folder as hico
from pipeline.datasets.own import annotated
from pipeline.datasets.own import folder as own
from pipeline.datasets.own.pictures import Pictures
from pipeline.errors import DataError
from pipeline.outside import walking
from pipeline.store import digest

JSON = "instances_train2015.json"


def entries(root: Path, *, twice: bool = False) -> tuple[list[str], dict[str, str]]:
    passed: dict[str, str] = {}
    found = [
        str((here / name).relative_to(root))
        for here, _, names in walking.walk(root, passed, twice=twice)
        for name in names
    ]
    return found, {str(Path(path).relative_to(root)): why for path, why in passed.items()}


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of entries that are gone again as soon as their folder was listed."""
    gone: set[str] = set()
    walk = os.walk

    def listed(top: Any, **named: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for here, folders, names in walk(top, **named):
            for name in gone.intersection(folders):
                (Path(here) / name).rmdir()
            for name in gone.intersection(names):
                (Path(here) / name).unlink()
            yield here, folders, names

    monkeypatch.setattr(os, "walk", listed)
    return gone


def closed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make folders of these names unreadable, for root too."""
    scan = os.scandir

    def refusing(path: Any = ".") -> Any:
        if Path(os.fsdecode(path)).name in names:
            raise PermissionError(13, "Permission denied", os.fsdecode(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_what_is_hidden_is_left_out_and_no_circle_is_followed(tmp_path: Path) -> None:
    for name in ("b/c/1", "a/2", ".hidden/3", "__MACOSX/4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / ".5").touch()
    (tmp_path / "b" / "c" / "up").symlink_to(tmp_path)
    (tmp_path / "also").symlink_to(tmp_path / "b")
    assert entries(tmp_path) == (["a/2", "b/c/1"], {})
    assert entries(tmp_path, twice=True) == (["a/2", "b/c/1", "also/c/1"], {})


def test_a_folder_that_vanishes_or_is_closed_is_told(
    tmp_path: Path, vanishing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "gone", "closed", "z"):
        (tmp_path / name).mkdir()
    (tmp_path / "z" / "1").touch()
    vanishing.add("gone")
    closed(monkeypatch, "closed")
    passed = {"gone": "No such file or directory", "closed": "Permission denied"}
    assert entries(tmp_path) == (["z/1"], passed)


def test_what_is_no_file_is_told_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkey = os.path.relpath(tmp_path / "socket")
        listening.bind(min(monkey, str(tmp_path / "socket"), key=len))
    (tmp_path / "zero").symlink_to("/dev/zero")
    passed: dict[str, str] = {}
    there = dict(walking.files([*sorted(tmp_path.iterdir()), tmp_path / "gone"], passed))
    assert {path.name: size for path, size in there.items()} == {"file": 2, "link": 2}
    assert {Path(path).name: why for path, why in passed.items()} == {
        "folder": "it is a folder",
        "pipe": "it is a pipe",
        "socket": "it is a socket",
        "zero": "it is a device",
        "gone": "No such file or directory",
    }
    assert walking.skipped_line({}) == ""
    assert walking.skipped_line({f"/{i}": "it is a pipe" for i in range(7)}).endswith("/4 (it is a pipe); ...")


def test_a_data_folder_is_searched_in_spite_of_it(
    tmp_path: Path, vanishing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train2015", "test2015", "passing", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "train2015" / "1.jpg").touch()
    (tmp_path / "data" / JSON).write_text("[]", encoding="utf-8")
    (tmp_path / "instances_test2015.json").touch()
    os.mkfifo(tmp_path / "anno_bbox.mat")
    vanishing |= {"passing", "instances_test2015.json"}
    closed(monkeypatch, "test2015")
    found = hico.look(tmp_path)
    assert found.annotations == (tmp_path / "data" / JSON,)
    assert found.images == {"train": "train2015"}
    assert {Path(path).name for path in found.passed} == {
        "passing",
        "instances_test2015.json",
        "anno_bbox.mat",
        "test2015",
    }
    assert hico.fingerprint(tmp_path)
    report = checks.check(tmp_path)
    assert "anno_bbox.mat (it is a pipe)" in "".join(finding.what for finding in report.findings)


def test_pictures_of_ones_own_are_found_in_spite_of_it(tmp_path: Path, vanishing: set[str]) -> None:
    (tmp_path / "passing").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "3.jpg")
    vanishing |= {"passing", "2.jpg"}
    found = Pictures.under(tmp_path)
    assert found.files == {"1.jpg": 1}
    assert {Path(path).name for path in found.passed} == {"passing", "2.jpg", "3.jpg"}
    vanishing.clear()
    os.mkfifo(tmp_path / "own.xml")
    before = own.fingerprint(tmp_path)
    (tmp_path / "vocabulary.yaml").write_text("a: b", encoding="utf-8")
    assert own.fingerprint(tmp_path) != before


def test_a_folder_that_can_be_listed_and_not_entered_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mode r--: its names are known, and nothing else is; for root too, who may enter every folder."""
    for name in ("open/1.jpg", "shut/2.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")

    def refusing(look: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def looked(path: Any, **named: Any) -> os.stat_result:
            if not isinstance(path, int) and Path(os.fsdecode(path)).parent.name == "shut":
                raise PermissionError(13, "Permission denied", os.fsdecode(path))
            return look(path, **named)

        return looked

    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    found = Pictures.under(tmp_path)
    assert found.files == {"open/1.jpg": 1}
    assert {Path(path).name: why for path, why in found.passed.items()} == {"2.jpg": "Permission denied"}


@pytest.mark.parametrize("look", [checks.check, annotated.read])
def test_what_is_neither_a_file_nor_a_folder_is_named(tmp_path: Path, look: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "own.json")
    with pytest.raises(DataError, match=r"own\.json: is a pipe; save what it has as a file, and name that"):
        look(tmp_path / "own.json")
    with pytest.raises(DataError, match="/dev/null: is a device"):
        look(Path("/dev/null"))


def test_a_file_of_labelme_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It may have been one of the pictures' annotations: leaving it out in silence would lose those."""
    shutil.copytree(own_samples.DATA / "labelme/good", tmp_path, dirs_exist_ok=True)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "cut.json").write_text('{"shapes": [', encoding="utf-8")
    (tmp_path / "deeper" / "other.json").write_text('{"name": "a package"}', encoding="utf-8")
    found = annotated.read(tmp_path, vocabulary=own_samples.WORDS)
    (fault,) = found.problems.of("E")
    assert fault.where == "deeper/cut.json" and fault.what.startswith("not valid JSON")
    assert len(found.rows.relations)


def linked(root: Path, ways: int) -> Path:
    """A folder with a file, to which so many ways lead, its own name among them."""
    (root / "real").mkdir(parents=True)
    (root / "real" / "a.jpg").write_bytes(b"x")
    for i in range(ways - 1):
        (root / f"way{i}").symlink_to("real")
    return root


def test_each_class_of_a_data_set_may_lead_to_one_folder(tmp_path: Path) -> None:
    """HICO-DET has 117 verbs and 600 classes."""
    root = linked(tmp_path / "root", 600)
    assert len(Pictures.under(root).files) == len(entries(root, twice=True)[0]) == 600 and digest.of_path(root)


def test_links_that_lead_to_folders_again_and_again_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below /sys the ways from folder to folder are more than can be walked."""
    monkeypatch.setattr(walking, "MOST_AGAIN", 9)
    few, many = linked(tmp_path / "few", 10), linked(tmp_path / "many", 11)
    assert len(entries(few, twice=True)[0]) == 10 and len(entries(many)[0]) == 1
    assert digest.of_path(few) != digest.of_path(tmp_path / "few" / "real")
    for walk in (lambda: entries(many, twice=True), lambda: digest.of_path(many), lambda: Pictures.under(many)):
        with pytest.raises(DataError, match=r"many: links in it lead again to folders .* more than 9 times, as "):
            walk()


def test_a_long_walk_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    entries(tmp_path)
    assert not caplog.messages
    monkeypatch.setattr(walking, "EVERY", -1.0)
    entries(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}: {count} folders so far; now in {tmp_path / name}" for count, name in ((1, "a"), (2, "a/b"))
    ]
