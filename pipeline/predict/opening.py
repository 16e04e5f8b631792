"""From a bundle to modules: the frozen CLIP that it names, and the model with its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from models import clip_loading, digests
from models.clip import Clip
from models.hoi import HoiModel
from pipeline.config.packaged import TINY_CLIP
from pipeline.config.tree import Config
from pipeline.errors import DataError, EzhoiError
from pipeline.learned import build
from pipeline.outside import reading
from pipeline.predict.bundle import Bundle, ClipIdentity


def clip(identity: ClipIdentity, *, file: Path | str | None = None, device: str | torch.device = "cpu") -> Clip:
    """The frozen CLIP of a bundle.

    Args:
        file: the file of its weights, for a bundle that was made with a file, or in place of downloading a tag.

    Raises:
        DataError: there are no such weights, or they are not those on which the bundle was trained.
    """
    found: Path | str
    if file is not None:
        found = Path(file)
    elif identity.kind == "packaged":
        found = TINY_CLIP
    elif identity.kind == "tag":
        found = identity.weights
    else:
        raise DataError(
            f"the bundle was trained on CLIP's weights in a file called {identity.weights} ({identity.architecture}), which "
            "a bundle does not contain: say where it is (--clip FILE)"
        )
    try:
        loaded = clip_loading.load(
            architecture=identity.architecture,
            weights=found,
            image_size=identity.image_size,
            device=device,
            mean=identity.mean,
            std=identity.std,
            resize=identity.resize,
        )
    except clip_loading.UnfitError as error:  # its advice is for who can choose another architecture
        raise DataError(
            f"the bundle was trained on CLIP {identity.architecture}, which cannot be loaded from {found}: {error.fault}"
        ) from error
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"the bundle's CLIP cannot be loaded: {error}") from error
    if (digest := digests.of_weights(loaded.net)) != identity.digest:
        raise DataError(
            f"{found} holds other weights of CLIP (digest {digest[:12]}) than those that the bundle was trained on "
            f"({identity.weights}, {identity.digest[:12]}); with them its numbers would mean nothing"
        )
    return loaded


def identity_of(loaded: Clip, config: Config) -> ClipIdentity:
    """What a bundle says about the CLIP of the configuration, on which its model was trained; of a file only its name."""
    pixels, weights, packaged = (
        loaded.net.visual.preprocess_cfg,
        build.clip_weights(config),
        config.clip.weights.packaged,
    )
    is_file = isinstance(weights, Path)
    return ClipIdentity.model_validate(
        {
            "architecture": config.clip.architecture,
            "weights": "tiny" if packaged else Path(weights).name if is_file else str(weights),
            "kind": "packaged" if packaged else "file" if is_file else "tag",
            "digest": digests.of_weights(loaded.net),
            "image_size": loaded.image_size,
            "mean": tuple(pixels["mean"]),
            "std": tuple(pixels["std"]),
            "resize": pixels["resize_mode"],
            "tokens": config.clip.tokens,
        }
    )


def model(bundle: Bundle, loaded: Clip) -> HoiModel:
    """The bundle's model on its CLIP; DataError if its weights do not have the sizes that it states."""
    header, learned = bundle.header, bundle.learned()
    try:
        # The shapes first: sizes that are not those of the weights may ask for any amount of memory.
        wanted = build.shapes(header.preset, header.sizes, loaded)
    except (EzhoiError, RuntimeError) as error:  # RuntimeError: a shape that no tensor can have
        raise DataError(f"the bundle's weights do not fit the sizes in its header: {reading.why(error)}") from None
    there = {name: value.shape for name, value in learned.items()}
    if wrong := [name for name in sorted({*wanted, *there}) if wanted.get(name) != there.get(name)]:
        needs, has = (str(tuple(found[wrong[0]])) if wrong[0] in found else "not there" for found in (wanted, there))
        raise DataError(
            f"the bundle's weights do not fit the sizes in its header: {wrong[0]} is {has}, and {needs} in such a model"
        )
    found = build.of_preset(header.preset, header.sizes, loaded)
    found.load_state_dict(learned)
    return found.eval().requires_grad_(False)
