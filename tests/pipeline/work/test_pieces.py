"""Pieces are used only as they were written, and a kill at any moment leaves one that counts."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.errors import DataError
from pipeline.work import pieces
from pipeline.work.pieces import Pieces
from pipeline.work.work import Work


def write(found: Pieces, name: str, text: str) -> None:
    with found.writing(name) as temporary:
        temporary.write_text(text)


def test_a_piece_is_known_again_by_another_process(tmp_path: Path) -> None:
    write(Pieces(tmp_path), "a.txt", "one")
    # BLAKE2b with 16 bytes of "one", by `b2sum -l 128`.
    assert Pieces(tmp_path).digest_of("a.txt") == "c88d4df74262143a08e9d190e3bd67f1"
    assert Pieces(tmp_path).digest_of("b.txt") is None


@pytest.mark.parametrize("content", [b"onf", b"on", b"", b"one "])
def test_a_damaged_piece_is_said_once_and_gone(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    found = Pieces(tmp_path)
    write(found, "a.txt", "one")
    (tmp_path / "a.txt").write_bytes(content)
    for _ in range(2):
        assert found.digest_of("a.txt") is None
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert str(tmp_path / "a.txt") in caplog.text
    assert not (tmp_path / "a.txt").exists()


def test_a_flip_with_the_time_put_back_is_found(tmp_path: Path) -> None:
    found = Pieces(tmp_path)
    write(found, "a.txt", "one")
    stat = (tmp_path / "a.txt").stat()
    (tmp_path / "a.txt").write_text("onf")
    os.utime(tmp_path / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert found.digest_of("a.txt") is None


def test_the_version_before_counts_where_a_kill_kept_the_next_from_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Pieces(tmp_path)
    write(found, "a.txt", "one")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _killed_at("a.txt"))
        for text in ("two", "three"):  # killed twice in that moment
            with pytest.raises(KeyboardInterrupt):
                write(Pieces(tmp_path), "a.txt", text)
    assert Pieces(tmp_path).digest_of("a.txt") is not None
    assert (tmp_path / "a.txt").read_text() == "one"


def _killed_at(name: str):
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == name and target.parent.name != pieces.FOLDER:
            raise KeyboardInterrupt
        return replace(self, target)

    return killed


def test_what_is_damaged_is_never_handed_over(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    config = load(environment={})
    work = Work(stage="seen", config=config, inputs={}, out=tmp_path, scratch=tmp_path / "scratch")
    write(work.pieces, "a.txt", "one")
    work.hand_over("a.txt")
    assert (tmp_path / "a.txt").read_text() == "one" and list(work.digests) == ["a.txt"]
    write(work.pieces, "b.txt", "one")
    (tmp_path / "scratch" / "b.txt").write_text("two")
    with pytest.raises(DataError, match=r"stage seen: b\.txt was damaged while it was at work"):
        work.hand_over("b.txt")
    assert not (tmp_path / "b.txt").exists()


def test_file_and_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    write(Pieces(tmp_path), "a.txt", "one")
    assert [name.split(".")[1] if name.startswith(".a") else name for name in synced] == [
        "a",  # the digest, then its folder
        pieces.FOLDER,
        "a",
        tmp_path.name,
    ]
