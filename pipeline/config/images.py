"""Configuration of how stages go through images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models.precision import Precision
from pipeline.config.section import Section


class ImagesRuntime(Section):
    workers: PositiveInt = Field(
        1,
        le=1_024,
        description="processes that compute an image stage on one machine; several GPUs are assigned to them in turn",
    )
    helpers: NonNegativeInt = Field(
        16,
        le=1_024,
        description="the most other workers of its Prefect pool that a run asks to help with an image stage",
    )
    readers: PositiveInt = Field(4, le=1_024, description="threads in a process that decode the next images")


class Images(Section):
    """How the stages that open images go through them."""

    unreadable: Literal["error", "skip"] = Field(
        "error",
        description="what to do about images that cannot be read: fail once all others are done, or leave them out and report "
        "them",
    )
    precision: Precision = Field(
        "fp32",
        description="precision of passes that train nothing (embeddings, crops of pairs, pair features; not the detector): "
        "fp32, tf32 (on a GPU) or bf16",
    )
    runtime: ImagesRuntime = ImagesRuntime()

    @model_validator(mode="before")
    @classmethod
    def _formerly_runtime(cls, given: object) -> object:
        """Accept `images.runtime.unreadable`, the former name of `images.unreadable`."""
        if not (
            isinstance(given, dict) and isinstance(given.get("runtime"), dict) and "unreadable" in given["runtime"]
        ):
            return given
        runtime = dict(given["runtime"])
        former = runtime.pop("unreadable")
        if given.get("unreadable", former) != former:
            raise ValueError(
                "unreadable is given twice, as images.unreadable and as images.runtime.unreadable; keep the first"
            )
        return given | {"unreadable": former, "runtime": runtime}
