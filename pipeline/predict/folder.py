"""The output folder of predictions, which survives a kill at any moment, so that the same command goes on.

    drawn/<name>.jpg|png    the picture with its pairs; JPEG of a JPEG, PNG of all else
    predictions.parquet     rows as the evaluation reads them
    predictions.json        which model predicted, and each picture with its pairs, boxes and verbs
    index.html              a page to look at (pipeline/predict/page.py)
    .done.jsonl             the journal: a line for each picture, written after its drawing (pipeline/predict/journal.py)
    .locks/                 locks on the pictures that are being computed (pipeline/work/claims.py)

The journal decides; the other files are made of it at the end, picture by picture, so that memory does not grow with the number
of pictures. A picture counts as done while its file and the options are those of the journal. Several processes may predict
the same pictures into one folder: each writes the other files when all is done, and they are equal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from pipeline.predict.listing import Listed
from pipeline.work.claims import LOCKS

ROWS = 500
"""How many pictures' rows are written to the table together."""
JPEG = (".jpg", ".jpeg")
QUALITY = 90
"""The quality of the drawn JPEGs."""


@dataclass
class Folder:
    """An output folder in use, made by `opened`. Several threads may call `draw`, only one all else."""

    path: Path
    about: Mapping[str, Any]
    """Which model predicts, with which options; predictions.json begins with it."""
    journal: Journal

    def has(self, picture: Listed) -> bool:
        """Whether the picture is done: its drawing is there, and its file was not changed since."""
        stamp = self.journal.stamps.get(picture.name)
        try:
            return stamp is not None and (self.path / drawn(picture.name)).is_file() and picture.has(stamp)
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

    def draw(self, name: str, image: Image.Image) -> None:
        """Write the drawing of the picture of that name; several threads may do so."""
        target = self.path / drawn(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic(target) as temporary:
            if target.suffix.lower() in JPEG:
                image.save(temporary, "JPEG", quality=QUALITY)
            else:
                image.save(temporary, "PNG")

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

    def _write_table(self, names: Sequence[str]) -> None:
        schema = pa.Schema.from_pandas(records.table([]), preserve_index=False).remove_metadata()
        with_metadata = schema.with_metadata({"ezhoi": json.dumps(self.about, ensure_ascii=False)})
        with (
            atomic(self.path / "predictions.parquet") as temporary,
            pq.ParquetWriter(temporary, with_metadata, compression="zstd") as file,
        ):
            for start in range(0, len(names), ROWS):
                rows = records.table(list(self.journal.records(names[start : start + ROWS])))
                file.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False).cast(with_metadata))


def drawn(name: str) -> str:
    """Where the drawing of a picture lies in the folder."""
    return f"{DRAWN}/{name}" if Path(name).suffix.lower() in (*JPEG, ".png") else f"{DRAWN}/{name}.png"


def opened(path: Path, about: Mapping[str, Any], *, pictures: str, anew: bool = False) -> Folder:
    """Open the folder, which is made if it is missing, and read what is done in it.

    Args:
        pictures: a digest of the pictures to predict: other processes may predict the same pictures, but no others.
        anew: whether to forget what is done.

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
    return Folder(path, about, journal)


def _join(journal: Journal, listed: Path, about: Mapping[str, Any], *, pictures: str, anew: bool) -> None:
    """Hold a shared lock on the journal until its file is closed; the first process records which pictures it is about."""
    handle, folder = journal.file.fileno(), journal.path.parent
    while True:
        if locks.take(handle, elsewhere=ELSEWHERE):
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
