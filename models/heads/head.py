"""The contract of a head: from the record of a pair to the logits of verbs. One file a method, chosen by `model.head`.

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
    """(V, d): the unit mean of the features (C, d) of each verb's classes; 0 for a verb without a class.

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
        """(O, V) bool: the verbs that some class has with an object."""
        found = torch.zeros(self.object_count, self.verb_count, dtype=torch.bool, device=self.verbs.device)
        found[self.objects, self.verbs] = True
        return found

    def of_verbs(self, features: Tensor) -> Tensor:
        """(V, d): what stands for each verb, of the features (C, d) of the classes; see `verb_features`."""
        return verb_features(features, self.verbs, self.verb_count)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Training pairs and their labels. Labels of unseen classes do not exist here.

    Args:
        pairs: P of them: those that match an annotated pair of a seen class, and of a head that trains others too, drawn
            at random whatever they show.
        shown: (P, V) bool, the verbs of the annotated pairs of seen classes that a pair matches.
        counted: (P, V) bool, which labels count: the verbs that a seen class has with the pair's object; of a picture whose
            annotation is not exhaustive, only those that it says.
        absent: (P, V) bool, verbs of unseen classes with the pair's object that it does not show: it is annotated with
            others (section 3.2 of EZ-HOI).
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
    """What scores pairs."""

    @abstractmethod
    def logits(self, pairs: PairRecord) -> Tensor:
        """(P, V): the logit of every verb. It reads what its `Kind` declares, and nothing else of the record."""

    def scores(self, pairs: PairRecord) -> Tensor:
        """(P, V): the probability of every verb, without the detection prior."""
        return torch.sigmoid(self.logits(pairs))


class FittedHead(Head):
    """A head that is made from texts and cached training pairs. Its whole state is in `state_dict`, which is stored."""

    @classmethod
    @abstractmethod
    def fresh(cls, *, texts: Texts, examples: Examples, options: Any, generator: torch.Generator) -> Self:
        """The head before its training; as it is used, if it has none.

        Args:
            examples: all training pairs.
            options: the head's dataclass of `models.heads.kinds`, if it has one.
            generator: for whatever is drawn.
        """

    @classmethod
    @abstractmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The head of a stored state: sizes follow from the tensors' shapes. KeyError or ValueError if they do not fit."""

    def filled(self, state: Mapping[str, Tensor]) -> Self:
        """This head with a stored state in the place of its own. ValueError if they do not fit."""
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
    """The class of a head, from its file; the names are those of `models.heads.kinds`, but `ezhoi`."""
    head: type[FittedHead] = importlib.import_module(f"models.heads.{name}").HEAD
    return head
