"""Descriptions and disparities from a user's file, whatever its format; each text remembers its place in the file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.datasets.hico.vocabulary import demand
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.outside.escaping import unfit
from pipeline.texts import synonyms
from pipeline.texts.given import released, tables
from pipeline.texts.given.rows import Row
from pipeline.texts.llm import thinking
from pipeline.vocabulary.vocabulary import Vocabulary

log = logging.getLogger("ezhoi.given")

LEAST_NAMED = 0.5
"""Least share of a file's texts that name their class's object; below it, the file's numbers are not the vocabulary's."""


@dataclass(frozen=True, slots=True)
class Given:
    """A text with the file and the place that it is from."""

    text: str
    origin: str


def descriptions(path: Path, vocabulary: Vocabulary) -> dict[int, Given]:
    """{hoi_id: text} of a file of descriptions.

    Raises DataError naming the file and the row: unreadable, an unknown class, a class twice, an empty text, texts that
    are obviously about other classes, pairs of classes.
    """
    found: dict[int, Given] = {}
    for row in _rows(path, vocabulary):
        if row.other_id is not None:
            one, other = (vocabulary.hoi(hoi_id).name for hoi_id in (row.hoi_id, row.other_id))
            raise DataError(
                f"{row.origin}: compares {one} with {other}; this file is one of disparities, not of descriptions "
                "(disparities.file, or --disparities)"
            )
        if row.hoi_id in found:
            raise DataError(f"{row.origin}: {vocabulary.hoi(row.hoi_id).name} has a text already; keep one")
        found[row.hoi_id] = Given(row.text, row.origin)
    return found


def disparities(path: Path, vocabulary: Vocabulary) -> dict[int, tuple[int, Given]]:
    """{hoi_id: (hoi_id of the other class, how the first differs from it)} of a file of pairs.

    Raises DataError as `descriptions` does, and where a row names no other class.
    """
    found: dict[int, tuple[int, Given]] = {}
    for row in _rows(path, vocabulary):
        name = vocabulary.hoi(row.hoi_id).name
        if row.other_id is None:
            raise DataError(f"{row.origin}: does not say what {name} is compared with; this is no file of pairs")
        if row.hoi_id in found:
            raise DataError(f"{row.origin}: {name} has a disparity already; keep one")
        found[row.hoi_id] = (row.other_id, Given(row.text, row.origin))
    return found


def _rows(path: Path, vocabulary: Vocabulary) -> Sequence[Row]:
    try:
        rows = tables.read(path, vocabulary) if path.suffix.lower() in tables.READERS else _released(path, vocabulary)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reading.why(error)}") from None
    if not rows:
        raise DataError(f"{path}: holds no text")
    rows = [_spoken(row, vocabulary) for row in rows]
    named = sum(synonyms.names_object(row.text, vocabulary.hoi(row.hoi_id).object) for row in rows)
    if named < LEAST_NAMED * len(rows):
        raise DataError(
            f"{path}: only {named} of {len(rows)} texts name the object of their class, so its numbers are not those "
            f"of {vocabulary.name}'s classes. Give classes by name, in a CSV with the columns class and text."
        )
    return rows


def _released(path: Path, vocabulary: Vocabulary) -> list[Row]:
    """The rows of a file of the released code, by HICO-DET's numbers, without those of classes that the vocabulary lacks."""
    demand(vocabulary, str(path))
    rows = released.read(path)
    known = frozenset(vocabulary.ids)
    kept = [row for row in rows if row.hoi_id in known and (row.other_id is None or row.other_id in known)]
    tables.say_foreign([f"class {row.hoi_id}" for row in rows if row not in kept], vocabulary)
    return kept


def _spoken(row: Row, vocabulary: Vocabulary) -> Row:
    """The row with its text as it is used: without a model's thinking."""
    where = f"{row.origin}: the text of {vocabulary.hoi(row.hoi_id).name}"
    check_text(row.text, where=where)
    text = thinking.spoken(row.text)
    if not text:
        raise DataError(f"{where} is a model's thinking without an answer")
    if text != row.text:
        log.warning("%s began with a model's thinking or marks, which are left out", where)
    return replace(row, text=text)


def check_text(text: str, *, where: str) -> None:
    """DataError if a user's text is empty, too long, or has control characters."""
    if not text:
        raise DataError(f"{where} is empty")
    if len(text) > reading.LONGEST_TEXT:
        raise DataError(f"{where} has {len(text):,} characters; the most that is read are {reading.LONGEST_TEXT:,}")
    if (strange := unfit(text)) is not None:
        raise DataError(f"{where} has the control character {strange}, which no description needs; take it out")
