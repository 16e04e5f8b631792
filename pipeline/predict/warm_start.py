"""A training that starts from a bundle (`seen.init`): its prompts, guidance, adapters and fusion, on other classes perhaps.

Nothing that is learned belongs to one class: all classes share the prompts, and a class enters by its phrase and its
description. So a model fits any vocabulary with the same CLIP and the same sizes. But a class on whose labels the bundle was
trained is not unseen any more (`pipeline/predict/started.py`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from models import digests
from models.clip import Clip
from models.hoi import HoiModel
from pipeline.config.tree import Config
from pipeline.errors import ConfigError
from pipeline.learned import build
from pipeline.predict import bundle as bundles
from pipeline.predict import opening
from pipeline.predict.bundle import Header, Start
from pipeline.predict.started import start
from pipeline.store import digest


def model(path: Path, config: Config, clip: Clip) -> tuple[HoiModel, Start]:
    """The bundle's model, which is to be trained further, and what it was trained on before.

    Raises:
        DataError: the file is no whole bundle.
        ConfigError: it is of another CLIP, or of other sizes than the configuration asks for.
    """
    bundle = bundles.read(path)
    _demand_clip(path, bundle.header, config, clip)
    _demand_sizes(path, bundle.header, config)
    found = opening.model(bundle, clip).train().requires_grad_(True)
    return found, start(bundle.header, digest.of_file(path))


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
