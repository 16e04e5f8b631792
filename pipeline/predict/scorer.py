"""How the trained model and what it is compared with score pairs: arrays in, scores of verbs out.

Every variant is a head (`models/heads/`), and all have the same detection prior. Most are EZ-HOI's own
(`models.scoring.scoped_verb_logits`), and differ in what stands for the phrases of unseen classes:

    detector_only    nothing: all verbs alike, so the boxes alone decide
    seen_phrases     nothing: a verb is what its seen phrases say, and has no chance if it has none (after the seen stage)
    plain_phrases    CLIP's features of the plain phrases (after the seen stage)
    before_utpl      features under the shared guided prompts (after the seen stage)
    adapted          features after UTPL, where `utpl.scope` has them count; or the head of `model.head`
    memory           no phrases: what the seen classes' training pairs look like (ADA-CM), without any training
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models import scoring
from models.heads.ezhoi import EzHoiHead
from models.heads.head import Head
from models.heads.kinds import KINDS, Column, HeadName
from models.sizes import Preset, Scope
from pipeline.learned import records
from pipeline.predict.remembered import Remembered, looks

Variant = Literal["detector_only", "seen_phrases", "plain_phrases", "before_utpl", "adapted", "memory"]
TRAINED: tuple[Variant, ...] = ("detector_only", "seen_phrases", "plain_phrases", "before_utpl", "adapted")
"""The variants that a trained model's pairs are scored by; `memory` where there is one beside."""


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
        name, head: the head of variant `adapted`; None: the phrases.
        memory: the head of variant `memory`, where the pairs have what it reads.
        remembered: example pairs, which count beside the phrases of variant `adapted`.
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
    name: HeadName = "ezhoi"
    head: Head | None = None
    memory: Head | None = None
    remembered: Remembered | None = None

    def scores(self, variant: Variant, pairs: Mapping[str, np.ndarray]) -> np.ndarray:
        """(P, V): the scores of every verb with each pair's object.

        Args:
            pairs: columns `object_id`, `prior` (s_human s_object) and `feature` (d_a) of P pairs, and those that the
                variant's head reads; with remembered examples also `remembered.CROPS`.

        Raises:
            DataError: the pairs lack a column.
        """
        record = records.record(pairs, self.reads(variant))
        head = self._head(variant)
        if head is None:
            verbs = torch.ones(len(record), self.verbs)
        elif self.remembered is not None and variant == "adapted":
            logits = self.remembered.mixed(head.logits(record), record.objects, looks(pairs))
            verbs = scoring.probabilities(logits, self.phrase_verbs)
        else:
            verbs = head.scores(record)
        return scoring.class_scores(verbs, record.prior, tau=self.tau).numpy()

    def logits(self, pairs: Mapping[str, np.ndarray]) -> Tensor:
        """(P, V): the logits of variant `adapted` by its head alone; arguments as of `scores`."""
        head = self._head("adapted")
        assert head is not None, "the boxes alone have none"
        return head.logits(records.record(pairs, self.reads("adapted")))

    def reads(self, variant: Variant) -> tuple[Column, ...]:
        """Which columns of the pairs a variant reads, beside those that are always there."""
        name: HeadName = "memory" if variant == "memory" else self.name if variant == "adapted" else "ezhoi"
        return KINDS[name].reads

    def _head(self, variant: Variant) -> Head | None:
        """What tells verbs apart; None where nothing does."""
        if variant == "detector_only":
            return None
        if variant == "memory":
            assert self.memory is not None, "the pairs were not to be remembered"
            return self.memory
        if variant == "adapted":
            return self.head or self._phrases(self.before, self.after)
        if variant == "seen_phrases":
            return self._phrases(self.before, self.before, self.seen)
        text = self.plain if variant == "plain_phrases" else self.before
        return self._phrases(text, text)

    def _phrases(self, guided: Tensor, adapted: Tensor, kept: Tensor | None = None) -> Head:
        """The head of some of the phrases, of all if `kept` (C,) is left out."""
        some = slice(None) if kept is None else kept
        one = guided[some]
        return EzHoiHead(
            preset=self.preset,
            scope=self.scope,
            scale=self.scale,
            verbs=self.verbs,
            phrase_verbs=self.phrase_verbs[some],
            phrase_objects=self.phrase_objects[some],
            unseen=~self.seen[some],
            guided=one,
            adapted=one if adapted is guided else adapted[some],
        )
