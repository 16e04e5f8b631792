"""The folder that predictions go to, which survives a kill at any moment and is gone on with.

    drawn/<name>.jpg|png    the picture with its pairs; JPEG of a JPEG, PNG of all else
    predictions.parquet     rows as the evaluation reads them
    predictions.json        who predicted, and each picture with its pairs, boxes and verbs
    index.html              a page to look at (pipeline/predict/page.py)
    .done.jsonl             what is done: a line a picture, written after its drawing

The journal is the truth; the other files are made of it at the end, a picture at a time, so that memory does not grow with
the number of pictures. A picture counts as done while its file and the options are those of the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.errors import DataError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.predict import page, records
from pipeline.predict.listing import DRAWN, JOURNAL, Listed
from pipeline.predict.records import Picture

ROWS = 500
"""Pictures whose rows are written to the table together."""
JPEG = (".jpg", ".jpeg")
QUALITY = 90
"""Of the drawn JPEGs."""


@dataclass
class Folder:
    """An output folder in use; `opened` makes one."""

    path: Path
    about: Mapping[str, Any]
    """Who predicts, with which options: what predictions.json begins with."""
    journal: IO[bytes]
    done: dict[str, int] = field(default_factory=dict)
    """Where in the journal the picture of a name is."""
    stamps: dict[str, list[int]] = field(default_factory=dict)

    def has(self, picture: Listed) -> bool:
        """Whether the picture is done, and neither its file nor its drawing was changed since."""
        return self.stamps.get(picture.name) == picture.stamp and (self.path / drawn(picture.name)).is_file()

    def draw(self, picture: Listed, image: Image.Image) -> None:
        """Keep a picture's drawing; several threads may."""
        target = self.path / drawn(picture.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic(target) as temporary:
            if target.suffix.lower() in JPEG:
                image.save(temporary, "JPEG", quality=QUALITY)
            else:
                image.save(temporary, "PNG")

    def add(self, picture: Listed, record: Picture) -> None:
        """Keep the record of a picture that is drawn; it is done when this returns."""
        stamp = picture.stamp
        line = json.dumps({"stamp": stamp, "picture": record.as_json()}, ensure_ascii=False).encode() + b"\n"
        place = self.journal.seek(0, 2)
        self.journal.write(line)
        self.journal.flush()
        self.done[record.name], self.stamps[record.name] = place, stamp

    def finish(self, pictures: Sequence[Listed]) -> int:
        """Write the table, the JSON and the page of those of the pictures that are done; how many they are."""
        names = [picture.name for picture in pictures if picture.name in self.done]
        with atomic(self.path / "predictions.json") as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write('{"about": ' + json.dumps(self.about, ensure_ascii=False) + ',\n"pictures": [')
            for place, record in enumerate(self._records(names)):
                told = record.as_json() | {"drawn": drawn(record.name)}
                file.write((",\n" if place else "\n") + json.dumps(told, ensure_ascii=False))
            file.write("\n]}\n")
        self._write_table(names)
        with atomic(self.path / "index.html") as temporary, temporary.open("w", encoding="utf-8") as file:
            page.write(file, self.about, ((record, drawn(record.name)) for record in self._records(names)))
        return len(names)

    def close(self) -> None:
        """Let the folder go."""
        self.journal.close()

    def _write_table(self, names: Sequence[str]) -> None:
        schema = pa.Schema.from_pandas(records.table([]), preserve_index=False).remove_metadata()
        told = schema.with_metadata({"ezhoi": json.dumps(self.about, ensure_ascii=False)})
        with (
            atomic(self.path / "predictions.parquet") as temporary,
            pq.ParquetWriter(temporary, told, compression="zstd") as file,
        ):
            for start in range(0, len(names), ROWS):
                rows = records.table(list(self._records(names[start : start + ROWS])))
                file.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False).cast(told))

    def _records(self, names: Sequence[str]) -> Iterator[Picture]:
        for name in names:
            self.journal.seek(self.done[name])
            yield records.of_json(json.loads(self.journal.readline())["picture"])


def drawn(name: str) -> str:
    """Where the drawing of a picture lies in the folder."""
    return f"{DRAWN}/{name}" if Path(name).suffix.lower() in (*JPEG, ".png") else f"{DRAWN}/{name}.png"


def opened(path: Path, about: Mapping[str, Any], *, anew: bool = False) -> Folder:
    """The folder, made if it is not there, with what is done in it.

    Args:
        anew: forget what is done.

    Raises:
        DataError: it holds predictions of another model or with other options.
        OSError: it cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    place = path / JOURNAL
    place.touch()
    folder = Folder(path, about, place.open("r+b"))
    try:
        if not locks.take(folder.journal.fileno(), elsewhere="choose an --out on another one"):
            raise DataError(f"{path}: another command is writing there; wait for it, or choose another --out")
        if anew or not place.stat().st_size:
            folder.journal.truncate(0)
            folder.journal.write(json.dumps({"about": about}, ensure_ascii=False).encode() + b"\n")
            folder.journal.flush()
        folder.journal.seek(0)
        _read(folder)
    except BaseException:
        folder.close()
        raise
    return folder


def _read(folder: Folder) -> None:
    """Take in the journal; a line that was cut short is cut off."""
    try:
        before = json.loads(folder.journal.readline())["about"]
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder.path / JOURNAL}: is no journal of predictions. Choose another --out, or begin --anew"
        ) from None
    if before != json.loads(json.dumps(folder.about)):
        changed = sorted(key for key in {*before, *folder.about} if before.get(key) != folder.about.get(key))
        raise DataError(
            f"{folder.path}: holds predictions that were made otherwise ({', '.join(changed)}). Choose another --out, or "
            "begin --anew"
        )
    place = folder.journal.tell()
    for line in iter(folder.journal.readline, b""):
        try:
            entry = json.loads(line)
            name, stamp = records.of_json(entry["picture"]).name, entry["stamp"]
        except (ValueError, KeyError, TypeError):
            folder.journal.truncate(place)
            return
        folder.done[name], folder.stamps[name] = place, stamp
        place = folder.journal.tell()
