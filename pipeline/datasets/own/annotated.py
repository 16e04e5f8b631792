"""Annotations of the user's own pictures, read from whatever tool wrote them.

    found = annotated.read(Path("export.json"), pictures=Pictures.under(Path("pictures")))
    found.problems.stop_if_any()

The content says which tool it was, never a name. Words come from a vocabulary (`vocabulary.yaml`); a `coco-rel` file may do
without one, as it names its own.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.datasets.folder import annotation_files
from pipeline.datasets.hico import folder as hico
from pipeline.datasets.own import (
    coco_rel,
    coco_rel_file,
    coco_rel_words,
    cvat,
    folder,
    joined,
    label_studio,
    labelme,
    ppdm,
)
from pipeline.datasets.own import resolve as resolving
from pipeline.datasets.own import words as words_of
from pipeline.datasets.own.pictures import Pictures, files_under
from pipeline.datasets.own.problems import SHOWN, Problems
from pipeline.datasets.own.raw import ALONE, Raw
from pipeline.datasets.own.resolve import Resolved
from pipeline.datasets.own.words import Words
from pipeline.datasets.vcoco import reader
from pipeline.errors import DataError
from pipeline.outside import reading, walking
from pipeline.outside.streaming import OnProgress
from pipeline.vocabulary.vocabulary import Vocabulary

OWN = "own.json"
"""Name of the annotation that is taken first in a folder."""
TITLES = {
    coco_rel.LAYOUT: "coco-rel, COCO instances with relations",
    label_studio.LAYOUT: "Label Studio, JSON",
    cvat.LAYOUT: "CVAT, XML",
    labelme.LAYOUT: "LabelMe, one JSON a picture",
    ppdm.LAYOUT: "PPDM / QPIC, JSON",
}


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """Annotations that were read: the rows that can be used, the words, and what is wrong with the rest."""

    file: Path
    layout: str
    vocabulary: Vocabulary
    rows: Resolved
    problems: Problems
    counts: Mapping[str, int]
    """How many images, boxes and interactions the file has, whether they can be used or not."""

    @property
    def pairs(self) -> pd.DataFrame:
        """The interactions with an object: image, subject, object, verb_id, object_id and hoi_id."""
        relations = self.rows.relations[self.rows.relations["object"] != ALONE].reset_index(drop=True)
        things = self.rows.boxes["object_id"].to_numpy()[relations["object"].to_numpy()]
        table = self.vocabulary.lookup(self.vocabulary.ids)
        hois = table[things, relations["verb_id"].to_numpy()]
        return relations.assign(object_id=things, hoi_id=hois)


def own(path: Path, *, on_progress: OnProgress | None = None) -> FoundAnnotation | None:
    """The annotation of the user's own at a path; None where HICO-DET or V-COCO is there, or nothing that is known.

    Raises:
        DataError: it is of the user's own by its name, and cannot be read.
    """
    if path.is_file():
        if path.suffix.lower() in (".xml", ".zip"):
            return find(path)
        if annotation_files([path], hico.USUAL):
            return None
    else:
        if (path / OWN).is_file():
            return find(path, on_progress=on_progress)
        where = hico.look(path)
        if where.annotations or where.labels or where.images or reader.files(path):
            return None
    try:
        found = find(path, on_progress=on_progress)
    except DataError:
        return None
    return found if found.layout != ppdm.LAYOUT or folder.ids_beside(found.path) is not None else None


def why_not(path: Path) -> str:
    """Why there is no annotation of the user's own at a path; "" if there is one."""
    try:
        find(path)
    except DataError as error:
        return str(error)
    return ""


def read(
    path: Path,
    *,
    vocabulary: Path | None = None,
    pictures: Pictures | None = None,
    annotator: str | None = None,
    found: FoundAnnotation | None = None,
    on_progress: OnProgress | None = None,
) -> Annotated:
    """Read annotations; faulty rows are left out and listed in `problems`.

    Args:
        path: a file, or a folder with one annotation or with LabelMe's files.
        found: what `find` or `own` found there, which is used up; looked for if left out.
        on_progress: is called with the bytes of a `coco-rel` file that were read, and how many it has.
        vocabulary: the words; if left out, `vocabulary.yaml` beside the annotation or in the folder above.
        pictures: the pictures, of which names and sizes are checked; None to take both as they are written.
        annotator: of Label Studio: the id or email of the one whose annotations count.

    Raises:
        DataError: there is no annotation, it is of no known tool or an export that lacks relations, or words are missing.
    """
    walking.demand(path)
    with _keeping_objects():
        return _read(found or find(path, on_progress=on_progress), vocabulary, pictures, annotator)


@contextmanager
def _keeping_objects() -> Iterator[None]:
    """Switch the garbage collector off: among the millions of objects of a large file it costs half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _read(
    found: FoundAnnotation, vocabulary: Path | None, pictures: Pictures | None, annotator: str | None
) -> Annotated:
    problems = Problems(str(found.path))
    known = vocabulary or folder.words_beside(found.path)
    given = folder.read_words(known) if known is not None else None
    words = _words(found, given)
    raw = _raw(found, words, problems, annotator)
    refused = len(problems.of("E"))  # each is an interaction that its reader could not make
    counts = {
        "images": len(raw.images.names),
        "boxes": len(raw.boxes.image),
        "interactions": len(raw.relations.image) + refused,
    }
    rows = resolving.resolve(raw, words, pictures, problems)
    if given is None:
        if not len(rows.relations):
            problems.stop_if_any()
        with_object, alone = rows.by_pair(len(words.verb_names), len(words.object_names))
        occurring = [(verb, thing) for verb, thing in np.argwhere(with_object).tolist()]
        occurring += [(verb, ALONE) for verb in np.flatnonzero(alone).tolist()]
        given = coco_rel_words.vocabulary(found.value.values, str(found.path), occurring)
    return Annotated(file=found.path, layout=raw.layout, vocabulary=given, rows=rows, problems=problems, counts=counts)


@dataclass(frozen=True)
class FoundAnnotation:
    """Where annotations are and which tool wrote them; `value` is the parsed JSON, of `coco-rel` a `CocoRelFile`, `files` are
    LabelMe's."""

    path: Path
    layout: str
    value: Any = None
    files: tuple[Path, ...] = ()
    broken: Mapping[Path, str] = field(default_factory=dict)
    """Files that may be LabelMe's, and why they cannot be read."""
    parts: tuple[FoundAnnotation, ...] = ()
    """The annotation of each file, where every split has its own; `path` is then their folder, `value` that of the first."""


def find(path: Path, *, on_progress: OnProgress | None = None) -> FoundAnnotation:
    """The annotation at a path; DataError with what was seen if there is none, or several."""
    if path.is_file():
        return _of_file(path, on_progress)
    if (path / OWN).is_file():
        return _of_file(path / OWN, on_progress)
    passed: dict[str, str] = {}
    below = sorted(file for file, _ in files_under(path, (".json", ".xml", ".zip"), passed))
    found, refused = [], []
    known: set[Path] = set()  # LabelMe's
    for file in (file for file in below if file.parent == path):
        try:
            annotation = _of_file(file, on_progress)
        except DataError as error:
            refused.append(str(error))
            continue
        if annotation.layout == labelme.LAYOUT:
            known.add(file)
        else:
            found.append(annotation)
    if len(found) == 1:
        return found[0]
    if joined.are_splits([one.path for one in found]) and {one.layout for one in found} == {coco_rel.LAYOUT}:
        return FoundAnnotation(path, coco_rel.LAYOUT, found[0].value, parts=tuple(found))
    if found:
        names = ", ".join(one.path.name for one in found)
        raise DataError(
            f"{path}: several annotations, {names}; name one of them, or call it {OWN}; "
            "coco-rel files, one a split, are read together if their names end in train and test"
        )
    of_pictures, broken = _labelme((file for file in below if file.suffix == ".json"), known)
    if of_pictures:
        return FoundAnnotation(path, labelme.LAYOUT, files=of_pictures, broken=broken)
    seen = "; ".join([*refused[:SHOWN], *filter(None, [walking.skipped_line(passed)])]) or "no .json, .xml or .zip"
    raise DataError(f"{path}: no annotation is here ({seen}). docs/own-data.md lists the tools that are read")


def _labelme(files: Iterable[Path], known: Collection[Path]) -> tuple[tuple[Path, ...], dict[Path, str]]:
    """The files that are LabelMe's, and {file: why it cannot be read} of those that may be; `known` files are not read."""
    found, broken = [], {}
    for file in files:
        try:
            if file in known or labelme.is_file(reading.json_value(file, largest=reading.LARGEST_DATA)):
                found.append(file)
        except DataError as error:
            broken[file] = str(error).removeprefix(f"{file}: ")
    return tuple(found), broken


def _of_file(path: Path, on_progress: OnProgress | None) -> FoundAnnotation:
    """The annotation that a file has; DataError if it is none, saying what it is."""
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is an empty file; export it again")
    if path.suffix.lower() in (".xml", ".zip"):
        return FoundAnnotation(path, cvat.LAYOUT)
    if _is_small_labelme(path):
        return FoundAnnotation(path.parent, labelme.LAYOUT, files=(path,))
    if (content := coco_rel_file.read(path, on_progress=on_progress)) is not None:
        if content.is_coco:
            return FoundAnnotation(path, coco_rel.LAYOUT, content)
        if labelme.matches(content.keys, content.lists):
            return FoundAnnotation(path.parent, labelme.LAYOUT, files=(path,))
        raise _unknown(path)
    try:
        value = reading.json_value(path, largest=reading.LARGEST_DATA)
    except DataError:
        if path.suffix.lower() in (".json", ".gz"):
            raise
        raise _unknown(path) from None
    if label_studio.matches(value):
        return FoundAnnotation(path, label_studio.LAYOUT, value)
    if ppdm.matches(value):
        return FoundAnnotation(path, ppdm.LAYOUT, value)
    if label_studio.is_minimal(value):
        raise DataError(
            f"{path}: is Label Studio's export JSON-MIN, which has no relations and no region ids; export JSON"
        )
    raise _unknown(path)


def _is_small_labelme(path: Path) -> bool:
    """Whether a small file is LabelMe's. It is read as a whole, which is quicker, since a folder may have thousands."""
    try:
        return path.stat().st_size <= reading.PIECE and labelme.is_file(reading.json_value(path))
    except (OSError, DataError):  # whoever reads the file next says what is wrong with it
        return False


def _unknown(path: Path) -> DataError:
    return DataError(
        f"{path}: is no annotation that is known: coco-rel, Label Studio's JSON (of its exports choose JSON), "
        "CVAT's XML (CVAT for images 1.1), LabelMe's JSON, or PPDM's"
    )


def _words(found: FoundAnnotation, given: Vocabulary | None) -> Words:
    if given is not None:
        return words_of.of(given)
    for part in found.parts or (found,):  # that an export has no relations is said before any word that it lacks
        if found.layout == coco_rel.LAYOUT:
            coco_rel.demand_relations(part.value, str(part.path))
        elif found.layout == cvat.LAYOUT:
            cvat.content(part.path)
    if found.layout != coco_rel.LAYOUT:
        raise DataError(
            f"{found.path}: this tool does not say which words are verbs and which classes there are; write a "
            f"vocabulary.yaml beside it, or name it with --vocabulary (docs/own-data.md)"
        )
    if found.parts:
        joined.demand_same_words([(part.path, part.value) for part in found.parts])
    return coco_rel_words.words(found.value.values, str(found.path))


def _raw(found: FoundAnnotation, words: Words, problems: Problems, annotator: str | None) -> Raw:
    file = str(found.path)
    if found.layout == label_studio.LAYOUT:
        return label_studio.read(found.value, file, problems, annotator=annotator)
    if found.layout == ppdm.LAYOUT:
        known = folder.ids_beside(found.path)
        if known is None:
            beside = found.path.parent / ppdm.IDS
            raise DataError(
                f"{file}: has numbers without names; write {beside}: objects: {{1: person}}, verbs: {{0: ride}}"
            )
        return ppdm.read(found.value, file, ppdm.numbers(known), problems)
    if found.layout == labelme.LAYOUT:
        for path, why in found.broken.items():
            problems.add("E", path.relative_to(found.path).as_posix(), why, "the file is left out")
        return labelme.read(found.path, found.files, words, problems)
    if found.layout == cvat.LAYOUT:
        return cvat.read(found.path, words, problems)
    if found.parts:
        return joined.read([(part.path, part.value) for part in found.parts], file, problems)
    return coco_rel.read(found.value, file, problems)


def file_content(found: Annotated, *, about: str = "") -> dict[str, Any]:
    """The annotations as the content of a `coco-rel` file (`pipeline/datasets/own/write.py`)."""
    from pipeline.datasets.own import write

    images = found.rows.images.assign(image_id=range(1, len(found.rows.images) + 1))
    if not (images["split"] != "").any():
        images = images.drop(columns="split")
    return write.value(
        images,
        found.rows.boxes.assign(image_id=found.rows.boxes["image"] + 1),
        found.rows.relations.assign(image_id=found.rows.relations["image"] + 1),
        vocabulary=found.vocabulary,
        about=about or found.vocabulary.name,
    )
