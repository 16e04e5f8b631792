"""The output folder of predictions, which survives a kill at any moment, so that the same command goes on.

    drawn/<name>            the picture with its pairs: a JPEG of a JPEG, a PNG of a PNG, <name>.drawn.png of all else
    predictions.parquet     rows as the evaluation reads them
    predictions.json        which model predicted, and each picture with its pairs, boxes and verbs
    index.html              a page to look at (pipeline/predict/page.py)
    .done.jsonl             the journal: a line for each picture, written after its drawing (pipeline/predict/journal.py)
    .locks/                 locks on the pictures that are being computed (pipeline/work/claims.py)

The journal decides; the other files are made of it at the end, picture by picture, so that memory does not grow with the number
of pictures. A picture counts as done while its file, its drawing and the options are those of the journal; of a drawing that an
earlier release made it is known only that it is there. Several processes may predict the same pictures into one folder: each
writes the other files when all is done, and they are equal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.errors import DataError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.outside.file_names import DRAWN, JOURNAL
from pipeline.predict import page, records
from pipeline.predict.journal import ELSEWHERE, Journal
from pipeline.predict.listing import Listed, Stamp
from pipeline.work.claims import LOCKS

ROWS = 500
"""How many pictures' rows are written to the table together."""
JPEG = (".jpg", ".jpeg")
QUALITY = 90
"""The quality of the drawn JPEGs."""
OTHERS = ".drawn.png"
"""What the drawing of a picture that is neither a JPEG nor a PNG has behind the picture's name."""


@dataclass
class Folder:
    """An output folder in use, made by `opened`. Several threads may call `draw`, only one all else."""

    path: Path
    about: Mapping[str, Any]
    """Which model predicts, with which options; predictions.json begins with it."""
    journal: Journal
    classes: Mapping[int, str] = field(default_factory=dict)
    """{class id: class name} of all classes of the model; the table says it, since another vocabulary has other ids."""

    def has(self, picture: Listed) -> bool:
        """Whether the picture is done: neither its file nor its drawing was changed since, or is gone."""
        stamp, name = self.journal.stamps.get(picture.name), picture.name
        try:
            return (
                stamp is not None and picture.has(stamp) and _is_there(self._drawing(name), self.journal.drawings[name])
            )
        except OSError:  # it is gone, and reading it says so
            return False

    def settled(self, pictures: Sequence[Listed]) -> bool:
        """Whether all of them are settled: each is done, or was found to be unreadable since this process began.

        What other processes have done meanwhile counts.
        """
        self.journal.refresh()
        return all(picture.name in self.journal.tried or self.has(picture) for picture in pictures)

    def others(self, pictures: Sequence[Listed]) -> int:
        """How many other pictures are done in this folder, by earlier commands."""
        return len(self.journal.stamps.keys() - {picture.name for picture in pictures})

    def draw(self, name: str, image: Image.Image) -> Stamp:
        """Write the drawing of the picture of that name, and return its stamp; several threads may do so."""
        target = self._drawing(name).path
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic(target) as temporary:
            if target.suffix.lower() in JPEG:
                image.save(temporary, "JPEG", quality=QUALITY)
            else:
                image.save(temporary, "PNG")
        return self._drawing(name).stamp

    def add_fault(self, name: str, why: str) -> None:
        """Note that a picture could not be read, and remove the drawing of what it was before."""
        if name in self.journal.drawings:
            _remove(self._drawing(name), self.journal.drawings[name], self.path)
        self.journal.add_fault(name, why)

    def finish(self, pictures: Sequence[Listed]) -> int:
        """Write the table, the JSON and the page of the pictures that are done, and return how many these are."""
        self.journal.refresh()
        names = [picture.name for picture in pictures if picture.name in self.journal]
        with atomic(self.path / "predictions.json") as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write('{"about": ' + json.dumps(self.about, ensure_ascii=False) + ',\n"pictures": [')
            for place, record in enumerate(self.journal.records(names)):
                row = record.as_json() | {"drawn": drawn(record.name)}
                file.write((",\n" if place else "\n") + json.dumps(row, ensure_ascii=False))
            file.write("\n]}\n")
        self._write_table(names)
        with atomic(self.path / "index.html") as temporary, temporary.open("w", encoding="utf-8") as file:
            page.write(file, self.about, ((record, drawn(record.name)) for record in self.journal.records(names)))
        return len(names)

    def close(self) -> None:
        """Leave the folder; the last process to leave removes the locks."""
        try:
            if locks.take(self.journal.file.fileno(), elsewhere=ELSEWHERE):
                shutil.rmtree(self.path / LOCKS, ignore_errors=True)
        finally:
            self.journal.file.close()

    def _drawing(self, name: str) -> Listed:
        """The file of a picture's drawing."""
        return Listed(name, self.path / drawn(name))

    def _write_table(self, names: Sequence[str]) -> None:
        schema = pa.Schema.from_pandas(records.table([]), preserve_index=False).remove_metadata()
        says = {**self.about, "classes": self.classes}
        with_metadata = schema.with_metadata({"ezhoi": json.dumps(says, ensure_ascii=False)})
        with (
            atomic(self.path / "predictions.parquet") as temporary,
            pq.ParquetWriter(temporary, with_metadata, compression="zstd") as file,
        ):
            for start in range(0, len(names), ROWS):
                rows = records.table(list(self.journal.records(names[start : start + ROWS])))
                file.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False).cast(with_metadata))


def drawn(name: str) -> str:
    """Where the drawing of a picture lies in the folder; two pictures, such as one.webp and one.webp.png, have two places."""
    own = name.lower().endswith((*JPEG, ".png")) and not name.lower().endswith(OTHERS)
    return f"{DRAWN}/{name}{'' if own else OTHERS}"


def opened(
    path: Path,
    about: Mapping[str, Any],
    *,
    pictures: str,
    anew: bool = False,
    classes: Mapping[int, str] = MappingProxyType({}),
) -> Folder:
    """Open the folder, which is made if it is missing, and read what is done in it.

    Args:
        pictures: a digest of the pictures to predict: other processes may predict the same pictures, but no others.
        anew: whether to forget what is done, and to remove its drawings.
        classes: the names of the model's classes by their ids.

    Raises:
        DataError: it holds predictions of another model or with other options, or somebody else is writing there.
        OSError: it cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    (path / JOURNAL).touch()
    journal = Journal(path / JOURNAL, (path / JOURNAL).open("r+b"), path / LOCKS / "journal")
    try:
        _join(journal, path / LOCKS / "pictures", about, pictures=pictures, anew=anew)
        journal.open(about)
    except BaseException:
        journal.file.close()
        raise
    return Folder(path, about, journal, dict(classes))


def _join(journal: Journal, listed: Path, about: Mapping[str, Any], *, pictures: str, anew: bool) -> None:
    """Hold a shared lock on the journal until its file is closed; the first process records which pictures it is about."""
    handle, folder = journal.file.fileno(), journal.path.parent
    while True:
        if locks.take(handle, elsewhere=ELSEWHERE):
            if anew:
                _remove_drawings(journal)
            if anew or not journal.path.stat().st_size:
                journal.begin(about)
            listed.parent.mkdir(exist_ok=True)
            listed.write_text(pictures, encoding="utf-8")
        elif anew:
            raise DataError(f"{folder}: another command is writing there; wait for it, or choose another --out")
        locks.take(handle, shared=True, wait=True, elsewhere=ELSEWHERE)
        try:
            now = listed.read_text(encoding="utf-8")
        except FileNotFoundError:  # whoever was the last one has just left
            continue
        if now != pictures:
            raise DataError(
                f"{folder}: another command is writing predictions of other pictures there; wait for it, or choose another "
                "--out"
            )
        return


def _remove_drawings(journal: Journal) -> None:
    """Remove the drawings that a journal speaks of, whoever made it."""
    before, folder = Journal(journal.path, journal.file, journal.alone), journal.path.parent
    before.refresh()
    for name, stamp in before.drawings.items():
        _remove(Listed(name, folder / (_drawn_before(name) if stamp is None else drawn(name))), stamp, folder)


def _drawn_before(name: str) -> str:
    """Where the releases that noted no drawings put that of a picture."""
    return f"{DRAWN}/{name}" if name.lower().endswith((*JPEG, ".png")) else f"{DRAWN}/{name}.png"


def _is_there(drawing: Listed, stamp: Stamp | None) -> bool:
    """Whether a drawing is what it was, or, without a stamp, is a file at all; OSError if it cannot be read."""
    return drawing.path.is_file() if stamp is None else drawing.has(stamp)


def _remove(drawing: Listed, stamp: Stamp | None, folder: Path) -> None:
    """Remove a drawing, and folders that have no other; a file that is another one by now, or lies elsewhere, stays."""
    place, home = drawing.path, folder.resolve() / DRAWN
    try:
        if place.is_symlink() or not place.parent.resolve().is_relative_to(home) or not _is_there(drawing, stamp):
            return
        place.unlink()
        while place.parent != folder:
            place = place.parent
            place.rmdir()
    except OSError:  # it is gone, or a folder has more
        return
