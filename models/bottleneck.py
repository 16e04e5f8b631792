"""The building block of every guidance and adapter: cross-attention in a narrow bottleneck, identity at the start.

x + W_up . Block(W_down x ; W_mem memory),    W_up = 0 at the start
"""

from __future__ import annotations

from torch import Tensor, nn


class Bottleneck(nn.Module):
    """Cross-attention from x to a memory, at width `bottleneck`, added to x."""

    def __init__(self, *, width: int, memory_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.memory = nn.Linear(memory_width, bottleneck)
        self.attention = nn.MultiheadAttention(bottleneck, heads, batch_first=True)
        self.norm_1 = nn.LayerNorm(bottleneck)
        self.mlp = nn.Sequential(
            nn.Linear(bottleneck, 2 * bottleneck), nn.ReLU(), nn.Linear(2 * bottleneck, bottleneck)
        )
        self.norm_2 = nn.LayerNorm(bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, memory: Tensor, absent: Tensor | None = None) -> Tensor:
        """x (B, T, width) attends to memory (B, m, memory_width); `absent` (B, m) is True where a row is padding.

        A sample whose memory is all padding attends to nothing: its update comes from x alone.
        """
        if not len(x):
            return x
        q = self.down(x)
        k = self.memory(memory)
        if absent is not None:
            empty = absent.all(dim=1, keepdim=True)
            attended = self.attention(q, k, k, key_padding_mask=absent & ~empty, need_weights=False)[0]
            attended = attended.masked_fill(empty.unsqueeze(-1), 0.0)
        else:
            attended = self.attention(q, k, k, need_weights=False)[0]
        y = self.norm_1(q + attended)
        y = self.norm_2(y + self.mlp(y))
        return x + self.up(y)
