"""Class phrases and descriptions from the artifact `text_embeddings`, as the model's text side reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import Phrases
from models.text_tower import text_features
from pipeline.learned import released_text
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Hoi, Object, Vocabulary


@dataclass(frozen=True)
class Classes:
    """Some HOI classes in rising order: ids, their phrases for the model, and pooled description embeddings (C, d_a)."""

    hois: list[int]
    verbs: list[int]
    """Verb id of each class."""
    phrases: Phrases
    descriptions: Tensor

    def take(self, positions: Sequence[int]) -> Classes:
        """Some of the classes, in the given order."""
        return Classes(
            [self.hois[i] for i in positions],
            [self.verbs[i] for i in positions],
            self.phrases.take(positions),
            self.descriptions[list(positions)],
        )


def read(
    embeddings: Artifact, group: str, *, vocabulary: Vocabulary, clip: Clip, guidance: str, preset: str = "paper"
) -> Classes:
    """The classes of `group` ("seen" or "unseen"), in the wording of the preset.

    Args:
        guidance: which embedding of a description guides (Eq. 2): "pooled", "sentence" or "token".
    """
    data = arrays.read(embeddings.path(f"{group}-descriptions.parquet"))
    hois = [int(h) for h in data["hoi_id"]]
    named = [vocabulary.hoi(h) for h in hois]
    pooled = torch.from_numpy(data["pooled"].astype(np.float32)).reshape(len(hois), clip.joint_width)
    rows = [pooled[i : i + 1] for i in range(len(hois))]
    if guidance != "pooled":
        rows = [torch.from_numpy(r.astype(np.float32)) for r in data[f"{guidance}s"]]
    if "actions" in data:  # descriptions.actions: what is said about the verb alone guides as well
        verbs = [torch.from_numpy(verb.astype(np.float32)) for verb in data["actions"]]
        rows = [torch.cat([row, verb]) for row, verb in zip(rows, verbs, strict=True)]
    return _classes(named, rows, pooled, clip, preset)


def of_texts(
    hois: Sequence[Hoi],
    described: Sequence[Sequence[str]],
    *,
    actions: Sequence[Sequence[str]] | None = None,
    clip: Clip,
    guidance: str,
    preset: str = "paper",
) -> Classes:
    """The same for classes that no artifact describes; their texts are embedded now.

    Args:
        described: the sentences of each class's description.
        actions: the sentences about each class's verb alone, where they guide as well.
    """
    texts = [" ".join(parts) for parts in described]
    pooled, tokens = clip.embed_texts(texts)
    rows = [pooled[i : i + 1] for i in range(len(texts))]
    if guidance == "token":
        rows = list(tokens)
    elif guidance == "sentence":
        rows = of_sentences(described, clip=clip)
    if actions is not None:
        rows = [torch.cat(pair) for pair in zip(rows, of_sentences(actions, clip=clip), strict=True)]
    return _classes(hois, rows, pooled, clip, preset)


def of_sentences(sentences: Sequence[Sequence[str]], *, clip: Clip) -> list[Tensor]:
    """The pooled embeddings of the sentences of each class, (m, d_a)."""
    flat = [text for group in sentences for text in group]
    found = clip.embed_texts(flat)[0] if flat else torch.zeros(0, clip.joint_width, device=clip.device)
    return list(found.split([len(group) for group in sentences]))


def _classes(named: Sequence[Hoi], rows: Sequence[Tensor], pooled: Tensor, clip: Clip, preset: str) -> Classes:
    """Classes whose descriptions are embedded: `rows` (m_i, d_a) guide each of them, `pooled` is (C, d_a)."""
    device = clip.device
    memory, absent = pad([row.to(device) for row in rows], clip.joint_width)
    if named:
        tokens, end = clip.tokenizer.encode([sentence(hoi, preset) for hoi in named])
    else:
        tokens, end = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    phrases = Phrases(tokens.to(device), end.to(device), memory.to(device), absent.to(device))
    return Classes([hoi.hoi_id for hoi in named], [hoi.verb_id for hoi in named], phrases, pooled.to(device))


@torch.no_grad()
def plain(classes: Classes, clip: Clip) -> Tensor:
    """The frozen CLIP's features of the classes' phrases, without any prompts: (C, d_a), not of unit length."""
    if not classes.hois:
        return classes.descriptions
    return text_features(clip.net, classes.phrases.tokens, classes.phrases.end)


def sentence(hoi: Hoi, preset: str) -> str:
    """The sentence of a class: its phrase, or the released code's sentence."""
    return released_text.class_sentence(hoi) if preset == "released" else hoi.phrase


def pad(rows: Sequence[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Pad ragged rows (m_i, width) with zeros to (n, m, width); the mask (n, m) is True on padding."""
    most = max([len(r) for r in rows] + [1])
    out = torch.zeros(len(rows), most, width)
    absent = torch.ones(len(rows), most, dtype=torch.bool)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
        absent[i, : len(row)] = False
    return out, absent


def objects(embeddings: Artifact, *, clip: Clip, preset: str = "paper") -> Tensor:
    """CLIP embeddings (O, d_a) of the object names, by object id, on CLIP's device."""
    if preset == "released":
        return released_text.object_features(clip)
    data = arrays.read(embeddings.path("objects.parquet"))
    return torch.from_numpy(data["pooled"].astype(np.float32)).to(clip.device)


def of_objects(named: Sequence[Object], *, clip: Clip, preset: str = "paper") -> Tensor:
    """The same for objects that no artifact embeds: (n, d_a), on CLIP's device."""
    if not named:
        return torch.zeros(0, clip.joint_width, device=clip.device)
    if preset == "released":
        return released_text.object_features(clip, [thing.name for thing in named])
    return clip.embed_texts([f"a {thing.noun}" for thing in named])[0]
