"""How the trained model and what it is compared with score pairs: arrays in, scores of verbs out.

The rule is `models.scoring.verb_scores`. The variants differ in what stands for the phrases of unseen classes:

    detector_only    nothing: all verbs alike, so the boxes alone decide
    seen_phrases     nothing: a verb is what its seen phrases say, and has no chance if it has none (after the seen stage)
    plain_phrases    CLIP's features of the plain phrases (after the seen stage)
    before_utpl      features under the shared guided prompts (after the seen stage)
    adapted          features after UTPL, for the pairs that they speak for (`utpl.scope`)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models import scoring
from models.scoring import Preset, Scope

Variant = Literal["detector_only", "seen_phrases", "plain_phrases", "before_utpl", "adapted"]
TRAINED: tuple[Variant, ...] = ("detector_only", "seen_phrases", "plain_phrases", "before_utpl", "adapted")
"""The variants that a trained model's pairs are scored by."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """The text features of the C phrases that stand for verbs, and what scores with them.

    Args:
        verbs: how many verbs there are, V.
        scale: the learned scale of the logits.
        phrase_verbs, phrase_objects: (C,) ids of the phrases' classes.
        seen: (C,) bool, which of these classes are seen.
        plain, before, after: (C, d_a) text features of each variant.
        tau: power of the detection prior.
    """

    preset: Preset
    scope: Scope
    tau: float
    scale: float
    verbs: int
    phrase_verbs: Tensor
    phrase_objects: Tensor
    seen: Tensor
    plain: Tensor
    before: Tensor
    after: Tensor

    def scores(self, variant: Variant, pairs: Mapping[str, np.ndarray]) -> np.ndarray:
        """(P, V): the scores of every verb with each pair's object.

        Args:
            pairs: columns `object_id`, `prior` (s_human s_object) and `feature` (d_a) of P pairs.
        """
        objects, prior = torch.tensor(pairs["object_id"]), torch.tensor(pairs["prior"])
        if variant == "detector_only":
            verbs = torch.ones(len(objects), self.verbs)
        else:
            guided, adapted = self._logits(variant, torch.tensor(pairs["feature"]))
            kept = self.seen if variant == "seen_phrases" else torch.ones_like(self.seen)
            verbs = scoring.verb_scores(
                guided[:, kept],
                adapted[:, kept],
                pair_objects=objects,
                phrase_objects=self.phrase_objects[kept],
                phrase_verbs=self.phrase_verbs[kept],
                verbs=self.verbs,
                scope=self.scope,
            )
        return scoring.class_scores(verbs, prior, tau=self.tau).numpy()

    def _logits(self, variant: Variant, features: Tensor) -> tuple[Tensor, Tensor]:
        """Phrase logits for the pairs that an adapted phrase does not speak for, and for those that it does."""

        def logits(text: Tensor) -> Tensor:
            return scoring.phrase_logits(features, text, self.scale, preset=self.preset)

        if variant == "adapted":
            return logits(self.before), logits(self.after)
        one = logits(self.plain if variant == "plain_phrases" else self.before)
        return one, one
