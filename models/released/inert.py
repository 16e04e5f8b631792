"""The released model's text side, which has no effect: its prompts stand behind EOT under a causal mask.

Nothing of the pipeline uses it. It is here so that the claim can be checked: parity of its outputs, text features that do
not depend on it, gradients of exactly zero, and the published parameter count, of which it is a part.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.clip import Clip
from models.released import quirks
from models.released.adapter import Adapter

if TYPE_CHECKING:
    import open_clip


class InertText(nn.Module):
    """Guidance of the text prompts by descriptions, and UTPL."""

    def __init__(
        self, *, clip: Clip, bottleneck: int, heads: int, prompts: int = 2, dropout: float = quirks.DROPOUT
    ) -> None:
        super().__init__()
        width, joint = clip.text_width, clip.joint_width
        adapter = partial(Adapter, width=width, memory_width=joint, bottleneck=bottleneck, heads=heads, dropout=dropout)
        self.unused = nn.Parameter(torch.zeros(prompts, width))
        self.guidance = adapter(kind="cross")
        self.unseen = adapter(kind="self_cross")

    def guided(self, prompts: Tensor, descriptions: Tensor) -> Tensor:
        """One layer's prompts (p, d_t) for classes with descriptions (C, d_a): (C, p, d_t).

        The memory is the class's own description p times over, so the attention has no choice.
        """
        p = len(prompts)
        return self.guidance(prompts.expand(len(descriptions), -1, -1), descriptions[:, None].expand(-1, p, -1))

    def adapted(self, guided: Tensor, partners: Tensor, sentences: Tensor, absent: Tensor) -> Tensor:
        """UTPL on guided prompts (U, p, d_t): memory is sentences (U, m, d_a), the partners' prompts, the own prompts."""
        memory = torch.cat([sentences, partners.detach(), guided], dim=1)
        mask = quirks.one_added_to_padding(absent, 2 * guided.shape[1])
        return self.unseen(guided, memory, mask)


def states_behind_end(net: open_clip.CLIP, tokens: Tensor, prompts: Tensor) -> list[Tensor]:
    """States (C, 77, d_t) after every block, the prompts (C, N, p, d_t) written over the last p tokens of layers 0..N-1.

    Args:
        tokens: (C, 77), padded behind EOT.
    """
    p = quirks.PROMPTS_BEHIND_END
    x = net.token_embedding(tokens)
    x = torch.cat([x[:, :-p], prompts[:, 0]], dim=1) + net.positional_embedding
    states = []
    for layer, block in enumerate(net.transformer.resblocks):
        if 0 < layer < prompts.shape[1]:
            x = torch.cat([x[:, :-p], prompts[:, layer]], dim=1)
        x = block(x, attn_mask=net.attn_mask)
        states.append(x)
    return states


def features_behind_end(net: open_clip.CLIP, tokens: Tensor, end: Tensor, prompts: Tensor) -> Tensor:
    """Text features (C, d_a) at EOT (C,), not of unit length."""
    last = states_behind_end(net, tokens, prompts)[-1]
    return net.ln_final(last[torch.arange(len(last)), end]) @ net.text_projection
