"""The spatial patterns of CMMP (Lei et al., ECCV 2024): instances attend to typical positions of people and objects.

A pattern is the geometry of a pair (`models.geometry.encoding`, 36 numbers), and starts as the centre of a cluster of the
seen training pairs; K of them are learned. The rows of an image's instances, which the visual blocks' adapters read, pass
one decoder layer: they attend to each other, to the patterns, and through an MLP. The published layer drops a tenth while it
trains; here, as everywhere in this preset, nothing is dropped, so that a batch may be divided without changing what it
teaches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bottleneck import attended
from models.geometry import NUMBERS

HIDDEN = 64
"""Width of a pattern's MLP and of the layer's own, as published."""


class SpatialPatterns(nn.Module):
    """K patterns and the decoder layer.

    Args:
        count: K.
        width: of an instance's row.
    """

    def __init__(self, *, count: int, width: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(count, 2 * NUMBERS))
        self.mlp = nn.Sequential(nn.Linear(2 * NUMBERS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        self.among = nn.MultiheadAttention(width, 1, batch_first=True)
        self.norm_1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)
        self.norm_2 = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))
        self.norm_3 = nn.LayerNorm(width)

    @torch.no_grad()
    def start_at(self, centres: Tensor) -> None:
        """Set the patterns to these centres, (K, 36)."""
        self.centres.copy_(centres)

    def forward(self, rows: Tensor, present: Tensor) -> Tensor:
        """The instances' rows (B, I, width) with what the patterns add; `present` (B, I) is False for padding."""
        patterns = self.mlp(self.centres).expand(len(rows), -1, -1)
        x = self.norm_1(rows + attended(self.among, rows, rows, ~present))
        x = self.norm_2(x + attended(self.attention, x, patterns, None))
        return self.norm_3(x + self.feed(x))
