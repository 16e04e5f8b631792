"""From pair and text features to scores: the one place, for both trainings and for predictions, in either preset.

    phrase_logits      what a pair says to each phrase               (P, C)
    verb_logits        the mean over each verb's phrases             (P, V)
    speaks             which pairs an adapted phrase speaks for      (P, C)
    spoken             the rule of the method: logits of verbs       (P, V)
    probabilities      of verbs, from their logits                   (P, V)
    class_scores       with the detection prior (Eq. 18)             (P, V)
    untrained_scores   the frozen CLIP's own choice among classes    (P, K)

Letters as in `models/clip.py`; here C are the phrases that stand for verbs, K the classes of a dataset. A class is a verb
and an object, so the scores of a pair's verbs are those of the classes of its object.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.released import quirks

Preset = Literal["paper", "released"]
Scope = Literal["own_object", "verb"]
CLIP_SCALE = 100.0
"""What CLIP itself multiplies its cosines by, at the end of its training."""


def phrase_logits(pairs: Tensor, text: Tensor, scale: Tensor | float, *, preset: Preset = "paper") -> Tensor:
    """Phrase logits (P, C) of pair features (P, d_a) and text features (C, d_a), under the learned scale.

    Preset `paper`: scaled cosines, whatever the features' lengths. Preset `released`: raw dot products times half of the
    scale (`models.released.quirks.scaled_dot`).
    """
    if preset == "released":
        return quirks.scaled_dot(pairs, text, scale)
    unit = nn.functional.normalize
    return scale * unit(pairs, dim=-1) @ unit(text, dim=-1).T


def verb_logits(logits: Tensor, phrase_verbs: Tensor, verbs: int) -> Tensor:
    """Mean of each verb's phrase logits: (P, C) and the phrases' verb ids (C,) to (P, V); 0 for a verb without phrase."""
    member = nn.functional.one_hot(phrase_verbs, verbs).to(logits)
    return logits @ (member / member.sum(dim=0).clamp(min=1))


def speaks(pair_objects: Tensor, phrase_objects: Tensor, *, scope: Scope) -> Tensor:
    """(P, C) bool: which pairs an adapted phrase speaks for (see `spoken`), and so which pairs it learns from.

    Args:
        pair_objects: (P,) object id of each pair; phrase_objects: (C,) object id of each phrase's class.
    """
    if scope == "verb":
        return torch.ones(len(pair_objects), len(phrase_objects), dtype=torch.bool, device=pair_objects.device)
    return pair_objects[:, None] == phrase_objects[None]


def spoken(
    guided: Tensor,
    adapted: Tensor,
    *,
    pair_objects: Tensor,
    phrase_objects: Tensor,
    phrase_verbs: Tensor,
    verbs: int,
    scope: Scope,
) -> Tensor:
    """Logit of every verb for every pair, (P, V): the rule that decides the method.

    **A class has no classifier of its own.** Phrases stand for verbs (Eq. 12): a verb's logit is the mean over its phrases,
    seen and unseen ones alike, whatever objects they name, and a class's is that of its verb. So a phrase moves all the
    classes with its verb, and an unseen class is scored by the seen phrases of its verb too, if it has any.

    **Whom an adapted phrase speaks for.** Each unseen class's phrase has two logits, before UTPL (`guided`) and after
    (`adapted`); a seen class's are equal. With `scope` "own_object" the adapted one counts for the pairs that show the
    object of its class, and the guided one elsewhere: seen classes with other objects score as if there were no UTPL.
    With "verb" the adapted one counts for all pairs. Negative learning draws its examples from the same pairs (`speaks`).

    Args:
        guided, adapted: phrase logits (P, C); the same tensor twice scores without UTPL.
        pair_objects: (P,) object id of each pair.
        phrase_objects, phrase_verbs: (C,) ids of each phrase's class.
    """
    counted = torch.where(speaks(pair_objects, phrase_objects, scope=scope), adapted, guided)
    return verb_logits(counted, phrase_verbs, verbs)


def probabilities(logits: Tensor, phrase_verbs: Tensor) -> Tensor:
    """Probabilities (P, V) of the verbs' logits (P, V); a verb without phrase has probability 0."""
    named = nn.functional.one_hot(phrase_verbs, logits.shape[1]).any(dim=0)
    return torch.sigmoid(logits) * named


def class_scores(verb_scores: Tensor, prior: Tensor, *, tau: float) -> Tensor:
    """Eq. 18, (P, V) in double precision: prior^tau times the verb's probability, prior = s_human s_object (P,).

    The entry of verb v is the score of the class (v, the pair's object), where there is such a class.
    """
    return (prior.double() ** tau)[:, None] * verb_scores


def untrained_scores(features: Tensor, text: Tensor, pair_objects: Tensor, class_objects: Tensor) -> Tensor:
    """(P, K): the frozen CLIP's softmax over the classes of each pair's object; 0 for the other classes.

    Args:
        features: (P, d_a) of the pairs, text: (K, d_a) of the classes' plain phrases, unit lengths.
        pair_objects: (P,) object id of each pair; class_objects: (K,).
    """
    possible = pair_objects[:, None] == class_objects[None]
    logits = (CLIP_SCALE * features @ text.T).masked_fill(~possible, -torch.inf)
    return torch.where(possible.any(dim=1, keepdim=True), logits.softmax(dim=1), 0.0)
