"""The journal of a folder of predictions: written by several, never torn, and read by whoever looks."""

import json
from pathlib import Path

import pytest

from pipeline.predict.journal import Journal
from pipeline.predict.listing import Stamp
from pipeline.predict.records import Picture

ABOUT = {"says": "who"}


def journal(folder: Path) -> Journal:
    """An open journal as another process has it."""
    (folder / "j").touch()
    found = Journal(folder / "j", (folder / "j").open("r+b"), folder / "lock")
    if not (folder / "j").stat().st_size:
        found.begin(ABOUT)
    found.open(ABOUT)
    return found


def stamp(size: int, changed: int) -> Stamp:
    return Stamp(size, changed, 0, 0, "")


DRAWING = Stamp(5, 6, 0, 0, "drawn")


def record(name: str, width: int = 4) -> Picture:
    return Picture(name=name, width=width, height=3, persons=0, things=0, pairs=())


def test_what_one_adds_the_other_has_when_it_looks(tmp_path: Path) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.add(record("a"), stamp(1, 2), DRAWING)
    assert "a" in one and "a" not in other
    other.add(record("b"), stamp(3, 4), DRAWING)
    assert "a" in other and "b" in other and other.added == 2
    one.refresh()
    assert list(one.records(["b", "a"])) == [record("b"), record("a")] and one.stamps == {
        "a": stamp(1, 2),
        "b": stamp(3, 4),
    }


def test_of_a_pictures_lines_the_last_one_counts(tmp_path: Path) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.add(record("a"), stamp(1, 2), DRAWING)
    one.add(record("a", width=5), stamp(2, 2), DRAWING)
    other.add_fault("a", "is gone")
    one.refresh()
    assert "a" not in one and one.faults == {"a": "is gone"} and one.tried == {"a"}
    later = journal(tmp_path)
    assert later.faults == {"a": "is gone"} and not later.tried, "a later run looks again: it may be mended"
    size = later.path.stat().st_size
    later.add_fault("a", "is gone")
    assert later.path.stat().st_size == size and later.tried == {"a"} and later.added == 1
    later.add(record("a"), stamp(5, 5), DRAWING)
    assert "a" in later and not later.faults and not later.tried


@pytest.mark.parametrize("torn", [b'{"stamp": [1', b'{"stamp": "\xff', b"\0" * 50])
def test_what_a_killed_one_left_of_a_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.add(record("a"), stamp(1, 2), DRAWING)
    with one.path.open("ab") as file:
        file.write(torn)
    other.add(record("b"), stamp(3, 4), DRAWING)
    one.refresh()
    assert "b" in one
    lines = one.path.read_bytes().splitlines()
    assert [json.loads(line).get("stamp", [])[:2] for line in lines] == [[], [1, 2], [3, 4]]


@pytest.mark.parametrize("line", [b"no json", b"[]", b"3", b'{"picture": 3}', b'{"unread": 1}', b"\xff", b"[" * 10_000])
def test_a_damaged_line_is_passed_over_alone(tmp_path: Path, line: bytes) -> None:
    one = journal(tmp_path)
    one.add(record("a"), stamp(1, 2), DRAWING)
    with one.path.open("ab") as file:
        file.write(line + b"\n")
    one.add(record("b"), stamp(3, 4), DRAWING)
    again = journal(tmp_path)
    assert "a" in again and "b" in again and len(again.stamps) == 2


def test_a_line_that_was_edited_or_is_of_an_earlier_release_is_not_there_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A digit that is another one leaves JSON as it was; an earlier release wrote no digest."""
    one = journal(tmp_path)
    for name in ("a", "b", "c"):
        one.add(record(name), stamp(1, 2), DRAWING)
    one.add_fault("d", "is gone")
    lines = one.path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"width": 4', b'"width": 5')
    lines[3] = b'{"stamp": [1, 2], "picture": ' + json.dumps(record("c").as_json()).encode() + b"}\n"
    lines[4] = lines[4].replace(b"is gone", b"is here")
    one.path.write_bytes(b"".join(lines))
    again = journal(tmp_path)
    assert "a" in again and "b" not in again and "c" not in again and not again.faults
    assert "not used (3)" in caplog.text and "a picture that no other line has is predicted again" in caplog.text
    again.add(record("b"), stamp(1, 2), DRAWING)
    assert "b" in journal(tmp_path)


def test_what_is_forgotten_is_there_again_with_a_further_line(tmp_path: Path) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.add(record("a"), stamp(1, 2), DRAWING)
    one.forget(["a", "never there"])
    assert "a" not in one and not one.stamps
    other.add(record("a", width=5), stamp(2, 2), DRAWING)
    one.refresh()
    assert list(one.records(["a"])) == [record("a", width=5)]
