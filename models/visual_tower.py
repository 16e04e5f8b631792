"""Deep visual prompts and instance adapters in the frozen visual tower.

    [CLS] [D patches] [p prompts]        every block: x + adapter(x), then attention and MLP

At layer l of the first N the p slots are overwritten by that layer's prompts; from layer N+1 on they flow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from open_clip.transformer import VisionTransformer

BlockAdapter = Callable[[Tensor], Tensor]


def visual_tokens(
    tower: VisionTransformer,
    images: Tensor,
    prompts: Tensor | None = None,
    adapters: Sequence[BlockAdapter] | None = None,
) -> Tensor:
    """The projected tokens of CLS and of the patches.

    Args:
        tower: an open_clip ViT; used as it is.
        images: (B, 3, S, S), normalised.
        prompts: (B, N, p, d_v), or None for the plain tower.
        adapters: one a block, each maps tokens (B, T, d_v) to adapted ones; or None.

    Returns:
        (B, 1 + D, d_a); not normalised.
    """
    x = tower.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([tower.class_embedding.expand(len(x), 1, -1), x], dim=1) + tower.positional_embedding
    kept = x.shape[1]
    if prompts is not None:
        x = torch.cat([x, prompts[:, 0]], dim=1)
    x = tower.ln_pre(x)
    for layer, block in enumerate(tower.transformer.resblocks):
        if prompts is not None and 0 < layer < prompts.shape[1]:
            x = torch.cat([x[:, :kept], prompts[:, layer]], dim=1)
        if adapters is not None:
            x = adapters[layer](x)
        x = block(x)
    return tower.ln_post(x[:, :kept]) @ tower.proj
