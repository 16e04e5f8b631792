"""The part of the released model that has an effect: the visual side, on text features that are constants.

The contract is `models.hoi.HoiModel`, so that the pipeline's stages use either preset.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from models import scoring
from models.clip import Clip
from models.fusion import box_features, by_image
from models.guidance import VisualPrompts
from models.hoi import HoiModel, Phrases
from models.instances import InstancePrior, Instances
from models.released import quirks
from models.released.adapter import Adapter
from models.sizes import Sizes
from models.text_tower import text_features
from models.visual_tower import visual_tokens


class ReleasedHoi(HoiModel):
    """The released model on a frozen CLIP.

    Args:
        sizes: its `logit_scale` and `parts` do not count here.
        half_prompts: round visual prompts to fp16 as released; off for parity in fp32.
        dropout: probability of a drop inside the adapters; roi_dropout: on RoI maps.
    """

    def __init__(
        self,
        *,
        clip: Clip,
        sizes: Sizes,
        half_prompts: bool = True,
        dropout: float = quirks.DROPOUT,
        roi_dropout: float = quirks.ROI_DROPOUT,
    ) -> None:
        super().__init__(clip=clip, sizes=sizes)
        self.half_prompts, self.roi_dropout = half_prompts, roi_dropout
        layers, bottleneck = sizes.layers, sizes.bottleneck
        text, visual, joint = clip.text_width, clip.visual_width, clip.joint_width
        adapter = partial(Adapter, bottleneck=bottleneck, heads=sizes.heads, dropout=dropout)
        # Constants there; registered here, so that a checkpoint holds them.
        self.prompts: Tensor
        self.register_buffer("prompts", quirks.redrawn_prompts(layers=layers, prompts=sizes.prompts, width=text))
        self.visual_prompts = VisualPrompts(layers=layers, text_width=text, visual_width=visual)
        for project in self.visual_prompts.project[2:]:  # deep copies of one layer there
            project.load_state_dict(self.visual_prompts.project[1].state_dict())
        self.visual_guidance = adapter(width=visual, memory_width=joint, kind="cross")
        self.instance_prior = InstancePrior(joint_width=joint, bottleneck=bottleneck)
        self.adapters = nn.ModuleList(
            adapter(width=visual, memory_width=bottleneck, kind="cross", projected=True, scaled=True)
            for _ in range(clip.visual_layers)
        )
        self.intra = ReleasedIntraFusion(joint_width=joint)
        self.inter = adapter(width=joint, memory_width=None, kind="self_cross")
        self.logit_scale = nn.Parameter(torch.tensor(quirks.LOGIT_SCALE))
        self._text: tuple[Phrases, Tensor] | None = None

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels (..., 3, S, S) as in the training of the visual tower."""
        return quirks.imagenet_normalised(pixels)

    @torch.no_grad()
    def text(self, phrases: Phrases) -> Tensor:
        """Frozen features (C, d_a) of the class sentences, not of unit length; computed once for the same `phrases`."""
        if self._text is None or self._text[0] is not phrases:
            features = text_features(self.clip.net, phrases.tokens, phrases.end)
            self._text = phrases, features
        return self._text[1]

    def guided_prompts(self, frozen_tokens: Tensor) -> Tensor:
        """Visual prompts (B, N, p, d_v) of the images whose frozen tokens (B, 1 + D, d_a) are given; CLS is not used."""
        prompts = self.visual_prompts(self.prompts)
        layers, p, width = prompts.shape
        memory = nn.functional.normalize(frozen_tokens[:, 1:], dim=-1)
        query = prompts.reshape(1, layers * p, width).expand(len(memory), -1, -1)
        guided = self.visual_guidance(query, memory).reshape(len(memory), layers, p, width)
        return quirks.half_rounded(guided) if self.half_prompts else guided

    def tokens(self, images: Tensor, frozen_tokens: Tensor, instances: Instances, objects: Tensor) -> Tensor:
        """Projected image tokens (B, 1 + D, d_a) under prompts and block adapters; arguments as of `pairs`."""
        # A padded instance is a row of zeros there, which only matters where the attention does not hide it: nowhere.
        prior = self.instance_prior(instances, objects)
        adapters = [partial(adapter, memory=prior, absent=~instances.present) for adapter in self.adapters]
        return visual_tokens(self.clip.net.visual, images, self.guided_prompts(frozen_tokens), adapters)

    def pairs(self, images: Tensor, frozen_tokens: Tensor, instances: Instances, objects: Tensor) -> Tensor:
        """Fused features (P, d_a) of all pairs of a batch.

        Args:
            images: (B, 3, S, S), normalised with ImageNet's statistics.
            frozen_tokens: (B, 1 + D, d_a), the frozen CLIP's tokens of the images.
            instances: the detections; objects: (O, d_a), CLIP's features of "a photo of a {object}", not of unit length.
        """
        tokens = self.tokens(images, frozen_tokens, instances, objects)
        dropout = self.roi_dropout if self.training else 0.0
        boxes = box_features(tokens, instances, grid=self.clip.grid, size=self.sizes.roi_size, dropout=dropout)
        image, human, thing = instances.pairs.unbind(dim=1)
        fused = self.intra(boxes[image, human], boxes[image, thing])
        if not len(fused):
            return fused
        padded, absent, slot = by_image(fused, image, len(images))
        return self.inter(padded, absent=absent)[image, slot]

    def phrase_logits(self, pairs: Tensor, text: Tensor) -> Tensor:
        """Phrase logits (P, C) of pair features (P, d_a) and text features (C, d_a)."""
        return scoring.phrase_logits(pairs, text, self.logit_scale, preset="released")


class ReleasedIntraFusion(nn.Module):
    """Intra-HOI fusion whose output passes a ReLU."""

    def __init__(self, *, joint_width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(2 * joint_width, joint_width), nn.ReLU(), nn.Linear(joint_width, joint_width), nn.ReLU()
        )

    def forward(self, human: Tensor, thing: Tensor) -> Tensor:
        """Fuse the features of the human and of the object, (P, d_a) each, to that of the pair, (P, d_a)."""
        return self.mlp(torch.cat([human, thing], dim=-1))
