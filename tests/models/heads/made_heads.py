"""Texts and training pairs for tests of heads: two verbs of two objects and a third verb of one, one class unseen."""

import torch
from torch import nn

from models.geometry import numbers
from models.heads.head import Examples, Texts
from models.heads.kinds import LowrankOptions, MemoryOptions, RegionsOptions
from models.heads.record import PairRecord

WIDTH, PAIRS = 8, 24
OPTIONS = {"memory": MemoryOptions(), "regions": RegionsOptions(), "lowrank": LowrankOptions()}
"""The options of each head."""


def _unit(*shape: int) -> torch.Tensor:
    return nn.functional.normalize(torch.randn(*shape, generator=_drawn), dim=-1)


_drawn = torch.Generator().manual_seed(3)
TEXTS = Texts(  # classes (verb, object): (0, 1), (0, 2), (1, 1), (1, 2), (2, 2); the second is unseen
    verb_count=3,
    object_count=3,
    verbs=torch.tensor([0, 0, 1, 1, 2]),
    objects=torch.tensor([1, 2, 1, 2, 2]),
    unseen=torch.tensor([False, True, False, False, False]),
    phrases=_unit(5, WIDTH),
    descriptions=_unit(5, WIDTH),
    guided=_unit(5, WIDTH),
    scale=10.0,
    concepts={
        region: _unit(3, 4, WIDTH) * (torch.arange(4) < torch.tensor([[4], [2], [0]]))[..., None]
        for region in ("human", "object", "context")
    },
)
_objects = torch.tensor([1, 2]).repeat(PAIRS // 2)
_corners = torch.rand(2, PAIRS, 2, 2, generator=_drawn).sort(dim=2).values.flatten(2)
_seen = torch.zeros(3, 3, dtype=torch.bool)
_seen[[1, 1, 2, 2], [0, 1, 1, 2]] = True
_shown = (torch.rand(PAIRS, 3, generator=_drawn) < 0.5) & _seen[_objects]
EXAMPLES = Examples(
    pairs=PairRecord(
        objects=_objects,
        prior=torch.rand(PAIRS, generator=_drawn),
        feature=torch.randn(PAIRS, WIDTH, generator=_drawn),
        human=_unit(PAIRS, WIDTH),
        object=_unit(PAIRS, WIDTH),
        union=_unit(PAIRS, WIDTH),
        geometry=numbers(_corners[0], _corners[1]),
    ),
    shown=_shown,
    counted=_seen[_objects],
    absent=(_shown.any(dim=1) & ~_shown[:, 0] & (_objects == 2))[:, None] & torch.tensor([True, False, False]),
)
