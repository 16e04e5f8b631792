"""A folder of one's own pictures as a place of the configuration: its annotation, its words, and its digest.

Light on purpose: plans ask for the digest and the words whenever a run is planned.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.own.pictures import Pictures, files_under
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.store import digest
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import Vocabulary

VOCABULARY = ("vocabulary.yaml", "vocabulary.yml")
"""Names of the file with the words."""
IDS = "ids.yaml"
"""Name of the file that says what the numbers of PPDM's layout mean."""
READ = (".json", ".xml", ".zip", ".yaml", ".yml")
"""Endings of files whose content counts."""


def place(root: Path | None, annotations: Path | None) -> Path:
    """Where the annotation is looked for; DataError if there is no such place."""
    path = annotations or root
    if path is None or root is None:
        raise DataError("data.source = own needs the folder of the pictures: --set data.root=FOLDER (docs/own-data.md)")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder (data.root)")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder (data.annotations)")
    return path


def words(root: Path, path: Path) -> Path | None:
    """The vocabulary: beside the annotation, in the folder above it, or beside the pictures."""
    return words_beside(path) or words_beside(root)


def fingerprint(path: Path) -> str:
    """Digest of what a folder or an annotation says: annotations and words by content, pictures by name and size."""
    beside = [words_beside(path), ids_beside(path / "x" if path.is_dir() else path)]
    contents = [[file.name, digest.of_file(file)] for file in beside if file is not None]
    if path.is_file():
        return digest.of_value([[path.suffix, digest.of_file(path)], contents])
    files = sorted(file for file, _ in files_under(path, READ, {}))
    contents += [[file.relative_to(path).as_posix(), digest.of_file(file)] for file in files]
    return digest.of_value([contents, sorted(Pictures.under(path).files.items())])


def read_words(path: Path) -> Vocabulary:
    """The vocabulary of a file, whose settings are not looked at: they may be rules that need counts."""
    value = reading.json_value(path) if path.suffix == ".json" else reading.yaml_value(path)
    if isinstance(value, dict):
        value = {key: part for key, part in value.items() if key != "settings"}
    return vocabulary_file.parse(value, origin=str(path))[0]


def words_beside(path: Path) -> Path | None:
    """The vocabulary beside an annotation, or in the folder above."""
    folder = path if path.is_dir() else path.parent
    places = (place / name for place in (folder, folder.absolute().parent) for name in VOCABULARY)
    return next((place for place in places if place.is_file()), None)


def ids_beside(path: Path) -> Path | None:
    """The file that says what the numbers of PPDM's layout mean, beside the annotation or in the folder above."""
    places = (place / IDS for place in (path.parent, path.absolute().parent.parent))
    return next((place for place in places if place.is_file()), None)
