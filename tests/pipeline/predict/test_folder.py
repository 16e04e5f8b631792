"""The output folder: what is done stays done, whoever is killed when; the files are made of the journal."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import DataError
from pipeline.predict import folder as folders
from pipeline.predict import records, scoring
from pipeline.predict.folder import Folder
from pipeline.predict.listing import Listed
from pipeline.store import digest
from tests.pipeline.predict.bundles import VOCABULARY

ABOUT = {"says": "who", "threshold": 0.1, "only": [], "idle": False}
FOUND = {"object_id": np.array([1]), "person_score": np.array([0.5]), "object_score": np.array([1.0])} | {
    name: np.array([i], dtype=np.float32) for i, name in enumerate(scoring.BOXES)
}


def listed(path: Path, name: str) -> Listed:
    picture = Listed(name, path / "pictures" / name)
    picture.path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), "red").save(picture.path)
    return picture


def add(folder: Folder, picture: Listed, score: float = 0.75) -> None:
    record = records.picture(
        picture.name, (8, 6), FOUND, np.array([[score, 0.0, 0.0]]), VOCABULARY, persons=1, things=1, threshold=0.1
    )
    folder.journal.add(record, picture.stamp, folder.draw(picture.name, Image.new("RGB", (8, 6))))


def opened(path: Path, about: dict[str, Any] = ABOUT, **how: Any) -> Folder:
    return folders.opened(path, about, **{"pictures": "these"} | how)


def test_it_is_gone_on_with(tmp_path: Path) -> None:
    one, two = listed(tmp_path, "sub/one.jpg"), listed(tmp_path, "two.gif")
    first = opened(tmp_path / "out")
    add(first, one)
    first.close()
    with (tmp_path / "out" / folders.JOURNAL).open("ab") as journal:
        journal.write(b'{"stamp": [1, 2], "picture": {"na')  # killed while it wrote
    again = opened(tmp_path / "out", classes={3: "ride horse"})
    assert again.has(one) and not again.has(two)
    add(again, two, score=0.25)  # in the place of what was cut short
    assert again.finish([two, one]) == 2
    again.close()
    told = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert told["about"] == ABOUT and [p["name"] for p in told["pictures"]] == ["two.gif", "sub/one.jpg"]
    assert [p["drawn"] for p in told["pictures"]] == ["drawn/two.gif.drawn.png", "drawn/sub/one.jpg"]
    assert told["pictures"][1]["pairs"][0]["verbs"] == [{"verb": "ride", "hoi_id": 3, "score": 0.75, "idle": False}]
    for picture in told["pictures"]:
        assert (tmp_path / "out" / picture["drawn"]).is_file()
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert table["file_name"].to_pylist() == ["two.gif", "sub/one.jpg"] and table["score"].to_pylist() == [0.25, 0.75]
    assert json.loads(table.schema.metadata[b"ezhoi"]) == ABOUT | {"classes": {"3": "ride horse"}}


def test_a_picture_that_changed_or_lost_its_drawing_is_not_done(tmp_path: Path) -> None:
    one, two = listed(tmp_path, "one.jpg"), listed(tmp_path, "two.jpg")
    folder = opened(tmp_path / "out")
    add(folder, one)
    add(folder, two)
    one.path.write_bytes(one.path.read_bytes() + b"\0")
    (tmp_path / "out" / "drawn" / "two.jpg").unlink()
    assert not folder.has(one) and not folder.has(two)
    add(folder, one, score=0.5)
    assert folder.has(one) and folder.finish([one]) == 1
    folder.close()
    assert (
        json.loads((tmp_path / "out" / "predictions.json").read_text())["pictures"][0]["pairs"][0]["verbs"][0]["score"]
        == 0.5
    )


@pytest.mark.parametrize("names", [("one.gif", "one.gif.png"), ("one", "one.png"), ("a.bmp", "a.bmp.drawn.png")])
def test_two_pictures_have_two_drawings(names: tuple[str, str], tmp_path: Path) -> None:
    """Such as a picture and its copy, which a converter called by both suffixes."""
    assert len({folders.drawn(name) for name in names}) == 2


@pytest.mark.parametrize("name", ["one.jpg", "one.gif"])
def test_a_drawing_that_is_another_one_than_was_drawn_is_drawn_again(name: str, tmp_path: Path) -> None:
    one, folder = listed(tmp_path, name), opened(tmp_path / "out")
    add(folder, one)
    drawing = tmp_path / "out" / folders.drawn(name)
    whole, times = bytearray(drawing.read_bytes()), drawing.stat()
    os.utime(drawing)
    assert folder.has(one), "other times alone are no change"
    whole[len(whole) // 2] ^= 1
    drawing.write_bytes(whole)
    os.utime(drawing, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not folder.has(one)
    add(folder, one)
    assert folder.has(one)
    folder.close()


def test_a_picture_of_the_same_name_size_and_time_from_another_folder_is_another(tmp_path: Path) -> None:
    """As two archives leave them: bitmaps of one size, whose time is that of no clock."""
    one, other = Listed("1.bmp", tmp_path / "a" / "1.bmp"), Listed("1.bmp", tmp_path / "b" / "1.bmp")
    for picture, colour in ((one, "red"), (other, "green")):
        picture.path.parent.mkdir()
        Image.new("RGB", (8, 6), colour).save(picture.path)
        os.utime(picture.path, (315532800, 315532800))
    folder = opened(tmp_path / "out")
    add(folder, one)
    assert folder.has(one) and not folder.has(other)
    one.path.rename(tmp_path / "moved.bmp")
    shutil.copyfile(tmp_path / "moved.bmp", one.path)
    assert folder.has(one), "a copy with other times is the same picture"
    folder.close()


def test_other_options_are_refused_or_begin_anew(tmp_path: Path) -> None:
    one = listed(tmp_path, "one.jpg")
    first = opened(tmp_path / "out")
    add(first, one)
    with pytest.raises(DataError, match="another command is writing there"):
        opened(tmp_path / "out", anew=True)
    with pytest.raises(DataError, match="another command is writing predictions of other pictures there"):
        opened(tmp_path / "out", pictures="others")
    second = opened(tmp_path / "out")
    assert second.has(one), "somebody who predicts the same pictures is welcome"
    first.close()
    second.close()
    assert not (tmp_path / "out" / ".locks").exists(), "the last one clears them away"
    opened(tmp_path / "out", pictures="others").close()
    other: dict[str, Any] = ABOUT | {"threshold": 0.5}
    with pytest.raises(DataError, match=r"holds predictions that were made otherwise \(threshold\)"):
        opened(tmp_path / "out", other)
    anew = opened(tmp_path / "out", other, anew=True)
    assert not anew.has(one) and anew.finish([one]) == 0
    anew.close()
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())["pictures"] == []
    assert pq.read_table(tmp_path / "out" / "predictions.parquet").num_rows == 0


def test_drawings_that_no_page_names_any_more_are_removed_and_other_files_never(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    gone, empty, mine, linked = (
        listed(tmp_path, name) for name in ("a/gone.jpg", "b/empty.gif", "a/mine.jpg", "a/b.png")
    )
    folder = opened(out)
    for picture in (gone, empty, mine, linked):
        add(folder, picture)
    folder.close()
    (out / "drawn" / "a" / "mine.jpg").write_text("another file by now")
    outside.mkdir()
    (out / "drawn" / "a" / "b.png").rename(outside / "b.png")
    (out / "drawn" / "a" / "b.png").symlink_to(outside / "b.png")
    (out / "drawn" / "note.txt").write_text("mine")
    opened(out, ABOUT | {"top": 3}, anew=True).close()
    left = sorted(path.relative_to(out).as_posix() for path in (out / "drawn").rglob("*"))
    assert left == ["drawn/a", "drawn/a/b.png", "drawn/a/mine.jpg", "drawn/note.txt"]
    assert (outside / "b.png").is_file()


def test_a_journal_that_leads_elsewhere_removes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    Image.new("RGB", (8, 6)).save(tmp_path / "mine.jpg")
    stamp = Listed("mine", tmp_path / "mine.jpg").stamp
    folder = opened(out)
    (out / "drawn").mkdir()
    for evil in ("../../mine.jpg", "a/../../../mine.jpg", str(tmp_path / "mine.jpg")):
        record = records.picture(evil, (8, 6), FOUND, np.array([[1.0, 0.0, 0.0]]), VOCABULARY, persons=1, things=1)
        folder.journal.add(record, stamp, stamp)
    folder.close()
    opened(out, anew=True).close()
    assert (tmp_path / "mine.jpg").is_file()


def test_what_a_release_did_that_noted_no_drawings_is_done_and_begun_anew_it_is_removed(tmp_path: Path) -> None:
    """Its lines say nothing of drawings, and those of other pictures than JPEG and PNG lay elsewhere."""
    out = tmp_path / "out"
    there, lost, other = (listed(tmp_path, name) for name in ("a/there.jpg", "a/lost.jpg", "other.gif"))
    folder = opened(out)
    for picture in (there, lost, other):
        add(folder, picture)
    folder.close()
    first, *lines = (out / ".done.jsonl").read_text().splitlines()
    for place, line in enumerate(lines):
        entry = json.loads(line)
        text = json.dumps({"stamp": entry["stamp"], "picture": entry["picture"]}, ensure_ascii=False)[:-1]
        lines[place] = text + f', "digest": "{digest.of_bytes(text.encode())}"}}'  # as these releases wrote them
    (out / ".done.jsonl").write_text("\n".join([first, *lines]) + "\n")
    (out / "drawn" / "a" / "lost.jpg").unlink()
    (out / "drawn" / "other.gif.drawn.png").rename(out / "drawn" / "other.gif.png")
    again = opened(out)
    assert [again.has(picture) for picture in (there, lost, other)] == [True, False, False]
    assert again.finish([there]) == 1
    again.close()
    (out / "drawn" / "note.txt").write_text("mine")
    opened(out, anew=True).close()
    assert [path.name for path in (out / "drawn").rglob("*")] == ["note.txt"]


def test_a_picture_that_cannot_be_read_any_more_has_no_drawing(tmp_path: Path) -> None:
    one, folder = listed(tmp_path, "one.jpg"), opened(tmp_path / "out")
    add(folder, one)
    folder.journal.forget(["one.jpg"])
    folder.add_fault("one.jpg", "is no picture")
    assert not (tmp_path / "out" / "drawn").exists() and folder.finish([one]) == 0
    folder.close()


def test_other_pictures_of_earlier_commands_are_counted(tmp_path: Path) -> None:
    one, two = listed(tmp_path, "one.jpg"), listed(tmp_path, "two.jpg")
    folder = opened(tmp_path / "out")
    for picture in (one, two):
        add(folder, picture)
    assert folder.finish([two]) == 1, "the table is of those that are named"
    assert folder.others([two]) == 1 and folder.others([one, two]) == 0
    folder.close()


def test_a_foreign_file_in_the_journals_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / folders.JOURNAL).write_text("mine\n")
    with pytest.raises(DataError, match="is no journal of predictions"):
        opened(tmp_path)
    assert (tmp_path / folders.JOURNAL).read_text() == "mine\n"
