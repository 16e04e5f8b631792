"""UTPL's losses on classes without labels: text alone, and cached pairs that were seen before; no picture is opened.

Everything of the seen stage is frozen. Three losses: alignment with the nearest seen class; class relation over seen and
unseen together (Eq. 16); and negative learning: pairs that match an annotated seen class are no examples of an unseen class
with another verb, balanced by pairs that show its verb on another object. Without such pairs the first two are left. With
`utpl.consistency_weight` CMMP's consistency is a fourth, over seen and unseen together.

The stage `utpl` adapts the unseen classes of a setting with it, the predictor the classes that a user adds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.hoi import EzHoi
from models.losses import class_relation, consistency, with_prior
from models.transfer import to_device
from models.unseen import UnseenPrompts, alignment, labelled
from pipeline.config.training import Focal, Utpl
from pipeline.learned import phrases
from pipeline.learned.build import generator
from pipeline.learned.partners import Partners
from pipeline.learned.phrases import Classes
from pipeline.training.seen_pairs import SeenPairs
from pipeline.training.task import Losses


class Adaptation:
    """The frozen seen side, the unseen module, and the losses at a step.

    Args:
        model: the trained model; it is frozen here.
        seen: the seen classes whose phrases stand for verbs; unseen: those that are adapted, each with its partner.
        pairs: the pairs from which negatives are drawn; None leaves the negatives out.
        focal, tau: as in the training on the seen classes.
        module: the module that learns the prompts of the unseen classes.
    """

    def __init__(
        self,
        model: EzHoi,
        module: UnseenPrompts,
        *,
        seen: Classes,
        unseen: Classes,
        partners: Partners,
        pairs: SeenPairs | None,
        section: Utpl,
        focal: Focal,
        tau: float,
        seed: int,
    ) -> None:
        self.model, self.module = model.eval().requires_grad_(False), module
        self.seen, self.unseen, self.partners, self.pairs = seen, unseen, partners, pairs
        self._section, self._focal, self._tau, self._seed = section, focal, tau, seed
        nearest = partners.classes
        with torch.no_grad():
            self._partner_prompts = model.class_prompts(nearest.phrases)
            self._partner_text = model.text(nearest.phrases, self._partner_prompts)
            self.seen_text = model.text(seen.phrases)
            self.before = model.text(unseen.phrases) if unseen.hois else self.seen_text[:0]
        self._closeness = (unseen.descriptions * nearest.descriptions).sum(dim=1)
        held = section.consistency_weight > 0
        self._plain = [phrases.plain(classes, model.clip) for classes in (seen, unseen)] if held else []
        self._descriptions = torch.cat([seen.descriptions, unseen.descriptions])

    def losses(self, step: int) -> Losses:
        """The losses of a step; examples are drawn anew at every step."""
        section = self._section
        text = self._adapted()
        both = torch.cat([self.seen_text, text])
        relation = class_relation(both, self._descriptions, temperature=section.relation_temperature)
        found = {
            "align": section.align_weight * alignment(text, self._partner_text, self._closeness),
            "relation": section.relation_weight * relation,
        }
        if self.pairs is not None:
            negative = self._examples(self.pairs, text, step, positive=False)
            balance = self._examples(self.pairs, text, step, positive=True)
            found["negative"] = section.negative_weight * (negative + section.positive_weight * balance)
        if self._plain:
            found["consistency"] = section.consistency_weight * consistency(both, torch.cat(self._plain))
        return found

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the losses."""
        negative = ("negative",) if self.pairs is not None else ()
        return ("align", "relation", *negative, *(("consistency",) if self._plain else ()))

    @torch.no_grad()
    def after(self) -> Tensor:
        """The text features (U, d_a) of the unseen classes, as they are adapted so far."""
        return self._adapted() if self.unseen.hois else self.before

    def _adapted(self) -> Tensor:
        guided = self.model.class_prompts(self.unseen.phrases, self.module.own)
        prompts = self.module(guided, self._partner_prompts, self.partners.disparities, self.partners.absent)
        return self.model.text(self.unseen.phrases, prompts)

    def _examples(self, pairs: SeenPairs, text: Tensor, step: int, *, positive: bool) -> Tensor:
        """Focal loss of the unseen phrases on drawn pairs that are negatives (or positives) for them."""
        wanted = pairs.positive if positive else pairs.negative
        some = generator(self._seed, "utpl", "positives" if positive else "negatives", step)
        drawn = pairs.draw(wanted, self._section.batch_size, some)
        features, priors, counted = (to_device(t[drawn], text.device) for t in (pairs.features, pairs.priors, wanted))
        logits = self.model.phrase_logits(features, text)
        logits = with_prior(logits, (priors[:, None] ** self._tau).expand_as(logits))
        return labelled(logits, float(positive), counted, alpha=self._focal.alpha, gamma=self._focal.gamma)
