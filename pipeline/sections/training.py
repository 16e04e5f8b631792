"""Configuration of the two trainings, `seen` and `utpl`."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.sections.section import Section


class Optimiser(Section):
    lr: PositiveFloat = 1e-3
    weight_decay: float = Field(1e-4, ge=0)
    clip_norm: PositiveFloat = 0.1


class Focal(Section):
    """Eq. 13."""

    alpha: float = Field(0.5, gt=0, lt=1)
    gamma: float = Field(0.2, ge=0)


class TrainRuntime(Section):
    checkpoint_every: PositiveInt = Field(50, description="steps between checkpoints")


class Seen(Section):
    """Training on the seen classes."""

    epochs: PositiveInt = 12
    drop_after: PositiveInt = Field(10, description="epoch after which the learning rate is a tenth")
    batch_size: PositiveInt = Field(16, description="images a step")
    optimiser: Optimiser = Optimiser()
    focal: Focal = Focal()
    relation_weight: float = Field(150.0, ge=0, description="alpha of the class-relation loss (Eq. 16)")
    relation_temperature: PositiveFloat = 0.1
    tau: PositiveFloat = Field(1.0, description="power of the detection prior in training")
    flip: bool = Field(True, description="mirror half of the images")
    runtime: TrainRuntime = TrainRuntime()


class Utpl(Section):
    """Unseen-class trainable prompt learning: text only."""

    steps: PositiveInt = 400
    batch_size: PositiveInt = Field(256, description="cached seen pairs a step")
    optimiser: Optimiser = Optimiser()
    align_weight: float = Field(1.0, ge=0)
    relation_weight: float = Field(50.0, ge=0)
    relation_temperature: PositiveFloat = 0.1
    negative_weight: float = Field(0.1, ge=0, description="weight of negative learning")
    runtime: TrainRuntime = TrainRuntime()
