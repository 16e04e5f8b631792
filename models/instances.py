"""Detected instances: which detections are kept, the pairs they form, and how the visual tower attends to them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.bottleneck import Bottleneck
from models.transfer import to_device

PERSON = 0
"""Object id of 'person' in COCO's order."""


@dataclass(frozen=True)
class Instances:
    """Instances of a batch, padded: boxes (B, I, 4) in fractions of the image, scores (B, I), labels (B, I), present (B, I).

    `pairs` (P, 3) holds image, human and object index of every pair, ordered by image, human, object.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    present: Tensor
    pairs: Tensor

    def to(self, device: torch.device) -> Instances:
        """The same instances on another device."""
        return Instances(
            *(to_device(t, device) for t in (self.boxes, self.scores, self.labels, self.present, self.pairs))
        )


def select(
    boxes: Tensor, scores: Tensor, labels: Tensor, *, score_threshold: float, nms: float, least: int, most: int
) -> Tensor:
    """Indices of the kept detections of one image, humans first, each group by falling score (as UPT does).

    After class-aware NMS, all humans above the threshold stay, but at least `least` and at most `most`; objects likewise.

    Args:
        boxes, scores, labels: (n, 4), (n,), (n,).
    """
    from torchvision.ops import batched_nms  # imports torch's compiler, as all of torchvision does: two seconds

    order = batched_nms(boxes.float(), scores.float(), labels, nms)
    groups = []
    for human in (True, False):
        group = order[(labels[order] == PERSON) == human]
        above = int((scores[group] >= score_threshold).sum())
        groups.append(group[: min(max(above, least), most)])
    return torch.cat(groups)


def collate(
    images: list[tuple[Tensor, Tensor, Tensor]],
) -> Instances:
    """Pad the kept (boxes, scores, labels) of each image and list the pairs: every human with every other instance."""
    most = max([len(b) for b, _, _ in images] + [1])
    size = len(images)
    boxes, scores = torch.zeros(size, most, 4), torch.zeros(size, most)
    labels, present = torch.zeros(size, most, dtype=torch.long), torch.zeros(size, most, dtype=torch.bool)
    pairs = []
    for i, (b, s, c) in enumerate(images):
        n = len(b)
        boxes[i, :n], scores[i, :n], labels[i, :n], present[i, :n] = b.float(), s.float(), c, True
        human = torch.nonzero(c == PERSON).flatten()
        h, o = torch.meshgrid(human, torch.arange(n), indexing="ij")
        keep = (h != o).flatten()
        h, o = h.flatten()[keep], o.flatten()[keep]
        pairs.append(torch.stack([torch.full_like(h, i), h, o], dim=1))
    return Instances(boxes, scores, labels, present, torch.cat(pairs) if pairs else torch.zeros(0, 3, dtype=torch.long))


class InstancePrior(nn.Module):
    """Makes an instance's score, box and the CLIP text embedding of its object into one vector of bottleneck width."""

    def __init__(self, *, joint_width: int, bottleneck: int, hidden: int = 128) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(5 + joint_width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, bottleneck),
        )

    def forward(self, instances: Instances, objects: Tensor) -> Tensor:
        """The vectors (B, I, bottleneck) of the instances, given the object embeddings (O, d_a)."""
        return self.mlp(torch.cat([instances.scores[..., None], instances.boxes, objects[instances.labels]], dim=-1))


class InstanceAdapter(nn.Module):
    """Before attention in a visual block, every token attends to the image's instances in a bottleneck."""

    def __init__(self, *, visual_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.attend = Bottleneck(width=visual_width, memory_width=bottleneck, bottleneck=bottleneck, heads=heads)

    def forward(self, x: Tensor, prior: Tensor, present: Tensor) -> Tensor:
        """Adapt tokens (B, T, d_v) by the instance priors (B, I, bottleneck); padding is False in `present` (B, I)."""
        return self.attend(x, prior, ~present)
