"""Which heads there are, what each reads of the record of a pair, and its options. Without torch, for the configuration.

A head is a file `models/heads/<name>.py` with a class `HEAD`, and a line in `HeadName` and in `KINDS` here. Its options are a
frozen dataclass, which a line in `pipeline/config/heads.py` makes the section `heads.<name>` of the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HeadName = Literal["ezhoi", "memory", "regions", "lowrank"]
Column = Literal["human", "object", "union", "geometry"]
"""A column that the record of a pair has for some heads only; see `models.heads.record.PairRecord`."""
REGION_COLUMNS: tuple[Column, ...] = ("human", "object", "union")
"""The columns with the frozen CLIP's features of regions, which are made from its tokens of all patches."""
CONCEPTS = ("human", "object", "context")
"""The regions that the phrases of `Kind.concepts` describe: the two boxes and their surroundings."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the pipeline knows of a head before it is loaded."""

    says: str
    """What the head is, in a few words for reports."""
    reads: tuple[Column, ...] = ()
    concepts: bool = False
    """Whether it reads phrases about what each verb shows in each region (`Texts.concepts`), which are made for it alone."""
    trains: bool = False
    """Whether stage `utpl` trains it on cached pairs; otherwise it is computed from them."""


KINDS: Mapping[HeadName, Kind] = {
    "ezhoi": Kind(says="EZ-HOI: guided phrases, and UTPL for unseen classes"),
    "memory": Kind(says="training-free memory (ADA-CM)", reads=REGION_COLUMNS),
    "regions": Kind(
        says="region concepts and variance prompts (VDRP)",
        reads=(*REGION_COLUMNS, "geometry"),
        concepts=True,
        trains=True,
    ),
    "lowrank": Kind(says="low-rank class texts (HOLa)", reads=("human", "object", "geometry"), trains=True),
}


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """Options of `models/heads/memory.py`."""

    pairs: int = field(
        default=8, metadata={"description": "the most annotated training pairs that are remembered for a verb"}
    )
    composed: int = field(
        default=100, metadata={"description": "the most rows that are composed of seen pairs for an unseen class"}
    )

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= 1_000_000 or not 0 <= self.composed <= 1_000_000:
            raise ValueError("heads.memory: pairs are 1 to 1000000, composed rows 0 to 1000000")


@dataclass(frozen=True, kw_only=True)
class RegionsOptions:
    """Options of `models/heads/regions.py`; the values are the paper's."""

    variance: float = field(default=0.02, metadata={"description": "alpha, how far a verb's variance moves its text"})
    noise: float = field(
        default=0.1, metadata={"description": "beta, the noise that is added to the texts in training"}
    )
    concepts: float = field(
        default=0.2, metadata={"description": "gamma, the weight of the phrases that are looked up"}
    )

    def __post_init__(self) -> None:
        if not all(0 <= weight <= 1_000_000 for weight in (self.variance, self.noise, self.concepts)):
            raise ValueError("heads.regions: variance, noise and concepts are weights, 0 to 1000000")


@dataclass(frozen=True, kw_only=True)
class LowrankOptions:
    """Options of `models/heads/lowrank.py`."""

    rank: int | None = field(
        default=None, metadata={"description": "rows of the basis; null: as many as keep 95 % of the variance"}
    )

    def __post_init__(self) -> None:
        if self.rank is not None and not 2 <= self.rank <= 1_000_000:
            raise ValueError("heads.lowrank: rank is 2 to 1000000, or null")
