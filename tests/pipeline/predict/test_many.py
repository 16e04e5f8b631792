"""Many pictures, shared by whoever predicts them into one folder: nothing twice, nothing lost, the same files as alone."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import DataError
from pipeline.predict import folder as folders
from pipeline.predict.listing import JOURNAL, Listed
from pipeline.predict.many import Many
from pipeline.predict.records import Pair, Picture, VerbScore

ABOUT = {"says": "who"}


class Fake:
    """In the place of a predictor: says of each picture how many were computed with it."""

    def __init__(self, first: Callable[[], Any] = lambda: None) -> None:
        self.batches: list[list[str]] = []
        self.first = first
        """Called when the first batch is computed."""

    def prepare(self, picture: Image.Image, boxes: Any, name: str) -> str:
        return name

    def predict(self, prepared: Sequence[str], **how: Any) -> list[Picture]:
        if not self.batches:
            self.first()
        self.batches.append(list(prepared))
        return [self.record(name, len(prepared)) for name in prepared]

    @staticmethod
    def record(name: str, company: int) -> Picture:
        said = VerbScore("ride", 3, company / 10)
        box = (0.0, 0.0, 2.0, 2.0)
        pair = Pair(person=box, person_score=1.0, object=box, object_score=1.0, label="horse", verbs=(said,))
        return Picture(name=name, width=4, height=3, persons=1, things=1, pairs=(pair,))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Listed]:
    """Forty pictures, which are five batches of eight."""
    (tmp_path / "pictures").mkdir()
    found = [Listed(f"{i:02d}.png", tmp_path / "pictures" / f"{i:02d}.png") for i in range(40)]
    for picture in found:
        Image.new("RGB", (4, 3)).save(picture.path)
    return found


def predict(fake: Fake, pictures: Sequence[Listed], out: Path, told: list[int] | None = None) -> dict[str, str]:
    """What a process does: the folder opened, all pictures predicted, the files written."""
    folder = folders.opened(out, ABOUT, pictures="these")
    try:
        run = Many(predictor=fake, folder=folder, boxes=None, top=None, threshold=0, workers=2)  # type: ignore[arg-type]
        faults = run.run(pictures, lambda done, total, note: (told if told is not None else []).append(done))
        folder.finish(pictures)
    finally:
        folder.close()
    return faults


def written(out: Path) -> tuple[Any, Any, bytes]:
    """The content of the files that are made at the end."""
    table = pq.read_table(out / "predictions.parquet").to_pylist()
    return json.loads((out / "predictions.json").read_text()), table, (out / "index.html").read_bytes()


def test_two_share_the_pictures(pictures: list[Listed], tmp_path: Path) -> None:
    """One stands still in its first batch until the other one has done all that is free and waits for it."""
    predict(Fake(), pictures, tmp_path / "alone")
    began, go_on = threading.Event(), threading.Event()
    slow = Fake(first=lambda: (began.set(), go_on.wait()))
    out = tmp_path / "out"

    class Quick(Fake):
        def predict(self, prepared: Sequence[str], **how: Any) -> list[Picture]:
            found = super().predict(prepared, **how)
            if len(self.batches) == 2:  # those that the slow one has not claimed: it reads two batches ahead
                go_on.set()
            return found

    quick = Quick()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(predict, slow, pictures, out)
        began.wait()
        second = pool.submit(predict, quick, pictures, out)
        assert first.result() == second.result() == {}
    assert len(slow.batches) == 3 and len(quick.batches) == 2
    together = [name for batch in (*slow.batches, *quick.batches) for name in batch]
    assert sorted(together) == [picture.name for picture in pictures], "each once"
    assert written(out) == written(tmp_path / "alone")
    assert not (out / ".locks").exists()


def test_what_is_known_of_another_picture_of_that_name_is_in_no_file(pictures: list[Listed], tmp_path: Path) -> None:
    """A second command, whose first picture has changed, is stopped before it comes to it."""
    predict(Fake(), pictures, tmp_path / "out")
    Image.new("RGB", (4, 3), "red").save(pictures[0].path)

    def stop() -> None:
        raise KeyboardInterrupt

    folder = folders.opened(tmp_path / "out", ABOUT, pictures="these")
    run = Many(predictor=Fake(stop), folder=folder, boxes=None, top=None, threshold=0, workers=2)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        run.run(pictures, lambda done, total, note: None)
    assert folder.finish(pictures) == len(pictures) - 1
    folder.close()
    assert pictures[0].name not in [picture["name"] for picture in written(tmp_path / "out")[0]["pictures"]]


HOLDS = """
import sys, time
from pathlib import Path
from pipeline.predict import folder
from pipeline.work import claims, shards
out = Path(sys.argv[1])
opened = folder.opened(out, {"says": "who"}, pictures="these")
held = next(claims.each(out, shards.plan({"pictures": range(40)}, size=8), settled=lambda shard: False))
with (out / folder.JOURNAL).open("ab") as journal:
    journal.write(b'{"stamp": [1, 2], "picture": {"na')
print(held.shard.name, flush=True)
sys.stdin.read()
"""


def test_the_share_of_a_killed_one_is_taken_over(pictures: list[Listed], tmp_path: Path) -> None:
    """One process is killed while it writes a line, and while the other one works."""
    predict(Fake(), pictures, tmp_path / "alone")
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"pictures-000.parquet\n"

        class Killing(Fake):
            def predict(self, prepared: Sequence[str], **how: Any) -> list[Picture]:
                found = super().predict(prepared, **how)
                if len(self.batches) == 4:  # all but the first, which the other one has
                    assert not any("00.png" in batch for batch in self.batches)
                    other.kill()
                return found

        fake = Killing()
        assert predict(fake, pictures, out) == {}
    assert fake.batches[-1] == [f"{i:02d}.png" for i in range(8)]
    assert written(out) == written(tmp_path / "alone")


def test_a_picture_that_cannot_be_read_makes_nobody_compute_again(pictures: list[Listed], tmp_path: Path) -> None:
    whole = pictures[3].path.read_bytes()
    pictures[3].path.write_text("no picture")
    pictures[20].path.unlink()
    told: list[int] = []
    first, again = Fake(), Fake()
    faults = predict(first, pictures, tmp_path / "out", told)
    assert sorted(faults) == ["03.png", "20.png"] and "cannot be read as a picture" in faults["03.png"]
    assert "no such file" in faults["20.png"] and told[-1] == 40
    assert predict(again, pictures, tmp_path / "out") == faults and not again.batches
    pictures[3].path.write_bytes(whole)
    assert sorted(predict(again, pictures, tmp_path / "out")) == ["20.png"]
    assert again.batches == [[f"{i:02d}.png" for i in range(8)]], "in the company that it would have had"
    assert len(written(tmp_path / "out")[0]["pictures"]) == 39


def test_a_picture_that_became_unreadable_is_not_shown_as_it_was(pictures: list[Listed], tmp_path: Path) -> None:
    predict(Fake(), pictures, tmp_path / "out")
    pictures[3].path.write_text("no picture")
    assert sorted(predict(Fake(), pictures, tmp_path / "out")) == ["03.png"]
    assert "03.png" not in [one["name"] for one in written(tmp_path / "out")[0]["pictures"]]


def test_a_picture_that_changes_while_it_is_computed_is_predicted_again(pictures: list[Listed], tmp_path: Path) -> None:
    def change() -> None:
        Image.new("RGB", (40, 30)).save(pictures[0].path)

    fake = Fake(first=change)
    predict(fake, pictures, tmp_path / "out")
    assert len(fake.batches) == 6 and fake.batches[-1] == fake.batches[0]


def test_what_is_done_is_kept_when_computing_fails(pictures: list[Listed], tmp_path: Path) -> None:
    class Broken(Fake):
        def predict(self, prepared: Sequence[str], **how: Any) -> list[Picture]:
            if len(self.batches) == 2:
                raise DataError("enough")
            return super().predict(prepared, **how)

    with pytest.raises(DataError, match="enough"):
        predict(Broken(), pictures, tmp_path / "out")
    rest = Fake()
    predict(rest, pictures, tmp_path / "out")
    assert len(rest.batches) == 3
    assert (tmp_path / "out" / JOURNAL).read_bytes().count(b"\n") == 41


def test_names_are_of_any_bytes(tmp_path: Path) -> None:
    from pipeline.predict import listing

    (tmp_path / "pictures").mkdir()
    name = b"caf\xe9 \xff.png"
    with (tmp_path / "pictures" / name.decode("utf-8", "surrogateescape")).open("wb") as file:
        Image.new("RGB", (4, 3)).save(file, "PNG")
    found = listing.pictures([str(tmp_path / "pictures")])
    assert [one.name for one in found] == ["caf\\xe9 \\xff.png"] and listing.digest_of(found)
    assert predict(Fake(), found, tmp_path / "out") == {}
    assert [row["file_name"] for row in written(tmp_path / "out")[1]] == [found[0].name]
