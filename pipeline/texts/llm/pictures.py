"""Example pictures of classes: what a vision-language model is shown beside the question.

    FOLDER/ride horse/one.jpg       a subfolder for each class, with its name (ride_horse works, too)

Classes without a subfolder are described from words alone. Pictures of unseen classes have to come from the user: a
zero-shot experiment must not take them from the dataset it is evaluated on.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError
from pipeline.outside import pictures, reading
from pipeline.store import digest
from pipeline.texts.given.tables import say_foreign
from pipeline.vocabulary.vocabulary import Vocabulary

KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file, read when it is sent."""

    path: Path

    @property
    def digest(self) -> str:
        """Digest of its bytes."""
        return digest.of_file(self.path)

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        content = base64.b64encode(self.path.read_bytes()).decode("ascii")
        return f"data:{KINDS[self.path.suffix.lower()]};base64,{content}"


def read(folder: Path, vocabulary: Vocabulary, *, most: int) -> dict[int, tuple[Picture, ...]]:
    """{hoi_id: its first `most` pictures in order of name}.

    Raises DataError naming the folder or file: no such folder, a subfolder that is no class, one without a picture, a
    file that is no picture.
    """
    if not folder.is_dir():
        raise DataError(f"descriptions.pictures = {folder}: no such folder")
    found: dict[int, tuple[Picture, ...]] = {}
    foreign: list[str] = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        try:
            hoi_id = vocabulary.find(path.name).hoi_id
        except ValueError as error:
            if vocabulary.may_be_elsewhere(path.name):
                foreign.append(path.name)
                continue
            raise DataError(f"descriptions.pictures: folder {path}: {error}") from None
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in KINDS)[:most]
        if not files or hoi_id in found:
            fault = "is a second folder of its class" if hoi_id in found else f"has no picture ({', '.join(KINDS)})"
            raise DataError(f"descriptions.pictures: folder {path} {fault}")
        for file in files:
            _check(file)
        found[hoi_id] = tuple(Picture(file) for file in files)
    say_foreign(foreign, vocabulary)
    return found


def _check(file: Path) -> None:
    what = f"descriptions.pictures: {file}"
    try:
        if file.stat().st_size > reading.LARGEST_PICTURE:
            raise DataError(f"{what} is larger than {reading.LARGEST_PICTURE >> 20} MiB, the most that is sent")
        with pictures.opened(file, what=what) as picture:
            picture.verify()
    except (OSError, pictures.Unreadable) as error:
        raise DataError(f"{what} cannot be read as a picture: {reading.why(error)}") from None
