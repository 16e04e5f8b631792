"""The classes of a model: its words, the text features of their phrases, and the embeddings of the objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from pipeline.learned import heads
from pipeline.predict.bundle import Bundle
from pipeline.predict.scorer import Scorer
from pipeline.texts.describing import Described
from pipeline.vocabulary.vocabulary import Vocabulary

NO_PAIRS = "text alone, without negatives"
WITH_PAIRS = "text alone, negatives from the model's training pairs"
IN_TRAINING = "UTPL, with the unseen classes of its training"
"""How an added class may have been adapted."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """The classes of a bundle's model, and those that were added to them.

    Attributes:
        phrases: ids of the C classes whose phrases stand for verbs.
        scorer: scores pairs by the features of these phrases.
        objects: (O, d_a) embeddings of the object names.
        added: the descriptions of the added classes, by their ids.
        adapted: how an added class was adapted, in words, by its id; only for classes that were.
        examples: how many example pairs are remembered of a class, by its id.
    """

    vocabulary: Vocabulary
    phrases: tuple[int, ...]
    scorer: Scorer
    objects: Tensor
    added: Mapping[int, Described] = field(default_factory=dict)
    adapted: Mapping[int, str] = field(default_factory=dict)
    examples: Mapping[int, int] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """What was added, as plain JSON to be stored with results: classes with their texts, adaptation, examples."""
        name = {hoi.hoi_id: hoi.name for hoi in self.vocabulary.classes}
        return {
            "added": [
                {"hoi_id": h, "class": name[h], "text": " ".join(said.sentences), "source": said.source}
                for h, said in self.added.items()
            ],
            "adapted": "; ".join(dict.fromkeys(self.adapted.values())),
            "examples": {name[h]: count for h, count in self.examples.items()},
            "transductive": False,
        }

    @property
    def says(self) -> str:
        """What was added, in sentences."""
        parts = [f"{len(self.added)} classes were added that it was not trained with."] if self.added else []
        for how in dict.fromkeys(self.adapted.values()):
            count = sum(other == how for other in self.adapted.values())
            parts.append(f"{'They' if count == len(self.added) else f'{count} of them'} were adapted by {how}.")
        if self.examples:
            count = sum(self.examples.values())
            parts.append(f"Few-shot: {count} example pairs of {len(self.examples)} classes are remembered.")
        return " ".join([*parts, "Nothing was learned from the pictures that it predicts."])

    def with_more(
        self,
        vocabulary: Vocabulary,
        *,
        described: Mapping[int, Described],
        before: Tensor,
        after: Tensor,
        objects: Tensor,
        adapted: str,
    ) -> Words:
        """These words with new ones, whose phrases come behind the others.

        Args:
            vocabulary: these words with the new ones behind them.
            described: the descriptions of the U new classes, by their ids in order.
            before, after: (U, d_a), text features of their phrases.
            objects: (O', d_a) of the new objects, in order.
            adapted: how the new classes were adapted, in words; "" where they were not.
        """
        verbs, things = ([getattr(vocabulary.hoi(h), key) for h in described] for key in ("verb_id", "object_id"))
        old = self.scorer
        scorer = replace(
            old,
            verbs=len(vocabulary.verbs),
            phrase_verbs=torch.cat([old.phrase_verbs, torch.tensor(verbs, dtype=torch.long)]),
            phrase_objects=torch.cat([old.phrase_objects, torch.tensor(things, dtype=torch.long)]),
            seen=torch.cat([old.seen, torch.zeros(len(described), dtype=torch.bool)]),
            plain=torch.cat([old.plain, before.to(old.plain)]),
            before=torch.cat([old.before, before.to(old.before)]),
            after=torch.cat([old.after, after.to(old.after)]),
        )
        return Words(
            vocabulary=vocabulary,
            phrases=(*self.phrases, *described),
            scorer=scorer,
            objects=torch.cat([self.objects, objects.to(self.objects)]),
            added={**self.added, **described},
            adapted={**self.adapted, **(dict.fromkeys(described, adapted) if adapted else {})},
            examples=self.examples,
        )


def of_bundle(bundle: Bundle) -> Words:
    """The words of a bundle, scored as its model does after UTPL."""
    header, vocabulary = bundle.header, bundle.header.classes
    hois = bundle.tensors["text.hoi_id"].tolist()
    scorer = Scorer(
        preset=header.preset,
        scope=header.scope,
        tau=header.tau,
        scale=header.scale,
        verbs=len(vocabulary.verbs),
        phrase_verbs=torch.tensor([vocabulary.hoi(h).verb_id for h in hois]),
        phrase_objects=torch.tensor([vocabulary.hoi(h).object_id for h in hois]),
        seen=torch.tensor([h not in header.unseen for h in hois]),
        plain=bundle.tensors["text.before"],
        before=bundle.tensors["text.before"],
        after=bundle.tensors["text.after"],
        name=header.head,
        head=heads.restored(header.head, bundle.head(), origin="the bundle"),
    )
    texts = header.texts.descriptions if header.texts is not None else {}
    added = {h: Described(texts[h].sentences, texts[h].source, texts[h].action) for h in header.added if h in texts}
    return Words(
        vocabulary=vocabulary,
        phrases=tuple(hois),
        scorer=scorer,
        objects=bundle.tensors["objects"],
        added=added,
        adapted=dict.fromkeys(added, IN_TRAINING) if header.head == "ezhoi" else {},
    )
