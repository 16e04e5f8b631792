"""Configuration of the learned model and of the pairs it sees."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from models.heads.kinds import HeadName
from models.sizes import Adapter, Inter, Parts, Preset
from pipeline.config.section import Section


class Pairing(Section):
    """Which detections become instances, and so pairs."""

    score_threshold: float = Field(
        0.2, ge=0, lt=1, description="boxes with a lower score are dropped, as far as min_instances allows it"
    )
    nms: float = Field(
        0.5, gt=0, le=1, description="IoU above which the lower-scored of two boxes of a class is dropped"
    )
    min_instances: PositiveInt = Field(
        3, le=1_000, description="the fewest humans, and the fewest objects, that are kept of an image"
    )
    max_instances: PositiveInt = Field(
        15, le=1_000, description="the most humans, and the most objects, that are kept of an image"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(
                f"pairing.min_instances = {self.min_instances} is more than pairing.max_instances = {self.max_instances}"
            )
        return self


class Model(Section):
    """EZ-HOI's learned parts; names as in the paper. The sizes among them are `models.sizes.Sizes`."""

    preset: Preset = Field(
        "paper", description="the method as the paper describes it, or numerically the released code"
    )
    head: HeadName = Field(
        "ezhoi", description="the text head, which makes verb scores of pair features and texts (docs/heads.md)"
    )
    prompts: PositiveInt = Field(2, le=1_000, description="p, the number of prompt tokens in a layer")
    layers: PositiveInt = Field(9, le=1_000, description="N, the number of prompted layers of each tower")
    bottleneck: PositiveInt = Field(64, le=65_536, description="width of every adapter's bottleneck")
    heads: PositiveInt = Field(
        2, le=65_536, description="the number of attention heads in a bottleneck; the text head is model.head"
    )
    guidance: Literal["pooled", "sentence", "token"] = Field(
        "pooled", description="F_txt of Eq. 2: which embedding of a description guides the prompts"
    )
    roi_size: PositiveInt = Field(7, le=256, description="side of RoI-Align's output, in pixels")
    logit_scale: PositiveFloat = Field(
        20.0, le=10_000, description="initial value of the learned scale of the cosine logits"
    )
    phrases_per_verb: PositiveInt = Field(
        2, le=100_000, description="how many phrases are kept for a verb, the least similar ones (Eq. 12)"
    )
    parts: Parts = Parts()
    adapter: Adapter = Field(
        "instance",
        description="how visual blocks hear of the detections: every token attends to all of them, or patches to those that "
        "lie on them and on their neighbours (LAIN)",
    )
    inter: Inter = Field(
        "attention",
        description="inter-HOI fusion as Eq. 11 has it, attention alone; or a block with an MLP and LayerNorms, as in the "
        "released code",
    )
    patterns: NonNegativeInt = Field(
        0,
        le=10_000,
        description="number of spatial patterns of seen pairs to which the adapter's instances attend (CMMP: 10); 0: none",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.preset == "released" and self.parts != Parts():
            raise ValueError("model.parts can be turned off in preset 'paper' only")
        if self.preset == "released" and (self.adapter != "instance" or self.patterns or self.inter != "attention"):
            raise ValueError("model.adapter, model.inter and model.patterns can be chosen in preset 'paper' only")
        if self.bottleneck % self.heads:
            raise ValueError(
                f"model.heads = {self.heads} do not divide model.bottleneck = {self.bottleneck}: every head has an equal part"
            )
        return self
