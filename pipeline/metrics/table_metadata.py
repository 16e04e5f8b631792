"""What a table of detections says about itself: its classes, whose boxes it has, and which interactions it leaves out.

`ezhoi predict` writes it into the table's metadata. Every vocabulary numbers its classes, and a user's is edited, so names
identify them: a class that the annotations have under that name is measured, whatever its id is there; others cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.outside import columns
from pipeline.outside.escaping import plain
from pipeline.outside.parsing import json_value
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

KEY = b"ezhoi"
"""The key of the metadata, whose value is JSON."""
MOST_SAID = 1_000
"""How many letters of a table's own words are quoted."""
LARGEST_ID = (1 << 31) - 1
"""The largest id of a class, whoever numbered it."""
ALL = 100_000
"""So many interactions of a picture are all of them."""
_NUMBER = re.compile(r"[0-9]{1,10}")
MOST_NAMED = 8
"""How many classes a note names."""


@dataclass(frozen=True, kw_only=True)
class TableMetadata:
    """What a table says about itself; empty where it says nothing, or not in the form of `ezhoi predict`.

    Attributes:
        says: its own words, in sentences.
        classes: {class id: class name} of all classes of the model, by which the rows are numbered.
        added: {class id: class name} of the classes that the model was not trained with.
        detector: whose boxes they are (`pipeline/boxes/detector_identity.py`).
        adapted: how added classes were adapted, in words.
        examples: {class name: number of remembered example pairs}.
        transductive: whether something was learned from the predicted pictures; None if the table does not say it.
        cut: which interactions it has, in words, where it has not all of them: the best of a picture, above a score.
    """

    says: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    added: Mapping[int, str] = field(default_factory=dict)
    detector: Mapping[str, Any] = field(default_factory=dict)
    adapted: str = ""
    examples: Mapping[str, int] = field(default_factory=dict)
    transductive: bool | None = None
    cut: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        """What it says, in the form of a report; empty for a silent table."""
        found: dict[str, Any] = {"detector": dict(self.detector)} if self.detector else {}
        if self.transductive is not None:
            found |= {"transductive": self.transductive, "examples": dict(self.examples), "adapted": self.adapted}
        return found | ({"added": list(self.added.values())} if self.added else {})


def of_table(path: Path) -> TableMetadata:
    """What a Parquet file, or a folder of the parts of one, says about itself; empty for any other file or a silent one.

    DataError if one part says something else than another: they are of several predictions.
    """
    said: dict[bytes, Path] = {}
    try:
        for file in _files(path):
            said.setdefault((pq.read_schema(file).metadata or {}).get(KEY, b"null"), file)
        about = json_value(next(iter(said), b"null").decode())
    except (OSError, ValueError):  # who reads the rows says so
        return TableMetadata()
    if len(said) > 1:
        first, second, *_ = (file.relative_to(path) for file in said.values())
        raise DataError(
            f"{path}: {first} and {second} do not say the same of themselves: they are of several predictions"
        )
    return of_json(about)


def _files(path: Path) -> list[Path]:
    """The Parquet files of a table; none if it is in another format, such as a folder of MATLAB files."""
    if path.is_dir():
        return [] if any(path.glob("*.mat")) and not any(path.glob("*.parquet")) else columns.parts(path)
    return [path] if path.suffix.lower() == ".parquet" else []


def of_json(about: object) -> TableMetadata:
    """The same from the JSON value itself."""
    if not isinstance(about, Mapping):
        return TableMetadata()
    says, added, adapted = about.get("says"), about.get("added"), about.get("adapted")
    detector, examples, transductive = about.get("detector"), about.get("examples"), about.get("transductive")
    entries = [one for one in added if isinstance(one, Mapping)] if isinstance(added, list) else []
    classes = about.get("classes")
    named = classes.items() if isinstance(classes, Mapping) else ()
    return TableMetadata(
        says=says if isinstance(says, str) else "",
        classes={
            int(number): called
            for number, called in named
            if isinstance(number, str) and _NUMBER.fullmatch(number) and _is_id(int(number)) and isinstance(called, str)
        },
        added={
            one["hoi_id"]: one["class"]
            for one in entries
            if _is_id(one.get("hoi_id")) and isinstance(one.get("class"), str)
        },
        detector={str(key): value for key, value in detector.items()} if isinstance(detector, Mapping) else {},
        adapted=adapted if isinstance(adapted, str) else "",
        examples={str(name): n for name, n in examples.items() if type(n) is int}
        if isinstance(examples, Mapping)
        else {},
        transductive=transductive if isinstance(transductive, bool) else None,
        cut=_cut(about),
    )


def _cut(about: Mapping[Any, Any]) -> str:
    """Which interactions `ezhoi predict` kept of a picture, in words; empty if it kept all, or the table does not say it."""
    top, threshold, only = about.get("top"), about.get("threshold"), about.get("only")
    parts = [f"the best {top:,} of a picture"] if type(top) is int and 0 < top < ALL else []
    if type(threshold) is float and threshold > 0:
        parts.append(f"those with a score of {threshold:g} or more")
    if isinstance(only, list) and only and all(isinstance(name, str) for name in only):
        parts.append(f"those of {_named(only)}")
    return ", ".join(parts)


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_ID


def placed(
    frame: pd.DataFrame, metadata: TableMetadata, vocabulary: Vocabulary, *, name: str
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with the annotations' ids, without rows of classes that the annotations lack, and remarks.

    DataError naming a row whose `hoi_id` is no whole number.
    """
    notes = _remarks(metadata, name=name)
    if not (metadata.added or metadata.classes) or "hoi_id" not in frame:
        return frame, notes
    try:
        given = columns.whole(frame, "hoi_id", name)
    except ValueError as error:
        raise DataError(str(error)) from None
    named = {**metadata.classes, **metadata.added}
    here = {number: _place(number, called, vocabulary) for number, called in named.items()}
    if metadata.classes and max(here.values()) < 0:
        raise DataError(f"{name}: {vocabulary.name} has none of its classes, such as {_named(named.values())}")
    theirs = np.sort(np.array(list(here), dtype=np.int64))
    place = np.minimum(np.searchsorted(theirs, given), len(theirs) - 1)
    ours = np.array([here[int(number)] for number in theirs], dtype=np.int64)
    is_named = theirs[place] == given
    hois = np.where(is_named, ours[place], given)
    kept = ~is_named | (hois >= 0)
    if measured := [called for number, called in metadata.added.items() if here[number] >= 0]:
        notes.append(f"classes that were added to the model and are annotated here: {_named(measured)}")
    if moved := sum(number != there >= 0 for number, there in here.items() if number not in metadata.added):
        notes.append(f"{moved:,} classes of the model have other ids in {vocabulary.name}: their names tell them")
    lacking = [number for number, there in here.items() if there < 0]
    for what, is_added in (
        ("classes that were added to the model and that", True),
        ("classes of the model that", False),
    ):
        if numbers := [number for number in lacking if (number in metadata.added) == is_added]:
            notes.append(
                f"{what} {vocabulary.name} does not have, so nothing measures them: "
                f"{_named(named[n] for n in numbers)} ({np.isin(given, numbers).sum():,} detections are left out)"
            )
    return frame.assign(hoi_id=hois)[kept], notes


def _remarks(metadata: TableMetadata, *, name: str) -> list[str]:
    """What a table says of itself, for whoever evaluates it."""
    notes = [f"{Path(name).name} says: {plain(metadata.says[:MOST_SAID])}"] if metadata.says else []
    if metadata.cut:
        notes.append(
            f"{Path(name).name} holds a part of the interactions only ({metadata.cut}), and AP counts all: predict them with "
            f"--threshold 0 --top {ALL} and without --only, in another --out"
        )
    return notes


def _place(number: int, called: str, vocabulary: Vocabulary) -> int:
    """The id of a class in a vocabulary by its name; -1 if it has none of that name. The same id is preferred."""
    if number in vocabulary.ids and comparable(vocabulary.hoi(number).name) == comparable(called):
        return number
    try:
        return vocabulary.find(called).hoi_id
    except ValueError:
        return -1


def _named(names: Iterable[str]) -> str:
    """Names in a sentence, the first of many."""
    every = [plain(name) for name in names]
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def unlike(methods: Mapping[str, TableMetadata]) -> list[str]:
    """A sentence for each respect in which several tables are not comparable, as far as they tell.

    Boxes of several detectors, classes known only by name, example pairs that some remember, and pictures from which some
    learned may each explain a whole difference.
    """
    notes = []
    boxes = {name: _with_digest(metadata.detector) for name, metadata in methods.items() if metadata.detector}
    if len(set(boxes.values())) > 1:
        every = "; ".join(f"{name}: {detector}" for name, detector in boxes.items())
        notes.append(f"the boxes are not of one detector, which may make all of a difference: {every}")
    for what, having in (
        ("remembers example pairs (few-shot)", [name for name, metadata in methods.items() if metadata.examples]),
        (
            "learned from the pictures that it predicts (transductive)",
            [n for n, t in methods.items() if t.transductive],
        ),
        ("has classes that it was not trained with", [name for name, metadata in methods.items() if metadata.added]),
        ("adapted added classes", [name for name, metadata in methods.items() if metadata.adapted]),
    ):
        if having and len(having) < len(methods):
            notes.append(f"{', '.join(having)} {what}, and {_others(methods, having)} not")
    return notes


def _others(methods: Mapping[str, TableMetadata], having: list[str]) -> str:
    others = [name for name in methods if name not in having]
    return f"{', '.join(others)} {'does' if len(others) == 1 else 'do'}"


def whose(detector: Mapping[str, Any]) -> str:
    """The detector of the boxes, in words."""
    if note := detector.get("note"):
        return plain(str(note))
    return plain(f"{detector.get('name')}, trained on {detector.get('trained_on') or 'data not known'}")


def _with_digest(detector: Mapping[str, Any]) -> str:
    """The same with the start of the digest of the weights or the file, if it is known."""
    number = detector.get("digest")
    return whose(detector) + (f" ({plain(number[:12])})" if isinstance(number, str) else "")
