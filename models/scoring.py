"""From pair and text features to scores: the one place, for both trainings and for predictions, in either preset.

    phrase_logits      what a pair says to each phrase               (P, C)
    verb_logits        the mean over each verb's phrases             (P, V)
    in_scope           which pairs an unseen phrase speaks for       (P, C)
    scoped_verb_logits the rule of the method: logits of verbs       (P, V)
    probabilities      of verbs, from their logits                   (P, V)
    class_scores       with the detection prior (Eq. 18)             (P, V)
    untrained_scores   the frozen CLIP's own choice among classes    (P, V)

Letters as in `models/clip.py`; here C are the phrases that stand for verbs, K the classes of a dataset. A class is a verb
and an object, so the scores of a pair's verbs are those of the classes of its object.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.released import quirks
from models.sizes import Preset, Scope

CLIP_SCALE = 100.0
"""What CLIP itself multiplies its cosines by, at the end of its training."""


def phrase_logits(pairs: Tensor, text: Tensor, scale: Tensor | float, *, preset: Preset = "paper") -> Tensor:
    """Phrase logits (P, C) of pair features (P, d_a) and text features (C, d_a), under the learned scale.

    Preset `paper`: scaled cosines, whatever the features' lengths. Preset `released`: raw dot products times half of the
    scale (`models.released.quirks.scaled_dot`).
    """
    return _product(_compared(pairs, preset), _compared(text, preset), scale, preset)


def _compared(features: Tensor, preset: Preset) -> Tensor:
    """Features (N, d_a) as they are compared: of unit length, or as they are in preset `released`."""
    return features if preset == "released" else nn.functional.normalize(features, dim=-1)


def _product(pairs: Tensor, text: Tensor, scale: Tensor | float, preset: Preset) -> Tensor:
    """Logits (P, C) of features that are ready to be compared; linear in the text (C, d_a)."""
    return quirks.scaled_dot(pairs, text, scale) if preset == "released" else scale * pairs @ text.T


def verb_logits(logits: Tensor, phrase_verbs: Tensor, verbs: int) -> Tensor:
    """Mean of each verb's phrase logits: (P, C) and the phrases' verb ids (C,) to (P, V); 0 for a verb without phrase."""
    member = nn.functional.one_hot(phrase_verbs, verbs).to(logits)
    return logits @ (member / member.sum(dim=0).clamp(min=1))


def in_scope(pair_objects: Tensor, phrase_objects: Tensor, *, scope: Scope) -> Tensor:
    """(P, C) bool: which pairs an adapted phrase speaks for (see `scoped_verb_logits`), and so which pairs it learns from.

    Args:
        pair_objects: (P,) object id of each pair; phrase_objects: (C,) object id of each phrase's class.
    """
    if scope == "verb":
        return torch.ones(len(pair_objects), len(phrase_objects), dtype=torch.bool, device=pair_objects.device)
    return pair_objects[:, None] == phrase_objects[None]


def scoped_verb_logits(
    pairs: Tensor,
    guided: Tensor,
    adapted: Tensor,
    *,
    scale: Tensor | float,
    preset: Preset = "paper",
    pair_objects: Tensor,
    phrase_objects: Tensor,
    phrase_verbs: Tensor,
    unseen: Tensor,
    verbs: int,
    scope: Scope,
) -> Tensor:
    """Logit of every verb for every pair, (P, V): the rule that decides the method.

    **A class has no classifier of its own.** Phrases stand for verbs (Eq. 12): a verb's logit is the mean over its phrases,
    whatever objects they name, and a class's is that of its verb. So a seen phrase moves all the classes with its verb, and
    an unseen class is scored by the seen phrases of its verb too, if it has any.

    **Whom the phrase of an unseen class speaks for.** It has two features, before UTPL (`guided`) and after (`adapted`); a
    seen class's are equal. The scope says which of the two counts in the mean of its verb:

        scope         pairs with its class's object     all other pairs
        own_class     adapted                           none, if the verb has a seen phrase; else guided
        own_object    adapted                           guided
        verb          adapted                           adapted

    So with "own_class" seen classes score exactly as by seen phrases alone, and with "own_object" as if there were no UTPL.
    "verb" is Eq. 12 as the paper has it. Negative learning draws its examples from the pairs where the adapted feature
    counts (`in_scope`).

    Logits are linear in the texts, so the texts of a verb are averaged instead of its logits, and only phrases that count for
    some pairs alone are compared for themselves.

    Args:
        pairs: (P, d_a) features of pairs.
        guided, adapted: (C, d_a) features of phrases; the same tensor twice scores without UTPL.
        pair_objects: (P,) object id of each pair.
        phrase_objects, phrase_verbs: (C,) ids of each phrase's class.
        unseen: (C,) bool, whether that class is unseen.
    """
    compared, before = _compared(pairs, preset), _compared(guided, preset)
    after = before if adapted is guided else _compared(adapted, preset)
    member = nn.functional.one_hot(phrase_verbs, verbs).to(before)
    seen_too = torch.isin(phrase_verbs, phrase_verbs[~unseen])
    apart = unseen & seen_too if scope == "own_class" else torch.zeros_like(unseen)
    everywhere = member * ~apart[:, None]
    counted = everywhere.sum(dim=0)
    shares = everywhere / counted.clamp(min=1)
    logits = _product(compared, shares.T @ before, scale, preset)
    changed = ~apart & (before != after).any(dim=1)
    if changed.any():
        moved = _product(compared, (after - before)[changed], scale, preset)
        heard = in_scope(pair_objects, phrase_objects[changed], scope=scope)
        logits = logits + torch.where(heard, moved, 0.0) @ shares[changed]
    if apart.any():
        own = in_scope(pair_objects, phrase_objects[apart], scope=scope)
        said = torch.where(own, _product(compared, after[apart], scale, preset), 0.0) @ member[apart]
        more = own.to(before) @ member[apart]
        # The mean over `counted` phrases becomes that over `more` of their own; where there are none it stays to the bit.
        logits = logits + (said - more * logits) / (counted + more).clamp(min=1)
    return logits


def probabilities(logits: Tensor, phrase_verbs: Tensor) -> Tensor:
    """Probabilities (P, V) of the verbs' logits (P, V); a verb without phrase has probability 0."""
    named = nn.functional.one_hot(phrase_verbs, logits.shape[1]).any(dim=0)
    return torch.sigmoid(logits) * named


def class_scores(verb_scores: Tensor, prior: Tensor, *, tau: float) -> Tensor:
    """Eq. 18, (P, V) in double precision: prior^tau times the verb's probability, prior = s_human s_object (P,).

    The entry of verb v is the score of the class (v, the pair's object), where there is such a class.
    """
    return (prior.double() ** tau)[:, None] * verb_scores


def untrained_scores(features: Tensor, text: Tensor, classes: Tensor) -> Tensor:
    """(P, V): the frozen CLIP's softmax over the classes of each pair's object; 0 for verbs that it cannot have.

    Args:
        features: (P, d_a) of the pairs, text: (K, d_a) of the classes' plain phrases, unit lengths.
        classes: (P, V) which of the K each verb is with the pair's object, -1 for none.
    """
    possible = classes >= 0
    logits = (CLIP_SCALE * features @ text.T).gather(1, classes.clamp(min=0)).masked_fill(~possible, -torch.inf)
    return torch.where(possible.any(dim=1, keepdim=True), logits.softmax(dim=1), 0.0)
