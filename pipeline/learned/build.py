"""From the configuration to modules: the frozen CLIP, the model with its sizes, and reproducible seeds."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import torch

from models.clip import Clip
from models.hoi import EzHoi, HoiModel
from models.released.hoi import ReleasedHoi
from models.sizes import Preset, Sizes
from pipeline.config.tree import Config
from pipeline.errors import ConfigError, DataError
from pipeline.work.torch_device import device


def frozen_clip(config: Config) -> Clip:
    """The configured CLIP on the configured device."""
    from models import clip_loading  # imports open_clip: seconds, for a process that needs a CLIP

    chosen = config.clip
    try:
        return clip_loading.load(
            architecture=chosen.architecture,
            weights=clip_weights(config),
            image_size=chosen.image_size,
            device=device(config),
            mean=chosen.mean,
            std=chosen.std,
            resize=chosen.resize,
        )
    except FileNotFoundError as error:
        raise DataError(f"clip.weights = {error}") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error


def clip_weights(config: Config) -> Path | str:
    """The file of the configured CLIP, or its tag in open_clip."""
    return config.clip.weights.path or config.clip.weights.text


def sizes(config: Config) -> Sizes:
    """The model's chosen sizes."""
    return Sizes(**{size.name: getattr(config.model, size.name) for size in dataclasses.fields(Sizes)})


def model(config: Config, clip: Clip) -> HoiModel:
    """The configured model with fresh weights, on CLIP's device; ConfigError if it does not fit CLIP."""
    return of_preset(config.model.preset, sizes(config), clip)


def of_preset(preset: Preset, chosen: Sizes, clip: Clip) -> HoiModel:
    """A preset's model of the chosen sizes with fresh weights, on CLIP's device; ConfigError if it does not fit CLIP."""
    return _fresh(preset, chosen, clip).to(clip.device)


def shapes(preset: Preset, chosen: Sizes, clip: Clip) -> dict[str, torch.Size]:
    """The shapes of that model's tensors, for which no weights are made; ConfigError if it does not fit CLIP."""
    with torch.device("meta"):
        return {name: value.shape for name, value in _fresh(preset, chosen, clip).state_dict().items()}


def _fresh(preset: Preset, chosen: Sizes, clip: Clip) -> HoiModel:
    try:
        return (ReleasedHoi if preset == "released" else EzHoi)(clip=clip, sizes=chosen)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def paper_model(config: Config, clip: Clip) -> EzHoi:
    """The model of preset `paper`; ConfigError if it does not fit CLIP."""
    try:
        return EzHoi(clip=clip, sizes=sizes(config)).to(clip.device)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def seed_of(*names: object) -> int:
    """A seed that depends on the names alone, the same in every process: (seed, "seen", "epoch", 3)."""
    return int.from_bytes(hashlib.blake2b(repr(names).encode(), digest_size=8).digest(), "big") >> 1


def released_model(config: Config, clip: Clip) -> ReleasedHoi:
    """The model of preset `released`; ConfigError if it does not fit CLIP."""
    try:
        return ReleasedHoi(clip=clip, sizes=sizes(config)).to(clip.device)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def generator(*names: object) -> torch.Generator:
    """A CPU generator seeded by the names alone (`seed_of`)."""
    return torch.Generator().manual_seed(seed_of(*names))
