"""Configuration of the evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from pipeline.config.section import Section


class Evaluation(Section):
    protocol: Literal["official", "upt", "qpic", "consnet", "exact", "area"] = Field(
        "official",
        description="whose rules decide, see docs/evaluation.md; of data.source = own it is exact unless it is given; the "
        "report shows it beside official and upt",
    )
    untrained: Literal["crops", "regions", "off"] = Field(
        "crops",
        description="the untrained baseline: the frozen CLIP on a crop of each pair's union box; on the cached image tokens "
        "of that region, which is quick and far weaker; or no baseline",
    )
    memory: bool = Field(
        False,
        description="a report's row of the training-free memory (ADA-CM); pair features hold frozen features of regions for it",
    )
    tau: PositiveFloat = Field(2.8, le=1_000, description="power of the detection prior at test")
