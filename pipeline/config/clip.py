"""Configuration of the frozen CLIP."""

from __future__ import annotations

import difflib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from pipeline.config.section import Section
from pipeline.config.sources import ClipWeights, clip_weights

Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


@cache
def architectures() -> tuple[str, ...]:
    """The names of open_clip's architectures, found without importing it (it imports torch); none where it is not installed."""
    found = importlib.util.find_spec("open_clip")
    folders = (found.submodule_search_locations or []) if found else []
    return tuple(sorted(path.stem for folder in folders for path in Path(folder).glob("model_configs/*.json")))


class Clip(Section):
    """The frozen vision-language model, an open_clip architecture."""

    architecture: str = Field(
        "tiny", description="'tiny' (the project's own) or an open_clip name such as ViT-B-16-quickgelu"
    )
    weights: ClipWeights = Field(
        clip_weights("tiny"), description="'tiny', an open_clip pretrained tag such as 'openai', or a checkpoint file"
    )
    image_size: PositiveInt = Field(112, le=4_096, description="side of the square input image, in pixels")
    mean: tuple[Share, Share, Share] | None = Field(
        None,
        description="mean of red, green and blue, in 0..1, in its training; null: that of the tag, or OpenAI's for a file",
    )
    std: tuple[PositiveShare, PositiveShare, PositiveShare] | None = Field(
        None, description="standard deviation, as clip.mean"
    )
    resize: Literal["shortest", "squash"] | None = Field(
        None, description="how an image becomes a square: its centre is cut out, or it is squashed; null: as clip.mean"
    )
    tokens: Literal["all", "cls"] = Field(
        "all", description="which frozen image tokens are kept: all (CLS and patches) or CLS alone"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check that the names of architecture and weights fit; the content of a file is checked when it is read."""
        if self.architecture == "tiny" and self.weights.path is None:
            raise ValueError(
                f"clip.weights = {self.weights} does not belong to clip.architecture = tiny; "
                "set clip.architecture to its name in open_clip too, such as ViT-B-16-quickgelu"
            )
        if self.architecture != "tiny" and self.weights.packaged:
            raise ValueError(
                f"clip.weights = tiny does not belong to clip.architecture = {self.architecture}; "
                "set clip.weights too, such as openai"
            )
        known = ("tiny", *architectures())
        if len(known) > 1 and self.architecture not in known:
            near = difflib.get_close_matches(self.architecture[:80], known, n=3, cutoff=0.4)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise ValueError(f"clip.architecture = {self.architecture}: open_clip has none of that name{hint}")
        return self
