"""UTPL, unseen-class trainable prompt learning (Eq. 4, 5): an unseen class learns its prompts from its nearest seen class.

    h~_u = W_up . MHCA(Q = W_down h_u ; K,V = W_down concat(f_disp, h_s, h_u)) + h_u

h_u are the class's own learned prompts, started from h_s, the guided prompts of the most similar seen class s, into which
no gradient flows; f_disp are the sentences that say how u differs from s.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bottleneck import Bottleneck


class UnseenPrompts(nn.Module):
    """Prompts of U unseen classes.

    Args:
        partners: (U, N, p, d_t), the guided prompts h_s of each class's nearest seen class.
        joint_width: d_a, width of the disparity embeddings.
    """

    partners: Tensor

    def __init__(self, *, partners: Tensor, joint_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        width = partners.shape[-1]
        self.register_buffer("partners", partners.detach().clone())
        self.own = nn.Parameter(partners.detach().clone())
        self.lift = nn.Linear(joint_width, width)
        self.attend = Bottleneck(width=width, memory_width=width, bottleneck=bottleneck, heads=heads)

    def forward(self, disparities: Tensor, absent: Tensor) -> Tensor:
        """Disparity sentences (U, m, d_a), padded ones True in `absent` (U, m), to adapted prompts (U, N, p, d_t)."""
        count, layers, p, width = self.own.shape
        own = self.own.reshape(count, layers * p, width)
        partners = self.partners.reshape(count, layers * p, width)
        memory = torch.cat([self.lift(disparities), partners, own], dim=1)
        real = torch.zeros(count, 2 * layers * p, dtype=torch.bool, device=absent.device)
        return self.attend(own, memory, torch.cat([absent, real], dim=1)).reshape(count, layers, p, width)


def alignment(learned: Tensor, partner: Tensor, similarity: Tensor) -> Tensor:
    """How far each unseen row is from being as similar to its partner as their descriptions are; mean over the classes.

    relu(similarity - cos(learned, partner)): zero once the learned cosine reaches the descriptions' one, so that classes
    which are described as different may differ.

    Args:
        learned, partner: (U, ...) flattened per class; similarity: (U,) cosines of the descriptions.
    """
    cosine = nn.functional.cosine_similarity(learned.flatten(1), partner.flatten(1), dim=1)
    return torch.relu(similarity - cosine).mean()
