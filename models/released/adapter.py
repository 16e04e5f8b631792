"""The released code's adapters: a bottleneck whose query passes a ReLU and whose memory passes a three-layer MLP.

cross:       y = LN(q + MHA(q, m));  LN(y + MLP(y))
self_cross:  q = LN(q + MHA(q, q)) first
adapter:     x + s * (W_up block(ReLU(W_down x), memory) + b_up)
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.bottleneck import attended
from models.released import quirks

Kind = Literal["cross", "self_cross"]


class PriorMlp(nn.Module):
    """The memory's way into the bottleneck."""

    def __init__(self, *, width: int, bottleneck: int, hidden: int = 128) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, bottleneck),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map a memory (..., width) into the bottleneck (..., bottleneck)."""
        return self.mlp(x)


class Block(nn.Module):
    """One post-norm decoder layer at width d; `cross` lacks the self-attention."""

    def __init__(self, *, width: int, heads: int, kind: Kind, dropout: float) -> None:
        super().__init__()
        self.self_attention: nn.MultiheadAttention | None = None
        if kind == "self_cross":
            self.self_attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
            self.norm_0 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.norm_2 = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, q: Tensor, memory: Tensor, absent: Tensor | None, absent_q: Tensor | None = None) -> Tensor:
        """Let q (B, T, d) attend to memory (B, m, d). `absent` (B, m) hides rows if bool; if float, it is added to logits."""
        if self.self_attention is not None:
            q = self.norm_0(q + self.drop(attended(self.self_attention, q, q, absent_q)))
        if absent is not None and absent.is_floating_point():
            found = self.attention(q, memory, memory, key_padding_mask=absent, need_weights=False)[0]
        else:
            found = attended(self.attention, q, memory, absent)
        y = self.norm_1(q + self.drop(found))
        return self.norm_2(y + self.drop(self.mlp(y)))


class Adapter(nn.Module):
    """x after attending to a memory, or to itself.

    Args:
        memory_width: width of the memory; None: the memory is the query's own bottleneck, before its ReLU.
        projected: the memory already has bottleneck width (block adapters share one `PriorMlp`).
        scaled: a learned factor a channel stands behind W_up.
    """

    def __init__(
        self,
        *,
        width: int,
        memory_width: int | None,
        bottleneck: int,
        heads: int,
        kind: Kind,
        dropout: float,
        projected: bool = False,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        if memory_width is not None and not projected:
            self.memory = PriorMlp(width=memory_width, bottleneck=bottleneck)
        self.own_memory, self.projected = memory_width is None, projected
        self.block = Block(width=bottleneck, heads=heads, kind=kind, dropout=dropout)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        if kind == "self_cross" or scaled:
            nn.init.zeros_(self.down.bias)
        self.scale = nn.Parameter(torch.full((width,), quirks.BLOCK_SCALE)) if scaled else None

    def forward(self, x: Tensor, memory: Tensor | None = None, absent: Tensor | None = None) -> Tensor:
        """Adapt x (B, T, width) by a memory (B, m, memory_width), or by x itself if it is None; the shape stays that of x."""
        if not len(x):
            return x
        narrow = self.down(x)
        if self.own_memory:
            found, absent_q = narrow, absent
        else:
            assert memory is not None
            found, absent_q = (memory if self.projected else self.memory(memory)), None
        update = self.up(self.block(narrow.relu(), found, absent, absent_q))
        return x + (update if self.scale is None else self.scale * update)
