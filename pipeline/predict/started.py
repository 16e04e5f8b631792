"""What a training that started from a bundle (`seen.init`, `pipeline/predict/warm_start.py`) had learned before.

A class on whose labels the bundle was trained is not unseen any more, whatever the new zero-shot setting says; `Start` names
these classes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeline.predict.bundle import Header, Start
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

FILE = "start.json"
"""The name of the file with the `Start` in the artifact of stage `seen`."""


def start(header: Header, file_digest: str) -> Start:
    """What a model was trained on, including the bundles from which it started itself."""
    before = header.start
    own = {hoi.name for hoi in header.classes.classes} - {header.classes.hoi(h).name for h in header.unseen}
    return Start(
        digest=file_digest,
        datasets=(*(before.datasets if before else ()), header.dataset),
        training_pairs=header.training_pairs + (before.training_pairs if before else 0),
        labelled=tuple(sorted(own | set(before.labelled if before else ()))),
    )


def read(seen: Artifact) -> Start | None:
    """The start of the training of an artifact of stage `seen`; None if it started afresh."""
    return Start.model_validate(seen.json(FILE)) if seen.names(FILE) else None


def not_unseen(begun: Start | None, vocabulary: Vocabulary, unseen: Collection[int]) -> frozenset[int]:
    """The unseen classes on whose labelled pairs the start was trained, compared by their names."""
    labelled = set() if begun is None else {comparable(name) for name in begun.labelled}
    return frozenset(h for h in unseen if comparable(vocabulary.hoi(h).name) in labelled)


def says(begun: Start, vocabulary: Vocabulary, unseen: Collection[int]) -> str:
    """A sentence about what the start had learned of the unseen classes."""
    names = [vocabulary.hoi(h).name for h in sorted(not_unseen(begun, vocabulary, unseen))]
    shown = f" ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''})" if names else ""
    return (
        f"{len(names):,} of {len(unseen):,} unseen classes{shown} are among those of whose labelled pairs the bundle that "
        f"training started from had learned ({' then '.join(begun.datasets)}, {begun.training_pairs:,} pairs)"
    )


def touch(begun: Start, vocabulary: Vocabulary, unseen: Collection[int]) -> dict[str, Any]:
    """The same, as a row of a leakage report (`pipeline/datasets/leakage.py`)."""
    count = len(not_unseen(begun, vocabulary, unseen))
    sentence = says(begun, vocabulary, unseen)
    return {"what": "start of training", "touches_unseen": count > 0, "count": count, "says": sentence}
