"""UTPL, unseen text prompt learning (Eq. 4, 5): an unseen class learns its prompts from its nearest seen class.

    h~_u = W_up . MHCA(Q = W_down h_u ; K,V = W_down concat(f_disp, h_s, h_u)) + h_u

h_u are the guided prompts of u (Eq. 2): u's own learned prompts, which start as those of its most similar seen class s
(the shared ones), after attending to u's description through the frozen guidance. h_s are the guided prompts of s, into
which no gradient flows; f_disp are the sentences that say how u differs from s.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bottleneck import Bottleneck
from models.losses import focal


class UnseenPrompts(nn.Module):
    """The prompts of U unseen classes.

    Args:
        shared: (N, p, d_t), the seen stage's shared prompts, from which every unseen class's own ones start.
        count: U.
        joint_width: d_a, width of the disparity embeddings.
    """

    def __init__(self, *, shared: Tensor, count: int, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        width = shared.shape[-1]
        self.own = nn.Parameter(shared.detach().expand(count, *shared.shape).clone())
        self.lift = nn.Linear(joint_width, width)
        self.attend = Bottleneck(width=width, memory_width=width, bottleneck=bottleneck, heads=heads)

    def forward(self, guided: Tensor, partners: Tensor, disparities: Tensor, absent: Tensor) -> Tensor:
        """The adapted prompts (U, N, p, d_t).

        Args:
            guided: (U, N, p, d_t), h_u: `own` after the frozen guidance.
            partners: (U, N, p, d_t), h_s; detached here.
            disparities: sentences (U, m, d_a), padded ones True in `absent` (U, m).
        """
        count, layers, p, width = guided.shape
        query = guided.reshape(count, layers * p, width)
        memory = torch.cat([self.lift(disparities), partners.detach().reshape(query.shape), query], dim=1)
        real = torch.zeros(count, 2 * layers * p, dtype=torch.bool, device=absent.device)
        return self.attend(query, memory, torch.cat([absent, real], dim=1)).reshape(guided.shape)


def alignment(learned: Tensor, partner: Tensor, similarity: Tensor) -> Tensor:
    """How far each unseen row is from being as similar to its partner as their descriptions are; mean over the classes.

    relu(similarity - cos(learned, partner)) is zero once the learned cosine reaches that of the descriptions, so that classes
    which are described as different may differ.

    Args:
        learned, partner: (U, ...) flattened per class; similarity: (U,) cosines of the descriptions.
    """
    cosine = nn.functional.cosine_similarity(learned.flatten(1), partner.flatten(1), dim=1)
    return torch.relu(similarity - cosine).mean()


def labelled(logits: Tensor, label: float, counted: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss (Eq. 13) of logits (n, U) that all have one label: mean over a class's counted rows, then over classes.

    A class with many negatives weighs no more than one with few; without any counted entry the loss is 0.

    Args:
        counted: (n, U) bool, which pair is an example for which class.
    """
    loss = focal(logits, torch.full_like(logits, label), alpha=alpha, gamma=gamma) * counted
    rows = counted.sum(dim=0)
    return (loss.sum(dim=0) / rows.clamp(min=1)).sum() / (rows > 0).sum().clamp(min=1)
