"""The unseen classes in joint training (`seen.joint`): one loss for everything, as the paper trains.

Their phrases count in the verbs' scores and in the class relation. They have only negative labels: a pair that is annotated
with seen classes of other verbs is no example of them (section 3.2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import EzHoi
from models.losses import negative_learning
from pipeline.learned import partners, phrases
from pipeline.learned.phrases import Classes
from pipeline.training.batches import Batch
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work


class UnseenClasses:
    """The unseen classes' prompts (Eq. 4, 5), which learn together with everything else, and their negatives.

    Args:
        seen: all seen classes, among which each unseen one has its partner.
    """

    def __init__(self, work: Work, clip: Clip, model: EzHoi, seen: Classes, vocabulary: Vocabulary) -> None:
        self._model, self._settings = model, work.config.seen
        self.classes = phrases.read(
            work.inputs["text_embeddings"],
            "unseen",
            vocabulary=vocabulary,
            clip=clip,
            guidance=work.config.model.guidance,
        )
        width = clip.joint_width
        self._partners = partners.read(
            work.inputs["disparities"], unseen=self.classes.hois, seen=seen, joint_width=width
        )
        self.module = partners.unseen_prompts(
            model.prompts, count=len(self.classes.hois), joint_width=width, sizes=model.sizes
        )

    def text(self) -> Tensor:
        """The text features (U, d_a) of the unseen classes; no gradient reaches a partner's prompts."""
        guided = self._model.class_prompts(self.classes.phrases, self.module.own)
        nearest = self._model.class_prompts(self._partners.classes.phrases)
        prompts = self.module(guided, nearest, self._partners.disparities, self._partners.absent)
        return self._model.text(self.classes.phrases, prompts)

    def negatives(self, batch: Batch, logits: Tensor, prior: Tensor, positives: float) -> Tensor:
        """The part's share of the negative learning, which is a mean over the step's positives and the unseen classes.

        Args:
            logits: (P, U) of the unseen phrases; prior: (P,).
        """
        known = batch.verbs.to(logits.device)
        verbs = torch.tensor(self.classes.verbs, dtype=torch.long, device=logits.device)
        negative = known.any(dim=1, keepdim=True) & ~known[:, verbs] & batch.exhaustive.to(logits.device)[:, None]
        focal = self._settings.focal
        total = negative_learning(logits, prior, negative, alpha=focal.alpha, gamma=focal.gamma)
        return total / (max(positives, 1.0) * max(len(verbs), 1))
