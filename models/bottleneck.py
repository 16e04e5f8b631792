"""The building block of every guidance and adapter: cross-attention in a narrow bottleneck, identity at the start.

x + W_up . Block(W_down x ; W_mem memory),    W_up = 0 at the start
"""

from __future__ import annotations

from torch import Tensor, nn


def attended(attention: nn.MultiheadAttention, q: Tensor, memory: Tensor, absent: Tensor | None) -> Tensor:
    """What the queries (B, T, d) read from the memory (B, m, d); zeros where a sample's memory is all padding.

    Args:
        absent: (B, m), True where a row is padding; None if no row is.
    """
    if absent is None:
        return attention(q, memory, memory, need_weights=False)[0]
    empty = absent.all(dim=1, keepdim=True)
    found = attention(q, memory, memory, key_padding_mask=absent & ~empty, need_weights=False)[0]
    return found.masked_fill(empty.unsqueeze(-1), 0.0)


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
        y = self.norm_1(q + attended(self.attention, q, self.memory(memory), absent))
        y = self.norm_2(y + self.mlp(y))
        return x + self.up(y)
