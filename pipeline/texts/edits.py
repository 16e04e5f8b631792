"""Descriptions written by the user: a YAML mapping of class names to texts.

ride horse: A person riding a horse sits high on its back. Both hands hold the reins.
no_interaction dog: ...
"""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.errors import DataError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.outside import parsing, reading
from pipeline.texts.given.tables import say_foreign
from pipeline.texts.given.texts import check_text
from pipeline.vocabulary.vocabulary import Vocabulary, comparable


def put(path: Path, name: str, text: str, vocabulary: Vocabulary) -> None:
    """Set the text of a class in an edits file, which is made if it is missing; all other lines stay as they are.

    Several processes may do so at the same time. DataError if the changed file could not be read; it then stays as it is.
    """
    with locks.held_folder(path.parent):
        _put(path, name, text, vocabulary)


def _put(path: Path, name: str, text: str, vocabulary: Vocabulary) -> None:
    before = read(path, vocabulary) if path.exists() else {}
    lines = reading.text(path).splitlines(keepends=True) if path.exists() else []
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    entry = yaml.safe_dump({name: text}, allow_unicode=True, width=100)
    start, end = _span(path, name) if path.exists() else (len(lines), len(lines))
    with atomic(path) as temporary:
        temporary.write_text("".join([*lines[:start], entry, *lines[end:]]), encoding="utf-8")
        try:
            after = read(temporary, vocabulary)
        except DataError as error:
            raise DataError(str(error).replace(str(temporary), str(path))) from None
        if after != before | {vocabulary.find(name).hoi_id: " ".join(text.split())}:
            raise DataError(
                f"descriptions.edits = {path}: cannot be edited line by line; write it with one entry a line"
            )


def _span(path: Path, name: str) -> tuple[int, int]:
    """The lines of a class's entry, as (first, one after the last); both are behind the last line if it has none."""
    root = reading.yaml_node(path)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if comparable(str(key.value)) == comparable(name):
            last = value.end_mark
            return key.start_mark.line, last.line + (last.column > 0)
    count = len(reading.text(path).splitlines())
    return count, count


def read(path: Path, vocabulary: Vocabulary) -> dict[int, str]:
    """{hoi_id: text} of an edits file, whitespace collapsed.

    Raises DataError naming the file, the line and the key: not YAML, no mapping, an unknown class (with the nearest
    names), a class given twice, a text that is empty, is no text, or has control characters.
    """
    root = reading.yaml_node(path, what=f"descriptions.edits = {path}")
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise DataError(f"descriptions.edits = {path}: expected a mapping such as 'ride horse: A person riding ...'")
    found: dict[int, str] = {}
    foreign: list[str] = []
    for key, value in root.value:  # nodes, not values: they know their lines, and duplicates are not lost
        if not isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            raise DataError(f"descriptions.edits = {path}, line {line}: a list or mapping is no class; expected a name")
        where = f"descriptions.edits = {path}, line {key.start_mark.line + 1}, key {parsing.shown(key.value)}"
        try:
            hoi_id = vocabulary.find(str(key.value)).hoi_id
        except ValueError as error:
            if vocabulary.may_be_elsewhere(str(key.value)):
                foreign.append(str(key.value))
                continue
            raise DataError(f"{where}: {error}") from None
        if hoi_id in found:
            raise DataError(f"{where}: this class has a text already; keep one")
        text = " ".join(value.value.split()) if isinstance(value, yaml.ScalarNode) else None
        if text is None or value.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:null"):
            raise DataError(f"{where}: expected a text (put it in quotes)")
        if not text or value.tag.endswith("null"):
            raise DataError(f"{where}: the text is empty; write one, or delete the line to use the usual description")
        check_text(text, where=f"{where}: the text")
        found[hoi_id] = text
    say_foreign(foreign, vocabulary)
    return found
