"""The text files of the released EZ-HOI code, read by the shape of their first line.

    1. A photo of a person ...:              descriptions, 600 in the order of HICO-DET's classes
       - Description: In this image ...
    (4, 4)                                   descriptions by verb and object
    Boarding an airplane refers to ...
    18, 16                                   disparities: class, class it differs from
    The phrase "a person ..." refers to ...
    0, a person exiting an airplane          visual cues by class; the named class is one that it is confused with
    1. The presence of ...

Files made for V-COCO number other verbs and classes. Texts by verb and object are read with the numbers under which more of
them name their object; pairs are found by the phrases that their texts quote. What is no class of HICO-DET is left out and
logged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.datasets.hico.vocabulary import HICO, demand
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.texts import synonyms
from pipeline.texts.given.rows import Row
from pipeline.vocabulary.vocabulary import Vocabulary

log = logging.getLogger("ezhoi.given")

_BY_PARTS = re.compile(r"^\((\d+), (\d+)\)\s*$")
_PAIR = re.compile(r"^(\d+), (\d+)\s*$")
_CUES = re.compile(r"^(\d+), (a person .+)$")
_CUE = re.compile(r"^\d+\.\s*(.+)$")
_QUOTED = re.compile(r'"(a person [^"]+?)[,.]?"')

VCOCO_VERBS = (
    "hold", "sit_on", "ride", None, None, None, "eat", None, "jump", "lie_on", "talk_on", "carry", "throw", "catch",
    "cut_with", "cut", None, None, None, None, "drink_with", "kick", "read", None,
)  # fmt: skip
"""HICO-DET's verb for each of V-COCO's 24 actions with an object, where it has the same one."""

Block = tuple[int, "re.Match[str]", list[str]]
"""(line number of a head, its match, the lines up to the next head)"""


def read(path: Path) -> list[Row]:
    """The rows of a file; DataError naming the file if it has none of the known shapes."""
    lines = reading.text(path).splitlines()
    for head, reader in READERS.items():
        if any(head.match(line) for line in lines[:3]):
            return reader(path, lines)
    raise DataError(
        f"{path}: none of the known formats: .csv, .json, .parquet, or a text file of the released code (600 "
        "descriptions, '(verb, object)', 'class, other class' or 'class, a person ...' before each text)"
    )


def write(path: Path, texts: Mapping[int, str], vocabulary: Vocabulary) -> None:
    """Descriptions of all 600 classes in the first format; DataError if classes are missing."""
    demand(vocabulary, str(path))
    missing = [hoi.name for hoi in HICO.classes if hoi.hoi_id not in texts]
    if missing:
        raise DataError(
            f"{path}: this format holds all 600 classes in order, and {len(missing)} have no text here (such as "
            f"{missing[0]}); write a .csv, .json or .parquet"
        )
    parts = [
        f"{hoi.hoi_id + 1}. A photo of {hoi.phrase}: \n   - Description: {texts[hoi.hoi_id]}\n" for hoi in HICO.classes
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def write_pairs(path: Path, texts: Mapping[tuple[int, int], str]) -> None:
    """Disparities in the third format."""
    path.write_text("".join(f"{one}, {other}\n{text}\n" for (one, other), text in texts.items()), encoding="utf-8")


def _titled(path: Path, lines: Sequence[str]) -> list[Row]:
    """A title and a text after a colon in each paragraph; titles vary and their numbers start anew, so the order counts."""
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if number > 1 and line.strip() and lines[number - 2].strip():
            text = " ".join(line.partition(":")[2].split())
            rows.append(Row(hoi_id=len(rows), text=text, origin=f"{path.name}, line {number}"))
    if len(rows) != len(HICO.classes):
        raise DataError(f"{path}: {len(rows)} descriptions; this format holds those of all 600 classes in order")
    return rows


def _by_parts(path: Path, lines: Sequence[str]) -> list[Row]:
    blocks = _blocks(lines, _BY_PARTS)
    hico = _parts(path, blocks, verb_names=HICO.verb_names, first_object=0)
    vcoco = _parts(path, blocks, verb_names=VCOCO_VERBS, first_object=1)
    rows = max(hico, vcoco, key=_named)
    if len(rows) < len(blocks):
        log.info(
            "%s: %d of %d texts are about classes of HICO-DET; the others are left out", path, len(rows), len(blocks)
        )
    return rows


def _parts(path: Path, blocks: Sequence[Block], *, verb_names: Sequence[str | None], first_object: int) -> list[Row]:
    rows = []
    for number, head, body in blocks:
        verb_number, object_id = int(head.group(1)), int(head.group(2)) - first_object
        verb = verb_names[verb_number] if verb_number < len(verb_names) else None
        hoi_id = HICO.of(HICO.verb_names.index(verb), object_id) if verb is not None else None
        if hoi_id is not None:
            rows.append(Row(hoi_id=hoi_id, text=_joined(body), origin=f"{path.name}, line {number}"))
    return rows


def _pairs(path: Path, lines: Sequence[str]) -> list[Row]:
    blocks = _blocks(lines, _PAIR)
    rows = [
        Row(hoi_id=one, other_id=other, text=_joined(body), origin=f"{path.name}, line {number}")
        for number, head, body in blocks
        if max(one := int(head.group(1)), other := int(head.group(2))) < len(HICO.classes)
    ]
    return rows if _named(rows) > 0.5 * len(blocks) else _quoted(path, blocks)


def _quoted(path: Path, blocks: Sequence[Block]) -> list[Row]:
    """Pairs whose numbers are another dataset's, told by the phrases that the texts quote."""
    known = {hoi.phrase: hoi.hoi_id for hoi in HICO.classes}
    rows: dict[int, Row] = {}
    for number, _, body in blocks:
        text = _joined(body)
        quoted = [known[phrase] for phrase in _QUOTED.findall(text) if phrase in known]
        if len(quoted) > 1 and quoted[0] != quoted[1] and quoted[0] not in rows:
            rows[quoted[0]] = Row(hoi_id=quoted[0], other_id=quoted[1], text=text, origin=f"{path.name}, line {number}")
    log.info("%s: %d of %d pairs are about classes of HICO-DET; the others are left out", path, len(rows), len(blocks))
    return list(rows.values())


def _cues(path: Path, lines: Sequence[str]) -> list[Row]:
    rows = []
    for number, head, body in _blocks(lines, _CUES):
        cues = [match.group(1) for line in body if (match := _CUE.match(line.strip()))] or body
        if int(head.group(1)) < len(HICO.classes):
            rows.append(Row(hoi_id=int(head.group(1)), text=_joined(cues), origin=f"{path.name}, line {number}"))
    return rows


def _blocks(lines: Sequence[str], head: re.Pattern[str]) -> list[Block]:
    found: list[Block] = []
    for number, line in enumerate(lines, start=1):
        if match := head.match(line):
            found.append((number, match, []))
        elif found and line.strip():
            found[-1][2].append(line)
    return found


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def _named(rows: Sequence[Row]) -> int:
    """How many texts name the object of their class."""
    return sum(synonyms.names_object(row.text, HICO.hoi(row.hoi_id).object) for row in rows)


READERS: dict[re.Pattern[str], Callable[[Path, Sequence[str]], list[Row]]] = {
    re.compile(r"^\s*(\d+\.|-)\s*(Class:\s*)?A photo of"): _titled,
    _BY_PARTS: _by_parts,
    _PAIR: _pairs,
    _CUES: _cues,
}
"""Readers by the pattern that the first lines match."""
