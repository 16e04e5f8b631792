"""Zero-shot settings as data: by name, the ids of the classes that get no training labels.

A dataset has settings of its own; a user's are a YAML file that `data.settings` names, with classes by name:

    mine: [feed horse, ride bicycle]
    verbs: {unseen verbs: [feed, ride]}          # every class of these verbs
    objects: {unseen objects: [horse]}           # every class of these objects
    rare: rare 20%                               # so many classes, those with the fewest training pairs first; every verb
                                                 # and every object keeps a class that is seen

`default` is in every dataset and leaves nothing unseen.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, DataError
from pipeline.outside import reading
from pipeline.outside.parsing import nearest, shown
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

Settings = Mapping[str, frozenset[int]]
"""{setting: ids of its unseen classes}"""

_RARE = re.compile(r"rare +(\d{1,2}(?:\.\d{1,3})?) ?%")
DEFAULT = "default"
"""Name of the setting in which every class is seen."""


def unseen(settings: Settings, name: str) -> frozenset[int]:
    """The classes that a setting hides from training.

    ConfigError for an unknown one, naming the valid settings and the nearest one, and for one but `default` that hides none.
    """
    if name not in settings:
        near = nearest(name.lower().replace("-", "_"), settings, cutoff=0.4)
        hint = f" Did you mean {shown(near)}?" if near else ""
        raise ConfigError(
            f"setting = {shown(name)}: this dataset has no such zero-shot setting.{hint} Settings: {', '.join(settings)}; "
            "your own come from a YAML file, --set data.settings=FILE"
        )
    if not settings[name] and name != DEFAULT:
        raise ConfigError(
            f"setting = {shown(name)} leaves no class unseen: name some, or take a larger share (`rare` leaves every verb and "
            f"every object a seen class); without unseen classes it is --set setting={DEFAULT}"
        )
    return settings[name]


def parse(
    value: Any,
    vocabulary: Vocabulary,
    *,
    origin: str,
    taken: Collection[str] = (),
    counts: Callable[[], Mapping[int, int]] | None = None,
) -> dict[str, frozenset[int]]:
    """Settings from parsed YAML or JSON, {setting: [class names], or a rule}.

    Args:
        origin: how errors name the file.
        taken: names that may not be given again.
        counts: gives the training pairs of each class; without it rules by rarity are refused.

    Raises:
        DataError: naming the file, the setting and the class, with the nearest names.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{origin}: expected settings by name, each a list of unseen classes: 'mine: [feed horse]'")
    found: dict[str, frozenset[int]] = {}
    for name, classes in value.items():
        where = f"{origin}: setting {shown(name)}"
        if not isinstance(name, str) or not name.isidentifier():
            raise DataError(f"{where}: a name is letters, digits and underscores, and begins with a letter")
        if name in taken or (name == DEFAULT and classes):
            raise DataError(f"{where}: the dataset has a setting of that name; choose another")
        hidden = _hidden(classes, vocabulary, where, counts)
        if len(hidden) == len(vocabulary.classes):
            raise DataError(f"{where}: all {len(hidden)} classes are unseen, so nothing is left to train on")
        found[name] = frozenset(hidden)
    return found


def _hidden(
    given: Any, vocabulary: Vocabulary, where: str, counts: Callable[[], Mapping[int, int]] | None
) -> frozenset[int]:
    """The unseen classes that a list or a rule names."""
    if isinstance(given, str) and (found := _RARE.fullmatch(given.strip())):
        if counts is None:
            raise DataError(
                f"{where}: training pairs are not counted here; put the rule into a file that data.settings names"
            )
        return rarest(vocabulary, counts(), float(found[1]) / 100)
    if isinstance(given, Mapping) and len(given) == 1 and next(iter(given)) in ("unseen verbs", "unseen objects"):
        return _of_words(given, vocabulary, where)
    if not isinstance(given, list):
        raise DataError(
            f"{where}: expected a list of classes such as [feed horse, ride bicycle], rare 20%, {{unseen verbs: [feed]}} or "
            f"{{unseen objects: [horse]}}; found {shown(given)}"
        )
    hidden: set[int] = set()
    for entry in given:
        hoi_id = _class(entry, vocabulary, where)
        if hoi_id in hidden:
            raise DataError(f"{where}: class {shown(entry)} is listed twice; keep one")
        hidden.add(hoi_id)
    return frozenset(hidden)


def rarest(vocabulary: Vocabulary, counts: Mapping[int, int], share: float) -> frozenset[int]:
    """The classes with the fewest training pairs, at most this share of all; each verb and object keeps a seen class."""
    left_of_verb = Counter(c.verb_id for c in vocabulary.classes)
    left_of_object = Counter(c.object_id for c in vocabulary.classes)
    hidden: set[int] = set()
    for one in sorted(vocabulary.classes, key=lambda c: (counts.get(c.hoi_id, 0), c.hoi_id)):
        if len(hidden) + 1 > share * len(vocabulary.classes):
            break
        if left_of_verb[one.verb_id] > 1 and left_of_object[one.object_id] > 1:
            hidden.add(one.hoi_id)
            left_of_verb[one.verb_id] -= 1
            left_of_object[one.object_id] -= 1
    return frozenset(hidden)


def _of_words(given: Mapping[str, Any], vocabulary: Vocabulary, where: str) -> frozenset[int]:
    """Every class of some verbs, or of some objects."""
    ((rule, words),) = given.items()
    kind = rule.removeprefix("unseen ").removesuffix("s")
    names = vocabulary.verb_names if kind == "verb" else vocabulary.object_names
    known = {comparable(name): number for number, name in enumerate(names)}
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{where}: {rule}: expected a list of names, found {shown(words)}")
    numbers = set()
    for word in words:
        if comparable(word) not in known:
            near = nearest(comparable(word), known)
            raise DataError(
                f"{where}: no {kind} is called {shown(word)}" + (f"; did you mean {shown(near)}?" if near else "")
            )
        numbers.add(known[comparable(word)])
    return frozenset(c.hoi_id for c in vocabulary.classes if (c.verb_id if kind == "verb" else c.object_id) in numbers)


def read_own(
    path: Path,
    vocabulary: Vocabulary,
    *,
    taken: Collection[str] = (),
    counts: Callable[[], Mapping[int, int]] | None = None,
) -> dict[str, frozenset[int]]:
    """The settings of a user's YAML file; DataError naming the file and what is wrong."""
    value = reading.yaml_value(path)
    if isinstance(value, Mapping) and set(value) == {"settings"}:  # as in a vocabulary's file
        value = value["settings"]
    return parse(value, vocabulary, origin=str(path), taken=taken, counts=counts)


def write(path: Path, settings: Settings) -> None:
    """Write settings as JSON, {setting: [ids]}. Ids are used, not names, so that a corrected spelling changes nothing here."""
    lines = [f"{json.dumps(name)}: {json.dumps(sorted(hidden))}" for name, hidden in settings.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: Path) -> dict[str, frozenset[int]]:
    """Read the settings that `write` wrote."""
    return {name: frozenset(ids) for name, ids in json.loads(path.read_text(encoding="utf-8")).items()}


def _class(entry: Any, vocabulary: Vocabulary, where: str) -> int:
    if isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry):
        entry = " ".join(entry)  # [feed, horse], as in a vocabulary's classes
    if not isinstance(entry, str):
        raise DataError(f"{where}: {shown(entry)} is no class; a class is a verb and an object, such as 'feed horse'")
    try:
        return vocabulary.find(entry).hoi_id
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
