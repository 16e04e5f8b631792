"""Guided prompts: text prompts guided by the language model (Eq. 2), visual prompts by the frozen CLIP (Eq. 1, 3, 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bottleneck import Bottleneck


class TextGuidance(nn.Module):
    """Eq. 2: class c's prompts are the shared ones after attending to c's description."""

    def __init__(self, *, text_width: int, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.attend = Bottleneck(width=text_width, memory_width=joint_width, bottleneck=bottleneck, heads=heads)

    def forward(self, prompts: Tensor, memory: Tensor, absent: Tensor | None = None) -> Tensor:
        """Guided prompts (C, N, p, d_t).

        Args:
            prompts: (N, p, d_t) shared by all classes, or (C, N, p, d_t).
            memory: descriptions (C, m, d_a), padded rows True in `absent` (C, m).
        """
        layers, p, width = prompts.shape[-3:]
        query = prompts.expand(len(memory), layers, p, width).reshape(len(memory), layers * p, width)
        return self.attend(query, memory, absent).reshape(len(memory), layers, p, width)


class VisualPrompts(nn.Module):
    """Eq. 1 and 9: each layer has a linear map of its own, which makes its visual prompts of its text prompts."""

    def __init__(self, *, layers: int, text_width: int, visual_width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(text_width, visual_width) for _ in range(layers))

    def forward(self, prompts: Tensor) -> Tensor:
        """Map the shared text prompts (N, p, d_t) to visual prompts (N, p, d_v)."""
        return torch.stack([project(layer) for project, layer in zip(self.project, prompts, strict=True)])


class VisualGuidance(nn.Module):
    """Eq. 3: the visual prompts attend to the frozen CLIP's tokens of the image."""

    def __init__(self, *, visual_width: int, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.attend = Bottleneck(width=visual_width, memory_width=joint_width, bottleneck=bottleneck, heads=heads)

    def forward(self, prompts: Tensor, image_tokens: Tensor) -> Tensor:
        """Guide the visual prompts (N, p, d_v) by the frozen image tokens (B, 1 + D, d_a) of each image: (B, N, p, d_v)."""
        layers, p, width = prompts.shape
        query = prompts.reshape(1, layers * p, width).expand(len(image_tokens), -1, -1)
        return self.attend(query, image_tokens).reshape(len(image_tokens), layers, p, width)
