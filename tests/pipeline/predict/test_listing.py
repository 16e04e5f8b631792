"""Which pictures are meant: files, folders, patterns; what leads nowhere is said."""

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.outside import walking
from pipeline.predict import listing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "sub/c.jpeg", "sub/notes.txt", ".hidden/d.jpg", ".e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(*given: str) -> list[str]:
    return [picture.name for picture in listing.pictures(given)]


def test_a_folder_a_pattern_and_a_file_each_once(folder: Path) -> None:
    assert names(str(folder)) == ["a.PNG", "b.jpg", "sub/c.jpeg"]
    assert names(f"{folder}/*.jpg", str(folder / "b.jpg"), str(folder)) == ["b.jpg", "a.PNG", "sub/c.jpeg"]
    assert names(str(folder / "sub" / "notes.txt")) == ["notes.txt"], "who names a file means it"
    assert names(str(folder / "sub")) == ["c.jpeg"], "a name begins where the pictures' folders part"


def test_a_long_search_says_how_far_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(walking, "EVERY", -1.0)
    listing.pictures([str(folder)])
    assert caplog.messages[-1] == f"{folder}: 2 folders so far; now in {folder / 'sub'}"


def test_of_what_has_no_size_nothing_is_read() -> None:
    """A device has no end; opening it as a picture says what it is."""
    assert listing.Listed("zero", Path("/dev/zero")).stamp[-1] == ""


def test_a_name_with_the_letters_of_a_pattern_is_a_name(folder: Path) -> None:
    (folder / "x[1].jpg").touch()
    assert names(str(folder / "x[1].jpg")) == ["x[1].jpg"]


@pytest.mark.parametrize(
    ("given", "says"),
    [("nowhere", "no such file or folder"), ("*.webp", "no file is called so"), ("sub/empty", "has no picture")],
)
def test_what_leads_nowhere_is_said(folder: Path, given: str, says: str) -> None:
    (folder / "sub" / "empty").mkdir()
    with pytest.raises(DataError, match=says):
        listing.pictures([str(folder / given)])
    with pytest.raises(DataError, match="no picture to look at"):
        listing.pictures([])


def test_what_was_drawn_before_is_no_picture_of_the_folder(folder: Path) -> None:
    """`ezhoi predict photos --out photos`, or into a folder in it, is called again when pictures have come."""
    for place in (folder, folder / "sub"):
        (place / listing.DRAWN).mkdir()
        (place / listing.DRAWN / "a.png").touch()
        (place / listing.JOURNAL).touch()
    assert names(str(folder)) == ["a.PNG", "b.jpg", "sub/c.jpeg"]
    assert names(str(folder / listing.DRAWN)) == ["a.png"], "who names that folder means it"
    assert names(f"{folder}/**/*.[pP][nN][gG]") == ["a.PNG"]
    assert names(f"{folder}/drawn/*.png") == ["a.png"]
    (folder / listing.JOURNAL).unlink()
    assert names(str(folder)) == ["a.PNG", "b.jpg", "drawn/a.png", "sub/c.jpeg"]
