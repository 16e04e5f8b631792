"""The released code's losses: focal over the entries with a prior, and a class relation that is a constant."""

from __future__ import annotations

import torch
from torch import Tensor

from models.losses import class_relation, focal
from models.released import quirks

TEMPERATURE = 0.1
RELATION_WEIGHT = 150.0


def with_prior(logits: Tensor, prior: Tensor) -> Tensor:
    """log(prior / (1 + exp(-logits) - prior) + 1e-8), in the released order of operations."""
    return torch.log(prior / (1 + torch.exp(-logits) - prior) + 1e-8)


def interaction(logits: Tensor, prior: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss over the entries whose prior is not 0, divided by the number of positives among them; 0 without any.

    Args:
        logits, prior, labels: (P, V) each; prior is the product of both scores, 0 where the object cannot have the verb.
    """
    entry = prior > 0
    truth = labels[entry]
    positives = truth.sum()
    loss = focal(with_prior(logits[entry], prior[entry]), truth, alpha=alpha, gamma=gamma).sum()
    return loss / positives if positives > 0 else loss * 0


def relation_terms(
    text: Tensor, descriptions: Tensor, *, verbs: Tensor, objects_of_hois: Tensor, unseen: Tensor
) -> Tensor:
    """The three class-relation terms (seen, unseen, both), each a mean over its n x n entries.

    Args:
        text: (C, d_a) features of the selected rows; descriptions: (600, d_a).
        verbs, objects_of_hois, unseen: see `quirks.relation_indices`.
    """
    seen, others = quirks.relation_indices(verbs, objects_of_hois, unseen)
    groups = [seen, others, torch.cat([seen, others])]
    return torch.stack([class_relation(text[g], descriptions[g], temperature=TEMPERATURE) for g in groups])


def relation(terms: Tensor) -> Tensor:
    """The class-relation loss: a constant, since text features are."""
    return RELATION_WEIGHT * terms.mean()
