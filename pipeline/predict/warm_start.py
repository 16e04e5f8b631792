"""A training that starts from a bundle (`seen.init`): its prompts, guidance, adapters and fusion, on other classes perhaps.

Nothing that is learned belongs to a class: the prompts are shared by all, and a class comes in through its phrase and its
description. So a model fits any vocabulary on the same CLIP and with the same sizes. What does not go along are labels: a
class that the bundle was trained on is not unseen any more, whatever the new zero-shot setting says; `Start` names them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models import digests
from models.clip import Clip
from models.hoi import HoiModel
from pipeline.config.tree import Config
from pipeline.errors import ConfigError
from pipeline.learned import build
from pipeline.predict import bundle as bundles
from pipeline.predict import opening
from pipeline.predict.bundle import Header, Start
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import Vocabulary, comparable

FILE = "start.json"
"""Name of the `Start` in the artifact of the stage `seen`."""


def model(path: Path, config: Config, clip: Clip) -> tuple[HoiModel, Start]:
    """The bundle's model, to be trained on, and what it was trained on before.

    Raises:
        DataError: the file is no whole bundle.
        ConfigError: it is of another CLIP, or of other sizes than the configuration asks for.
    """
    bundle = bundles.read(path)
    _demand_clip(path, bundle.header, config, clip)
    _demand_sizes(path, bundle.header, config)
    found = opening.model(bundle, clip).train().requires_grad_(True)
    return found, start(bundle.header, digest.of_file(path))


def start(header: Header, file_digest: str) -> Start:
    """What a model was trained on, those included that it started from itself."""
    before = header.start
    own = {hoi.name for hoi in header.classes.classes} - {header.classes.hoi(h).name for h in header.unseen}
    return Start(
        digest=file_digest,
        datasets=(*(before.datasets if before else ()), header.dataset),
        training_pairs=header.training_pairs + (before.training_pairs if before else 0),
        labelled=tuple(sorted(own | set(before.labelled if before else ()))),
    )


def read(seen: Artifact) -> Start | None:
    """Where the training of an artifact of the stage `seen` started; None if it started afresh."""
    return Start.model_validate(seen.json(FILE)) if seen.names(FILE) else None


def not_unseen(begun: Start | None, vocabulary: Vocabulary, unseen: Collection[int]) -> frozenset[int]:
    """Those of the unseen classes that the start was trained on labelled pairs of, told by their names."""
    labelled = set() if begun is None else {comparable(name) for name in begun.labelled}
    return frozenset(h for h in unseen if comparable(vocabulary.hoi(h).name) in labelled)


def says(begun: Start, vocabulary: Vocabulary, unseen: Collection[int]) -> str:
    """What the start had learned of the unseen classes, in words."""
    names = [vocabulary.hoi(h).name for h in sorted(not_unseen(begun, vocabulary, unseen))]
    shown = f" ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''})" if names else ""
    return (
        f"{len(names):,} of {len(unseen):,} unseen classes{shown} are among those of whose labelled pairs the bundle that "
        f"training started from had learned ({' then '.join(begun.datasets)}, {begun.training_pairs:,} pairs)"
    )


def touch(begun: Start, vocabulary: Vocabulary, unseen: Collection[int]) -> dict[str, Any]:
    """The same as a row of a leakage report (`pipeline/datasets/leakage.py`)."""
    count = len(not_unseen(begun, vocabulary, unseen))
    told = says(begun, vocabulary, unseen)
    return {"what": "start of training", "touches_unseen": count > 0, "count": count, "says": told}


def _demand_clip(path: Path, header: Header, config: Config, clip: Clip) -> None:
    theirs = header.clip
    ours = opening.identity_of(clip, config)
    if digests.of_weights(clip.net) != theirs.digest:
        raise ConfigError(
            f"seen.init = {path}: was trained on CLIP {theirs.architecture} with the weights {theirs.weights} (digest "
            f"{theirs.digest[:12]}), and this run's is {ours.architecture} with {ours.weights} ({ours.digest[:12]}); "
            "set clip.architecture and clip.weights to its own"
        )
    for key in ("image_size", "mean", "std", "tokens"):
        _demand_equal(path, f"clip.{key}", getattr(theirs, key), getattr(ours, key))


def _demand_sizes(path: Path, header: Header, config: Config) -> None:
    _demand_equal(path, "model.preset", header.preset, config.model.preset)
    theirs, ours = asdict(header.sizes), asdict(build.sizes(config))
    for values in (theirs, ours):
        values |= {f"parts.{name}": on for name, on in values.pop("parts").items()}
        del values["logit_scale"]  # where a fresh training starts; a bundle has what was learned
    for key, value in theirs.items():
        _demand_equal(path, f"model.{key}", value, ours[key])


def _demand_equal(path: Path, key: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise ConfigError(
            f"seen.init = {path}: was trained with {key} = {theirs}, and this run has {ours}; set {key} to its own"
        )
