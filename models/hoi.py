"""EZ-HOI put together: from an image and its detections to pair features, from phrases to text features.

`HoiModel` is what the pipeline's stages use, whichever preset it is; `EzHoi` is preset `paper`. The two sides meet in
`phrase_logits`. The frozen CLIP is not a part of the module: its `state_dict` is what was learned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from models import locality, scoring
from models.clip import Clip
from models.fusion import InterBlock, InterFusion, IntraFusion, box_features, union_features
from models.guidance import TextGuidance, VisualGuidance, VisualPrompts
from models.instances import InstanceAdapter, InstancePrior, Instances
from models.locality import Layout, LocalityAdapter
from models.patterns import SpatialPatterns
from models.sizes import Sizes
from models.text_tower import text_features
from models.visual_tower import visual_tokens


@dataclass(frozen=True)
class Phrases:
    """Class phrases as the text side reads them: tokens (C, L), EOT positions (C,), descriptions (C, m, d_a), absent (C, m)."""

    tokens: Tensor
    end: Tensor
    memory: Tensor
    absent: Tensor

    def take(self, positions: Sequence[int]) -> Phrases:
        """Some of the classes, in the given order."""
        index = torch.as_tensor(positions, dtype=torch.long, device=self.tokens.device)
        return Phrases(self.tokens[index], self.end[index], self.memory[index], self.absent[index])


class HoiModel(nn.Module, ABC):
    """The contract of both presets: learned parts on a frozen CLIP, with a learned scale of their logits.

    It is a base class and no `Protocol`, because trainings need a torch module (its parameters, mode and state).

    Raises:
        ValueError: more prompted layers than a tower has.
    """

    logit_scale: nn.Parameter

    def __init__(self, *, clip: Clip, sizes: Sizes) -> None:
        super().__init__()
        if sizes.layers > min(clip.text_layers, clip.visual_layers):
            raise ValueError(
                f"model.layers = {sizes.layers}, but CLIP has {clip.text_layers} text and {clip.visual_layers} visual layers"
            )
        self._clip = [clip]  # in a list, so that it is no submodule
        self.sizes = sizes

    @property
    def clip(self) -> Clip:
        """The frozen CLIP."""
        return self._clip[0]

    @abstractmethod
    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels (..., 3, S, S) for the preset's visual tower."""

    @abstractmethod
    def text(self, phrases: Phrases) -> Tensor:
        """The text features (C, d_a) of the phrases under the trained prompts."""

    @abstractmethod
    def pairs(self, images: Tensor, frozen_tokens: Tensor, instances: Instances, objects: Tensor) -> Tensor:
        """Fused features (P, d_a) of all pairs of a batch.

        Args:
            images: (B, 3, S, S), as `normalise` makes them.
            frozen_tokens: (B, 1 + D, d_a), the frozen CLIP's tokens of the images.
            instances: the detections; objects: (O, d_a), CLIP embeddings of the object names.
        """

    @abstractmethod
    def phrase_logits(self, pairs: Tensor, text: Tensor) -> Tensor:
        """Phrase logits (P, C) of pair features (P, d_a) and text features (C, d_a)."""


class EzHoi(HoiModel):
    """The method as the paper describes it."""

    def __init__(self, *, clip: Clip, sizes: Sizes) -> None:
        super().__init__(clip=clip, sizes=sizes)
        narrow = {"bottleneck": sizes.bottleneck, "heads": sizes.heads}
        text, visual, joint = clip.text_width, clip.visual_width, clip.joint_width
        parts = sizes.parts
        self.prompts = nn.Parameter(0.02 * torch.randn(sizes.layers, sizes.prompts, text))
        self.visual_prompts = VisualPrompts(layers=sizes.layers, text_width=text, visual_width=visual)
        if parts.llm_guidance:
            self.text_guidance = TextGuidance(text_width=text, joint_width=joint, **narrow)
        if parts.vlm_guidance:
            self.visual_guidance = VisualGuidance(visual_width=visual, joint_width=joint, **narrow)
        if parts.instance_adapter:
            local = sizes.adapter == "locality"
            width = locality.WIDTH if local else sizes.bottleneck
            self.instance_prior = InstancePrior(joint_width=joint, bottleneck=width)
            if sizes.patterns:
                self.patterns = SpatialPatterns(count=sizes.patterns, width=width)
            if local:
                self.layout = Layout()
            self.adapters = nn.ModuleList(
                LocalityAdapter(visual_width=visual) if local else InstanceAdapter(visual_width=visual, **narrow)
                for _ in range(clip.visual_layers)
            )
        if parts.intra_fusion:
            self.intra = IntraFusion(joint_width=joint)
        if parts.inter_fusion:
            inter = InterFusion if sizes.inter == "attention" else InterBlock
            self.inter = inter(joint_width=joint, **narrow)
        self.logit_scale = nn.Parameter(torch.tensor(float(sizes.logit_scale)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels (..., 3, S, S) for the visual tower."""
        return self.clip.normalise(pixels)

    def class_prompts(self, phrases: Phrases, own: Tensor | None = None) -> Tensor:
        """Guided prompts (C, N, p, d_t) of the classes (Eq. 2), from the shared prompts or from each class's own ones."""
        prompts = self.prompts if own is None else own
        if not self.sizes.parts.llm_guidance:
            return prompts.expand(len(phrases.tokens), *prompts.shape[-3:])
        return self.text_guidance(prompts, phrases.memory, phrases.absent)

    def text(self, phrases: Phrases, prompts: Tensor | None = None) -> Tensor:
        """Text features (C, d_a) of the phrases under their guided prompts, or under the given ones."""
        if not len(phrases.tokens):
            return phrases.memory.new_zeros(0, self.clip.joint_width)
        if prompts is None:
            prompts = self.class_prompts(phrases)
        return text_features(self.clip.net, phrases.tokens, phrases.end, prompts)

    def pairs(self, images: Tensor, frozen_tokens: Tensor, instances: Instances, objects: Tensor) -> Tensor:
        """Fused features (P, d_a) of all pairs of a batch.

        Args:
            images: (B, 3, S, S), normalised.
            frozen_tokens: (B, 1 + D, d_a), the frozen CLIP's tokens of the images (Eq. 3).
            instances: the detections; objects: (O, d_a), CLIP embeddings of the object names.
        """
        parts = self.sizes.parts
        prompts = self.visual_prompts(self.prompts)
        if parts.vlm_guidance:
            prompts = self.visual_guidance(prompts, frozen_tokens)
        else:
            prompts = prompts.expand(len(images), *prompts.shape)
        adapters = self._block_adapters(instances, objects) if parts.instance_adapter else None
        tokens = visual_tokens(self.clip.net.visual, images, prompts, adapters)
        rois = {"grid": self.clip.grid, "size": self.sizes.roi_size}
        image, human, thing = instances.pairs.unbind(dim=1)
        if parts.intra_fusion:
            boxes = box_features(tokens, instances, **rois)
            features = self.intra(boxes[image, human], boxes[image, thing])
        else:
            features = union_features(tokens, instances, **rois)
        return self.inter(features, image, len(images)) if parts.inter_fusion else features

    def _block_adapters(self, instances: Instances, objects: Tensor) -> list[Callable[[Tensor], Tensor]]:
        prior = self.instance_prior(instances, objects)
        if self.sizes.patterns:
            prior = self.patterns(prior, instances.present)
        if self.sizes.adapter == "locality":
            layout = self.layout(prior, instances, self.clip.grid)
            return [partial(adapter, layout=layout) for adapter in self.adapters]
        return [partial(adapter, prior=prior, present=instances.present) for adapter in self.adapters]

    def phrase_logits(self, pairs: Tensor, text: Tensor) -> Tensor:
        """Scaled cosines (P, C) of pair features (P, d_a) and text features (C, d_a)."""
        return scoring.phrase_logits(pairs, text, self.logit_scale)


def pair_prior(instances: Instances, tau: float) -> Tensor:
    """(s_human s_object)^tau of every pair, (P,): the factor of Eq. 18 in front of the verb's probability."""
    image, human, thing = instances.pairs.unbind(dim=1)
    return (instances.scores[image, human] * instances.scores[image, thing]) ** tau
