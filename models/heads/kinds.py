"""Which heads there are, what each reads of the record of a pair, and its options. Without torch, for the configuration.

A head is a file `models/heads/<name>.py` with a class `HEAD`, and a line in `HeadName` and in `KINDS` here. What it can be
told is a frozen dataclass, which becomes the section `heads.<name>` of the configuration by a line in
`pipeline/config/heads.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HeadName = Literal["ezhoi", "memory"]
Column = Literal["human", "object", "union", "geometry"]
"""Of the record of a pair, beside what it always has; see `models.heads.record.PairRecord`."""
REGIONS: tuple[Column, ...] = ("human", "object", "union")
"""What the frozen CLIP says of the regions of a picture; its tokens of all patches are needed for it."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the pipeline knows of a head before it is loaded."""

    says: str
    """In a few words, for reports: what the head is."""
    reads: tuple[Column, ...] = ()
    trains: bool = False
    """Whether it learns on cached pairs, in stage `utpl`; one that does not is made from them as it is."""


KINDS: Mapping[HeadName, Kind] = {
    "ezhoi": Kind(says="EZ-HOI: guided phrases, and UTPL for unseen classes"),
    "memory": Kind(says="training-free memory (ADA-CM)", reads=REGIONS),
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
