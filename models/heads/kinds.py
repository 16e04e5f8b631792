"""Which heads there are, what each reads of the record of a pair, and its options. Without torch, for the configuration.

A head is a file `models/heads/<name>.py` with a class `HEAD`, and a line in `HeadName` and in `KINDS` here. What it can be
told is a frozen dataclass, which becomes the section `heads.<name>` of the configuration by a line in
`pipeline/config/heads.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HeadName = Literal["ezhoi", "memory", "regions", "lowrank"]
Column = Literal["human", "object", "union", "geometry"]
"""Of the record of a pair, beside what it always has; see `models.heads.record.PairRecord`."""
REGIONS: tuple[Column, ...] = ("human", "object", "union")
"""What the frozen CLIP says of the regions of a picture; its tokens of all patches are needed for it."""
CONCEPTS = ("human", "object", "context")
"""The regions that phrases are about (`Kind.concepts`): the two boxes, and what is around them."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the pipeline knows of a head before it is loaded."""

    says: str
    """In a few words, for reports: what the head is."""
    reads: tuple[Column, ...] = ()
    concepts: bool = False
    """Whether it reads phrases on what each verb shows of its regions (`Texts.concepts`), which are made for it alone."""
    trains: bool = False
    """Whether it learns on cached pairs, in stage `utpl`; one that does not is made from them as it is."""


KINDS: Mapping[HeadName, Kind] = {
    "ezhoi": Kind(says="EZ-HOI: guided phrases, and UTPL for unseen classes"),
    "memory": Kind(says="training-free memory (ADA-CM)", reads=REGIONS),
    "regions": Kind(
        says="region concepts and variance prompts (VDRP)", reads=(*REGIONS, "geometry"), concepts=True, trains=True
    ),
    "lowrank": Kind(says="low-rank class texts (HOLa)", reads=("human", "object", "geometry"), trains=True),
}


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """Options of `models/heads/memory.py`."""

    pairs: int = field(default=8, metadata={"description": "annotated training pairs remembered a verb, at most"})
    composed: int = field(
        default=100, metadata={"description": "rows composed of seen pairs for an unseen class, at most"}
    )

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= 1_000_000 or not 0 <= self.composed <= 1_000_000:
            raise ValueError("heads.memory: pairs are 1 to 1000000, composed rows 0 to 1000000")


@dataclass(frozen=True, kw_only=True)
class RegionsOptions:
    """Options of `models/heads/regions.py`; the values are the paper's."""

    variance: float = field(default=0.02, metadata={"description": "alpha, how far variance moves a verb's text"})
    noise: float = field(default=0.1, metadata={"description": "beta, noise of the texts while training"})
    concepts: float = field(default=0.2, metadata={"description": "gamma, weight of the phrases that are looked up"})

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
