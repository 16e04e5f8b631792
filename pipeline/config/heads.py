"""Configuration of the heads that are made from cached pairs: how they are trained, and a section for the options of each."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from models.heads.kinds import LowrankOptions, MemoryOptions, RegionsOptions
from pipeline.config.section import Section
from pipeline.config.training import MOST_STEPS, Optimiser, TrainRuntime


class Heads(Section):
    """Heads other than `ezhoi` (`model.head`). Stage `utpl` makes them from cached pairs, and trains those that learn.

    It opens no picture.
    """

    steps: PositiveInt = Field(600, le=MOST_STEPS, description="steps of a head's training")
    batch_size: PositiveInt = Field(512, le=1_000_000, description="cached training pairs a step")
    optimiser: Optimiser = Optimiser()
    memory: MemoryOptions = MemoryOptions()
    regions: RegionsOptions = RegionsOptions()
    lowrank: LowrankOptions = LowrankOptions()
    runtime: TrainRuntime = TrainRuntime()
