"""The record of a pair: what a head may read of P pairs of a human and an object, computed once and cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairRecord:
    """P pairs. The first three columns are always there, the others where a head reads them (`models.heads.kinds.Kind.reads`).

    Args:
        objects: (P,) object id of each pair.
        prior: (P,) s_human s_object, how sure the detector is of both boxes.
        feature: (P, d) the fused feature, from the prompted tower of the seen stage; its length is not 1.
        human, object, union: (P, d) the frozen CLIP's features of both boxes and of the smallest box around them: RoI-Align
            of its image tokens, unit length. They take the place of a detector's query states, which boxes from a file do
            not have.
        geometry: (P, 18) how the boxes lie (`models/geometry.py`).
    """

    objects: Tensor
    prior: Tensor
    feature: Tensor
    human: Tensor | None = None
    object: Tensor | None = None
    union: Tensor | None = None
    geometry: Tensor | None = None

    def __len__(self) -> int:
        return len(self.objects)

    def take(self, rows: Tensor) -> PairRecord:
        """Some of the pairs, by position (n,) or mask (P,)."""
        return PairRecord(**{name: values[rows] for name, values in self._there().items()})

    def to(self, device: torch.device) -> PairRecord:
        """The pairs on a device; numbers that are stored in half precision become fp32."""
        found = {name: values.to(device) for name, values in self._there().items()}
        return PairRecord(**{n: v.float() if v.is_floating_point() else v for n, v in found.items()})

    def regions(self) -> dict[str, Tensor]:
        """`human`, `object` and `union`; ValueError if they were not computed."""
        found = {name: values for name, values in self._there().items() if name in ("human", "object", "union")}
        if len(found) < 3:
            raise ValueError("the pairs have no features of regions: a head that needs them says so in its `reads`")
        return found

    def _there(self) -> Mapping[str, Tensor]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}
