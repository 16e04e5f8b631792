"""Deep text prompts: the frozen text tower with learned tokens before the class phrase (Eq. 6-8).

    [SOS] [p prompts] [phrase] [EOT]

Under the causal mask a token sees only what is before it, so the prompts stand where EOT, at which the feature is read,
can see them. At layer l of the first N the p slots are overwritten by that layer's prompts; from layer N+1 on they flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import open_clip


def text_states(net: open_clip.CLIP, tokens: Tensor, prompts: Tensor | None = None) -> Tensor:
    """The projected states of all positions.

    Args:
        net: an open_clip CLIP; used as it is.
        tokens: (C, L) rows of the token embedding, SOS first.
        prompts: (C, N, p, d_t), or None for the plain tower.

    Returns:
        (C, p + L, d_a), or (C, L, d_a) without prompts; not normalised.
    """
    x = net.token_embedding(tokens)
    p = 0
    if prompts is not None:
        p = prompts.shape[2]
        x = torch.cat([x[:, :1], prompts[:, 0], x[:, 1:]], dim=1)
    length = x.shape[1]
    if length > net.positional_embedding.shape[0]:
        raise ValueError(
            f"{length} tokens with prompts, but the tower has {net.positional_embedding.shape[0]} positions"
        )
    x = x + net.positional_embedding[:length]
    mask = net.attn_mask[:length, :length]
    for layer, block in enumerate(net.transformer.resblocks):
        if prompts is not None and 0 < layer < prompts.shape[1]:
            x = torch.cat([x[:, :1], prompts[:, layer], x[:, 1 + p :]], dim=1)
        x = block(x, attn_mask=mask)
    return net.ln_final(x) @ net.text_projection


def text_features(net: open_clip.CLIP, tokens: Tensor, end: Tensor, prompts: Tensor | None = None) -> Tensor:
    """Features (C, d_a) read at EOT, whose position without prompts is `end` (C,); not normalised."""
    states = text_states(net, tokens, prompts)
    shift = 0 if prompts is None else prompts.shape[2]
    return states[torch.arange(len(states), device=states.device), end + shift]
