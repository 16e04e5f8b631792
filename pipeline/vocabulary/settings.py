"""Zero-shot settings as data: by name, the ids of the classes that get no training labels.

A dataset brings its own; a user's are a YAML file that `data.settings` names, classes by name:

    mine: [feed horse, ride bicycle]

`default` is in all of them and leaves nothing unseen.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, DataError
from pipeline.outside import reading
from pipeline.vocabulary.vocabulary import Vocabulary

Settings = Mapping[str, frozenset[int]]
"""{setting: ids of its unseen classes}"""

DEFAULT = "default"
"""Name of the setting in which every class is seen."""


def unseen(settings: Settings, name: str) -> frozenset[int]:
    """The classes that a setting hides from training; ConfigError naming the valid settings and the nearest one."""
    if name not in settings:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), settings, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"setting = {name!r}: this dataset has no such zero-shot setting.{hint} Settings: {', '.join(settings)}; "
            "your own come from a YAML file, --set data.settings=FILE"
        )
    return settings[name]


def parse(value: Any, vocabulary: Vocabulary, *, origin: str, taken: Collection[str] = ()) -> dict[str, frozenset[int]]:
    """Settings from parsed YAML or JSON, {setting: [class names]}.

    Args:
        origin: what errors call the file.
        taken: names that may not be given again.

    Raises:
        DataError: naming the file, the setting and the class, with the nearest names.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{origin}: expected settings by name, each a list of unseen classes: 'mine: [feed horse]'")
    found: dict[str, frozenset[int]] = {}
    for name, classes in value.items():
        where = f"{origin}: setting {name!r}"
        if not isinstance(name, str) or not name.isidentifier():
            raise DataError(f"{where}: a name is letters, digits and underscores, and begins with a letter")
        if name in taken or (name == DEFAULT and classes):
            raise DataError(f"{where}: the dataset has a setting of that name; choose another")
        if not isinstance(classes, list):
            raise DataError(
                f"{where}: expected a list of classes such as [feed horse, ride bicycle], found {classes!r}"
            )
        hidden: set[int] = set()
        for entry in classes:
            hoi_id = _class(entry, vocabulary, where)
            if hoi_id in hidden:
                raise DataError(f"{where}: class {entry!r} is listed twice; keep one")
            hidden.add(hoi_id)
        if len(hidden) == len(vocabulary.classes):
            raise DataError(f"{where}: all {len(hidden)} classes are unseen, so nothing is left to train on")
        found[name] = frozenset(hidden)
    return found


def read_own(path: Path, vocabulary: Vocabulary, *, taken: Collection[str] = ()) -> dict[str, frozenset[int]]:
    """The settings of a user's YAML file; DataError naming the file and what is wrong."""
    value = reading.yaml_value(path)
    if isinstance(value, Mapping) and set(value) == {"settings"}:  # as in a vocabulary's file
        value = value["settings"]
    return parse(value, vocabulary, origin=str(path), taken=taken)


def write(path: Path, settings: Settings) -> None:
    """Write settings as JSON, {setting: [ids]}: ids and not names, so that a spelling that is corrected changes none."""
    lines = [f"{json.dumps(name)}: {json.dumps(sorted(hidden))}" for name, hidden in settings.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: Path) -> dict[str, frozenset[int]]:
    """Settings that `write` wrote."""
    return {name: frozenset(ids) for name, ids in json.loads(path.read_text(encoding="utf-8")).items()}


def _class(entry: Any, vocabulary: Vocabulary, where: str) -> int:
    if isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry):
        entry = " ".join(entry)  # [feed, horse], as in a vocabulary's classes
    if not isinstance(entry, str):
        raise DataError(f"{where}: {entry!r} is no class; a class is a verb and an object, such as 'feed horse'")
    try:
        return vocabulary.find(entry).hoi_id
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
