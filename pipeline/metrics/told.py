"""What a table of detections says of itself: whose boxes they are, and which classes were added to the model that made it.

`ezhoi predict` writes it into the table's metadata. Classes that were added have ids of their own, so they are told by their
names: what the annotations have under a name is measured, whatever its id is there; what they do not have cannot be.
"""

from __future__ import annotations

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
from pipeline.vocabulary.vocabulary import Vocabulary

KEY = b"ezhoi"
"""Of the metadata, a JSON value."""
MOST_SAID = 1_000
"""Letters of what a table says of itself that are repeated."""
LARGEST_ID = (1 << 31) - 1
"""Of a class, whoever numbered it."""
MOST_NAMED = 8
"""Classes that a note names."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a table says of itself; nothing of what it does not say, or says otherwise than `ezhoi predict` does.

    Attributes:
        says: in sentences.
        added: {class id: class name} of the classes that the model was not trained with.
        detector: whose boxes they are (`pipeline/boxes/detector_identity.py`).
        adapted: how added classes were adapted, in words.
        examples: {class name: example pairs that are remembered of it}.
        transductive: whether something was learned from the pictures that are predicted; None where that is not said.
    """

    says: str = ""
    added: Mapping[int, str] = field(default_factory=dict)
    detector: Mapping[str, Any] = field(default_factory=dict)
    adapted: str = ""
    examples: Mapping[str, int] = field(default_factory=dict)
    transductive: bool | None = None

    @property
    def as_json(self) -> dict[str, Any]:
        """What it says, as a report has it; nothing of a table that is silent."""
        found: dict[str, Any] = {"detector": dict(self.detector)} if self.detector else {}
        if self.transductive is not None:
            found |= {"transductive": self.transductive, "examples": dict(self.examples), "adapted": self.adapted}
        return found | ({"added": list(self.added.values())} if self.added else {})


def of_table(path: Path) -> Told:
    """What a Parquet file says of itself; nothing where it is none, or is silent."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return Told()
    try:
        about = json_value((pq.read_schema(path).metadata or {}).get(KEY, b"null").decode())
    except (OSError, ValueError):
        return Told()
    return of_json(about)


def of_json(about: object) -> Told:
    """The same of the value itself."""
    if not isinstance(about, Mapping):
        return Told()
    says, added, adapted = about.get("says"), about.get("added"), about.get("adapted")
    detector, examples, transductive = about.get("detector"), about.get("examples"), about.get("transductive")
    entries = [one for one in added if isinstance(one, Mapping)] if isinstance(added, list) else []
    return Told(
        says=says if isinstance(says, str) else "",
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
    )


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_ID


def placed(frame: pd.DataFrame, told: Told, vocabulary: Vocabulary, *, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows under the annotations' ids, without those of classes that the annotations lack; and remarks.

    DataError naming a row whose `hoi_id` is no whole number.
    """
    notes = [f"{Path(name).name} says: {plain(told.says[:MOST_SAID])}"] if told.says else []
    if not told.added or "hoi_id" not in frame:
        return frame, notes
    try:
        given = columns.whole(frame, "hoi_id", name)
    except ValueError as error:
        raise DataError(str(error)) from None
    here: dict[int, int] = {}
    for number, called in told.added.items():
        try:
            here[number] = vocabulary.find(called).hoi_id
        except ValueError:
            here[number] = -1
    theirs = np.sort(np.array(list(here), dtype=np.int64))
    place = np.minimum(np.searchsorted(theirs, given), len(theirs) - 1)
    ours = np.array([here[int(number)] for number in theirs], dtype=np.int64)
    hois = np.where(theirs[place] == given, ours[place], given)
    kept = hois >= 0
    measured = [called for number, called in told.added.items() if here[number] >= 0]
    lacking = [called for number, called in told.added.items() if here[number] < 0]
    if measured:
        notes.append(f"classes that were added to the model and are annotated here: {_named(measured)}")
    if lacking:
        notes.append(
            f"classes that were added to the model and that {vocabulary.name} does not have, so nothing measures them: "
            f"{_named(lacking)} ({(~kept).sum():,} detections are left out)"
        )
    return frame.assign(hoi_id=hois)[kept], notes


def _named(names: Iterable[str]) -> str:
    """Names in a sentence, the first of many."""
    every = [plain(name) for name in names]
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def unlike(methods: Mapping[str, Told]) -> list[str]:
    """In which respects several tables are no answers to one question, a sentence each; none where they do not say.

    Boxes of several detectors, classes known by name alone, example pairs that some of them remember, and pictures that some
    learned from may each make all of a difference.
    """
    notes = []
    boxes = {name: _with_digest(told.detector) for name, told in methods.items() if told.detector}
    if len(set(boxes.values())) > 1:
        every = "; ".join(f"{name}: {detector}" for name, detector in boxes.items())
        notes.append(f"the boxes are not of one detector, which may make all of a difference: {every}")
    for what, having in (
        ("remembers example pairs (few-shot)", [name for name, told in methods.items() if told.examples]),
        (
            "learned from the pictures that it predicts (transductive)",
            [n for n, t in methods.items() if t.transductive],
        ),
        ("has classes that it was not trained with", [name for name, told in methods.items() if told.added]),
        ("adapted added classes", [name for name, told in methods.items() if told.adapted]),
    ):
        if having and len(having) < len(methods):
            notes.append(f"{', '.join(having)} {what}, and {_others(methods, having)} not")
    return notes


def _others(methods: Mapping[str, Told], having: list[str]) -> str:
    others = [name for name in methods if name not in having]
    return f"{', '.join(others)} {'does' if len(others) == 1 else 'do'}"


def whose(detector: Mapping[str, Any]) -> str:
    """Whose boxes they are, in words."""
    if note := detector.get("note"):
        return plain(str(note))
    return plain(f"{detector.get('name')}, trained on {detector.get('trained_on') or 'data not known'}")


def _with_digest(detector: Mapping[str, Any]) -> str:
    """The same with the start of the weights' or the file's digest, where it is told."""
    number = detector.get("digest")
    return whose(detector) + (f" ({plain(number[:12])})" if isinstance(number, str) else "")
