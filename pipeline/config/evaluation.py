"""Configuration of the evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from pipeline.config.section import Section

ProtocolName = Literal["official", "upt", "qpic", "consnet", "exact", "area"]
"""The names of the protocols of `pipeline/metrics/protocols.py`."""


class Evaluation(Section):
    protocol: ProtocolName = Field(
        "official",
        description="whose rules of AP are used (docs/evaluation.md); with data.source = own the default is exact; the report "
        "shows it beside official and upt",
    )
    untrained: Literal["crops", "regions", "off"] = Field(
        "crops",
        description="the untrained baseline: the frozen CLIP on a crop of each pair's union box; on the cached image tokens "
        "of that region, which is quick and far weaker; or no baseline",
    )
    memory: bool = Field(
        False,
        description="whether the report has a row of the training-free memory (ADA-CM), for which features of regions are kept",
    )
    tau: PositiveFloat = Field(2.8, le=1_000, description="power of the detection prior in evaluation")
