"""Configuration of the two trainings, `seen` and `utpl`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from models.precision import Precision
from models.sizes import Scope
from pipeline.config.section import Section
from pipeline.config.sources import File

MOST_STEPS = 1_000_000_000
"""The most steps or epochs; more would take years."""
RelationTemperature = Annotated[
    PositiveFloat, Field(le=1e6, description="temperature of the similarities in the class-relation loss")
]
ConsistencyWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="weight of CMMP's loss that keeps learned phrases near CLIP's own (CMMP: 1); 0: without it",
    ),
]


class Optimiser(Section):
    lr: PositiveFloat = Field(1e-3, le=1e6, description="learning rate of AdamW at the start")
    weight_decay: float = Field(1e-4, ge=0, le=1e6, description="weight decay of AdamW")
    clip_norm: PositiveFloat = Field(
        0.1, le=1e9, description="the largest norm of a step's gradient; longer ones are scaled down to it"
    )


class Focal(Section):
    """The focal loss (Eq. 13)."""

    alpha: float = Field(0.5, gt=0, lt=1, description="weight of the positives against the negatives (Eq. 13)")
    gamma: float = Field(0.2, ge=0, le=100, description="gamma, by which well classified entries count less (Eq. 13)")


class Augment(Section):
    """How a training step changes its images and their boxes (`pipeline/boxes/augmentation.py`)."""

    flip: bool = Field(True, description="mirror half of the images")
    colour: float = Field(
        0.0, ge=0, lt=1, description="the largest change of brightness, contrast and saturation; paper: 0.4"
    )
    scale: bool = Field(
        False,
        description="resize the image so that its shorter side has 480 .. 800 pixels for an online detector; paper: true",
    )
    crop: float = Field(0.0, ge=0, le=1, description="probability that a window is cut out of the image; paper: 0.5")
    detector: Literal["cached", "online"] = Field(
        "cached",
        description="where boxes come from: the cache, moved with the image; or the detector, run online with its dropout on, "
        "as in the released code",
    )


class TrainRuntime(Section):
    """How a training is computed. It changes only the last bits of the result.

    Only in preset `released` does the number of parts of a batch (`accumulate` x `processes` x `machines`) count:
    `Stage.config_subset`.
    """

    checkpoint_every: PositiveInt = Field(50, le=MOST_STEPS, description="steps between checkpoints")
    loaders: NonNegativeInt | None = Field(
        None,
        le=1_024,
        description="threads that prepare the next batches; 0: none; null: by the machine's cores, at most 8",
    )
    deterministic: bool = Field(
        False,
        description="use deterministic algorithms only; on a GPU these are slower, on a CPU all are deterministic",
    )


class SeenRuntime(TrainRuntime):
    accumulate: PositiveInt = Field(
        1, le=65_536, description="number of passes into which a process divides its share of a batch"
    )
    processes: PositiveInt = Field(
        1,
        le=1_024,
        description="processes on a machine that train together, one for each GPU; several are started by `accelerate launch`",
    )
    apart: bool = Field(False, description="train in a separate process, even if it is only one")
    machines: PositiveInt = Field(
        1,
        le=1_024,
        description="machines that train together, with `processes` on each; give the same command on each machine",
    )
    machine: NonNegativeInt | None = Field(
        None,
        le=1_023,
        description="number of this machine, from 0; machine 0 publishes the result; null: as Slurm's variables say",
    )
    rendezvous: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}$",
        description="HOST:PORT of machine 0, where they meet; null: the job's first node, as Slurm's variables say",
    )
    patience_s: PositiveInt = Field(
        1_800, le=604_800, description="seconds that machines and processes wait for each other before they give up"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.machine is not None and self.machine >= self.machines:
            raise ValueError(
                f"machine = {self.machine}: with machines = {self.machines} the last one is {self.machines - 1}"
            )
        if self.rendezvous is not None and not 0 < int(self.rendezvous.rpartition(":")[2]) < 65_536:
            raise ValueError(f"rendezvous = {self.rendezvous}: ports are 1 to 65535")
        return self


class Seen(Section):
    """Training on the seen classes."""

    weights: File | None = Field(
        None, description="file of imported weights (ezhoi weights import), used instead of a training"
    )
    init: File | None = Field(
        None,
        description="a bundle whose prompts, guidance, adapters and fusion the training starts from; its classes may differ",
    )
    epochs: PositiveInt = Field(12, le=MOST_STEPS, description="number of passes over the training images")
    drop_after: PositiveInt = Field(
        10, le=MOST_STEPS, description="epoch after which the learning rate falls to a tenth"
    )
    batch_size: PositiveInt = Field(16, le=1_000_000, description="images in a step, over all processes")
    optimiser: Optimiser = Optimiser()
    focal: Focal = Focal()
    relation_weight: float = Field(150.0, ge=0, le=1e6, description="alpha of the class-relation loss (Eq. 16)")
    relation_temperature: RelationTemperature = 0.1
    consistency_weight: ConsistencyWeight = 0.0
    tau: PositiveFloat = Field(1.0, le=1_000, description="power of the detection prior in training")
    augment: Augment = Augment()
    precision: Precision = Field(
        "fp32",
        description="precision of the training: fp32; tf32 on a GPU; or bf16 for towers and adapters, while weights, "
        "logits and losses stay fp32",
    )
    joint: bool = Field(
        False,
        description="train the unseen classes here too, in one loss, as in the paper; stage `utpl` then only takes them over",
    )
    negative_weight: float = Field(
        0.1, ge=0, le=1e6, description="weight of negative learning (where seen.joint is true)"
    )
    runtime: SeenRuntime = SeenRuntime()


class Utpl(Section):
    """Unseen text prompt learning, which opens no image. The defaults were chosen on validation scenes (docs/utpl.md)."""

    steps: PositiveInt = Field(60, le=MOST_STEPS, description="steps of the adaptation")
    batch_size: PositiveInt = Field(
        256, le=1_000_000, description="number of negatives, and of positives, among the cached seen pairs of a step"
    )
    optimiser: Optimiser = Optimiser()
    scope: Scope = Field(
        "own_class",
        description="pairs that the phrase of an unseen class speaks for. All hear it after UTPL if they show its object; the "
        "others: own_class, before UTPL, and only if its verb has no seen phrase; own_object, before UTPL; verb, after it. "
        "With seen.joint and in preset released it is verb",
    )
    align_weight: float = Field(0.1, ge=0, le=1e6, description="weight of the alignment with the nearest seen class")
    relation_weight: float = Field(5.0, ge=0, le=1e6, description="weight of the class-relation loss (Eq. 16)")
    relation_temperature: RelationTemperature = 0.1
    consistency_weight: ConsistencyWeight = 0.0
    negative_weight: float = Field(1.0, ge=0, le=1e6, description="weight of negative learning")
    positive_weight: float = Field(
        0.3,
        ge=0,
        le=1e6,
        description="weight of pairs with the class's verb and another object, relative to the negatives",
    )
    runtime: TrainRuntime = TrainRuntime()
