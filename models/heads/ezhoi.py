"""EZ-HOI's own head: phrases stand for verbs (Eq. 12), those of unseen classes as UTPL adapted them (`models/unseen.py`)."""

from __future__ import annotations

from torch import Tensor

from models import scoring
from models.heads.head import Head
from models.heads.record import PairRecord
from models.sizes import Preset, Scope


class EzHoiHead(Head):
    """C phrases that stand for V verbs, in either preset. It learns elsewhere: in the seen stage and in UTPL.

    Args:
        scope: which pairs the phrase of an unseen class speaks for (`models.scoring.scoped_verb_logits`).
        scale: learned scale of the logits.
        verbs: V.
        phrase_verbs, phrase_objects: (C,) ids of the phrases' classes.
        unseen: (C,) bool, which of these classes are unseen.
        guided, adapted: (C, d) their features before and after UTPL; the same twice for a head without UTPL.
    """

    def __init__(
        self,
        *,
        preset: Preset,
        scope: Scope,
        scale: float,
        verbs: int,
        phrase_verbs: Tensor,
        phrase_objects: Tensor,
        unseen: Tensor,
        guided: Tensor,
        adapted: Tensor,
    ) -> None:
        super().__init__()
        self.preset, self.scope, self.scale, self.verbs = preset, scope, scale, verbs
        self.phrase_verbs, self.phrase_objects, self.unseen = phrase_verbs, phrase_objects, unseen
        self.guided, self.adapted = guided, adapted

    def logits(self, pairs: PairRecord) -> Tensor:
        """(P, V): the mean of each verb's phrases, 0 for a verb without any."""
        return scoring.scoped_verb_logits(
            pairs.feature,
            self.guided,
            self.adapted,
            scale=self.scale,
            preset=self.preset,
            pair_objects=pairs.objects,
            phrase_objects=self.phrase_objects,
            phrase_verbs=self.phrase_verbs,
            unseen=self.unseen,
            verbs=self.verbs,
            scope=self.scope,
        )

    def scores(self, pairs: PairRecord) -> Tensor:
        """(P, V): probabilities, 0 for a verb without a phrase."""
        return scoring.probabilities(self.logits(pairs), self.phrase_verbs)
