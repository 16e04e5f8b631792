"""From boxes to pair features: RoI-Align, intra-HOI fusion (Eq. 10) and inter-HOI fusion (Eq. 11)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models import roi_align
from models.bottleneck import Bottleneck, attended
from models.instances import Instances


def box_features(tokens: Tensor, instances: Instances, *, grid: int, size: int, dropout: float = 0.0) -> Tensor:
    """The feature under every box, of unit length: (B, I, d_a), zeros where there is no instance.

    Args:
        tokens: (B, 1 + D, d_a), CLS first, D = grid * grid.
        instances: boxes in fractions of the image.
        size: RoI-Align's output, pixels a side.
        dropout: probability that an element of the RoI-Align's output is dropped.
    """
    if not dropout:
        means = _read(roi_align.means(instances.boxes, grid=grid, size=size), tokens)
        return nn.functional.normalize(means, dim=-1).masked_fill(~instances.present[..., None], 0.0)
    image, slot = torch.nonzero(instances.present, as_tuple=True)
    bins = roi_align.of_each_bin(instances.boxes, grid=grid, size=size)
    maps = _read(bins.flatten(1, 2), tokens).unflatten(1, bins.shape[1:3])[image, slot]
    kept = nn.functional.dropout(maps.transpose(1, 2).contiguous(), dropout)
    out = tokens.new_zeros(*instances.present.shape, tokens.shape[2])
    out[image, slot] = nn.functional.normalize(kept.mean(dim=2), dim=-1)
    return out


def union_features(tokens: Tensor, instances: Instances, *, grid: int, size: int) -> Tensor:
    """The feature under the smallest box around both boxes of every pair, of unit length: (P, d_a)."""
    image, human, thing = instances.pairs.unbind(dim=1)
    if not len(image):
        return tokens.new_zeros(0, tokens.shape[2])
    a, b = instances.boxes[image, human], instances.boxes[image, thing]
    union = torch.cat([torch.minimum(a, b)[:, :2], torch.maximum(a, b)[:, 2:]], dim=1)
    weights, _, slot = by_image(roi_align.means(union, grid=grid, size=size), image, len(tokens))
    return nn.functional.normalize(_read(weights, tokens)[image, slot], dim=-1)


def _read(weights: Tensor, tokens: Tensor) -> Tensor:
    """Sums (B, n, d_a) of the patches of tokens (B, 1 + D, d_a) by weights (B, n, D); in fp32 whatever autocast says."""
    with torch.autocast(tokens.device.type, enabled=False):
        return torch.bmm(weights, tokens[:, 1:].float())


class IntraFusion(nn.Module):
    """Eq. 10: E_hoi = MLP(concat(E_human, E_object))."""

    def __init__(self, *, joint_width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * joint_width, joint_width), nn.ReLU(), nn.Linear(joint_width, joint_width)
        )

    def forward(self, human: Tensor, thing: Tensor) -> Tensor:
        """Fuse the features of the human and of the object, (P, d_a) each, to that of the pair, (P, d_a)."""
        return self.mlp(torch.cat([human, thing], dim=-1))


class AmongPairs(nn.Module, ABC):
    """Inter-HOI fusion of either kind: the pairs of an image attend to each other, and to no other image's."""

    def forward(self, features: Tensor, image: Tensor, images: int) -> Tensor:
        """Let the pairs of each image attend to each other.

        Args:
            features: (P, d_a), ordered by image.
            image: (P,) index of each pair's image, rising.
            images: how many images there are.

        Returns:
            Pair features (P, d_a).
        """
        if not len(features):
            return features
        padded, absent, slot = by_image(features, image, images)
        return self.fused(padded, absent)[image, slot]

    @abstractmethod
    def fused(self, padded: Tensor, absent: Tensor) -> Tensor:
        """New features (B, M, d_a) of padded sequences of pairs, one an image; `absent` (B, M) says what is padding."""


class InterFusion(AmongPairs):
    """Eq. 11: self-attention over the pairs of one image, in the bottleneck.

    f + W_up . MHSA(W_down f),    W_up = 0 at the start
    """

    def __init__(self, *, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.down = nn.Linear(joint_width, bottleneck)
        self.attention = nn.MultiheadAttention(bottleneck, heads, batch_first=True)
        self.up = nn.Linear(bottleneck, joint_width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def fused(self, padded: Tensor, absent: Tensor) -> Tensor:
        narrow = self.down(padded)
        found: Tensor = padded + self.up(attended(self.attention, narrow, narrow, absent))
        return found


class InterBlock(AmongPairs):
    """Eq. 11 with the MLP and the LayerNorms of the released code's decoder layer.

    The last LayerNorm gives the added part one length, whatever the length of the features, and most of it is common to all
    pairs. Where features are compared by their cosine, that costs more than it gives in a short training (docs/training.md).
    """

    def __init__(self, *, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.attend = Bottleneck(width=joint_width, memory_width=joint_width, bottleneck=bottleneck, heads=heads)

    def fused(self, padded: Tensor, absent: Tensor) -> Tensor:
        found: Tensor = self.attend(padded, padded, absent)
        return found


def by_image(rows: Tensor, image: Tensor, images: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (P, d) whose image indices (P,) rise as one padded sequence an image.

    Returns:
        sequences (images, M, d), padding (images, M), and each row's place in its sequence (P,).
    """
    counts = torch.bincount(image, minlength=images)
    slot = torch.arange(len(image), device=image.device) - (counts.cumsum(0) - counts)[image]
    padded = rows.new_zeros(images, int(counts.max()), rows.shape[1])
    padded[image, slot] = rows
    absent = torch.arange(padded.shape[1], device=image.device)[None] >= counts[:, None]
    return padded, absent, slot
