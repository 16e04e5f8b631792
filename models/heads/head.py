"""The contract of a text head: from the record of a pair to the logits of verbs. Each method is one file; `model.head` chooses.

    Head          what scores pairs: `logits`, and `scores` with them
    FittedHead    a head that is made from texts and cached training pairs: `fresh`, `losses`, `restored`

All heads share the boxes, the cached pairs, the texts, the focal loss, the evaluator and the predictor, so what differs in
their numbers is the method. Letters as in `models/clip.py`; here C are the classes of the dataset, seen and unseen.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from models.heads.kinds import HeadName
from models.heads.record import PairRecord

Losses = dict[str, Tensor]


def verb_features(features: Tensor, verbs: Tensor, count: int) -> Tensor:
    """The mean (V, d) of the features (C, d) of each verb's classes, of unit length; 0 for a verb without a class.

    Args:
        verbs: (C,) verb id of each class; count: V.
    """
    sums = features.new_zeros(count, features.shape[1]).index_add(0, verbs, features)
    return nn.functional.normalize(sums, dim=-1)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What words say of the C classes of the dataset, the seen ones first; features have unit length.

    Args:
        verb_count, object_count: how many there are.
        verbs, objects: (C,) ids of each class.
        unseen: (C,) bool.
        phrases: (C, d) the frozen CLIP's features of the plain phrases.
        descriptions: (C, d) the frozen CLIP's features of the descriptions.
        guided: (C, d) the phrases under the guided prompts of the seen stage, which the fused feature was trained with.
        scale: learned scale of the cosines of fused and guided features.
        concepts: (V, K, d) the frozen CLIP's features of phrases on what each verb shows, by region
            (`models.heads.kinds.CONCEPTS`); a phrase that is not there is a row of zeros. None where the head reads none.
    """

    verb_count: int
    object_count: int
    verbs: Tensor
    objects: Tensor
    unseen: Tensor
    phrases: Tensor
    descriptions: Tensor
    guided: Tensor
    scale: float
    concepts: Mapping[str, Tensor] | None = None

    @property
    def valid(self) -> Tensor:
        """Which verbs some class has with each object, (O, V) bool."""
        found = torch.zeros(self.object_count, self.verb_count, dtype=torch.bool, device=self.verbs.device)
        found[self.objects, self.verbs] = True
        return found

    def of_verbs(self, features: Tensor) -> Tensor:
        """The feature (V, d) of each verb, from those (C, d) of the classes; see `verb_features`."""
        return verb_features(features, self.verbs, self.verb_count)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Training pairs and their labels. Labels of unseen classes do not exist here.

    Args:
        pairs: the P pairs: those that match an annotated pair of a seen class and, for a head that trains, others drawn at
            random, whatever they show.
        shown: (P, V) bool: the verbs of the annotated pairs of seen classes that a pair matches.
        counted: (P, V) bool: which labels count, namely the verbs that a seen class has with the pair's object; in a picture
            whose annotation is not exhaustive, only the verbs that the annotation names.
        absent: (P, V) bool: verbs of unseen classes with the pair's object that the pair does not show, since it is annotated
            with others (section 3.2 of EZ-HOI).
    """

    pairs: PairRecord
    shown: Tensor
    counted: Tensor
    absent: Tensor

    def take(self, rows: Tensor) -> Examples:
        """Some of the pairs, by position or mask."""
        return Examples(
            pairs=self.pairs.take(rows), shown=self.shown[rows], counted=self.counted[rows], absent=self.absent[rows]
        )

    def to(self, device: torch.device) -> Examples:
        """The examples on a device."""
        masks = (mask.to(device) for mask in (self.shown, self.counted, self.absent))
        return Examples(pairs=self.pairs.to(device), **dict(zip(("shown", "counted", "absent"), masks, strict=True)))


class Head(nn.Module, ABC):
    """A text head: it scores pairs."""

    @abstractmethod
    def logits(self, pairs: PairRecord) -> Tensor:
        """The logit (P, V) of every verb. Of the record a head reads what its `Kind` declares, and nothing else."""

    def scores(self, pairs: PairRecord) -> Tensor:
        """The probability (P, V) of every verb, without the detection prior."""
        return torch.sigmoid(self.logits(pairs))


class FittedHead(Head):
    """A head that is made from texts and cached training pairs. Its whole state is in `state_dict`, which is stored."""

    @classmethod
    @abstractmethod
    def fresh(cls, *, texts: Texts, examples: Examples, options: Any, generator: torch.Generator) -> Self:
        """The head before its training; a head without a training is used as it is.

        Args:
            examples: all training pairs.
            options: the head's dataclass of `models.heads.kinds`, if it has one.
            generator: the source of everything that is drawn.
        """

    @classmethod
    @abstractmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The head with a stored state, whose shapes give the sizes. KeyError or ValueError if the tensors do not fit."""

    def filled(self, state: Mapping[str, Tensor]) -> Self:
        """This head, with a stored state in place of its own. ValueError if the two do not fit."""
        try:
            self.load_state_dict(dict(state))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return self

    def losses(self, examples: Examples, logits: Tensor) -> Losses:
        """The head's own losses on a step's examples, weighted, by name; the stage adds the focal loss, for every head alike.

        Args:
            logits: (P, V), of the step's pairs.
        """
        return {}


def fitted(name: HeadName) -> type[FittedHead]:
    """The class of a head, from its file. The names are those of `models.heads.kinds` except `ezhoi`, which is no such head."""
    head: type[FittedHead] = importlib.import_module(f"models.heads.{name}").HEAD
    return head
