"""The released code's text side: its wording, its class phrases and their constant features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from models import phrases as phrase
from models.clip import Clip
from models.text_tower import text_features
from pipeline.datasets.hico.vocabulary import HICO, demand
from pipeline.learned import checkpoint, scale
from pipeline.learned.build import frozen_clip
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary
from pipeline.work.work import Work

_SPELLING = {"controling": "controlling", "spining": "spinning"}
"""Words that HICO-DET's own list writes with one letter too few."""
_AN = ("airplane", "apple", "elephant", "orange", "oven")


def class_sentence(hoi: Hoi) -> str:
    """The sentence of a class as the released code writes it: "A photo of a person boarding an airplane.", but "a umbrella"."""
    phrase = hoi.phrase
    for official, english in _SPELLING.items():
        phrase = phrase.replace(official, english)
    if hoi.object not in _AN:
        noun = hoi.object.replace("_", " ")
        phrase = phrase.replace(f" an {noun}", f" a {noun}")
    return f"A photo of {phrase}."


def object_sentence(name: str) -> str:
    """An object's name as the released code writes it: "a photo of an airplane"."""
    return f"a photo of {'an' if name in _AN else 'a'} {name.replace('_', ' ')}"


@torch.no_grad()
def object_features(clip: Clip, names: Sequence[str] = HICO.object_names) -> Tensor:
    """CLIP's features (O, d_a) of the object sentences, not of unit length; of COCO's 80 objects if none are named."""
    tokens, end = clip.tokenizer.encode([object_sentence(name) for name in names])
    return text_features(clip.net, tokens.to(clip.device), end.to(clip.device))


def identified_rows(token_prompts: Tensor, clip: Clip) -> list[int] | None:
    """hoi_id of each row of a checkpoint's token embeddings (K, 77, d_t); None if one is no class's in this CLIP."""
    tokens, _ = clip.tokenizer.encode([class_sentence(hoi) for hoi in HICO.classes])
    length = tokens.shape[1]
    sentences = clip.net.token_embedding.weight[tokens.to(clip.device)].flatten(1)
    rows = token_prompts[:, :length].to(sentences).flatten(1)
    if rows.shape[1] != sentences.shape[1]:
        return None
    distance, nearest = torch.cdist(rows, sentences, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    return nearest.tolist() if bool((distance < 1e-3).all()) else None


def publish(work: Work, vocabulary: Vocabulary) -> dict[str, Any]:
    """Write what stage `utpl` makes in preset `released`, where nothing is adapted: the phrases' constant features.

    The phrases are those of imported weights; or else, as trained here on seen classes alone, they are chosen anew with
    the unseen classes: Eq. 12 over all, and of each chosen unseen class the seen one that it is nearest to.
    """
    demand(vocabulary, "model.preset = released")
    seen = arrays.read(work.inputs["seen"].path("phrases.parquet"))["hoi_id"].tolist()
    weights, _ = checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))
    parts = {g: _descriptions(work, g) for g in ("seen", "unseen")}
    unseen = set(parts["unseen"][0])
    rows = seen if unseen & set(seen) else _chosen(work, parts, vocabulary)
    clip = frozen_clip(work.config)
    tokens, end = clip.tokenizer.encode([class_sentence(vocabulary.hoi(h)) for h in rows])
    with torch.no_grad():
        features = text_features(clip.net, tokens.to(clip.device), end.to(clip.device)).cpu().numpy()
    columns = {
        "hoi_id": rows,
        "verb_id": [vocabulary.hoi(h).verb_id for h in rows],
        "unseen": [h in unseen for h in rows],
        "before": features,
        "after": features,
    }
    arrays.write(work.out / "text.parquet", columns)
    checkpoint.save_weights(work.out / "model.safetensors", {})
    scale.write(work.out, float(weights["logit_scale"]), seen=work.inputs["seen"])
    pd.DataFrame().to_parquet(work.out / "history.parquet", index=False)
    return {"phrases": len(rows), "unseen": sum(columns["unseen"])}


def _descriptions(work: Work, group: str) -> tuple[list[int], np.ndarray]:
    data = arrays.read(work.inputs["text_embeddings"].path(f"{group}-descriptions.parquet"))
    return [int(h) for h in data["hoi_id"]], data["pooled"].reshape(len(data["hoi_id"]), -1)


def _chosen(work: Work, parts: dict[str, tuple[list[int], np.ndarray]], vocabulary: Vocabulary) -> list[int]:
    hois = parts["seen"][0] + parts["unseen"][0]
    order = np.argsort(hois)
    descriptions = np.concatenate([p for _, p in parts.values() if len(p)])[order].astype(np.float32)
    ranked = [hois[i] for i in order]
    chosen = phrase.select(
        torch.from_numpy(descriptions),
        [vocabulary.hoi(h).verb_id for h in ranked],
        per_verb=work.config.model.phrases_per_verb,
    )
    rows = {ranked[i] for i in chosen}
    pairs = arrays.read(work.inputs["disparities"].path("embeddings.parquet"))
    partner = dict(zip(pairs["hoi_id"].tolist(), pairs["seen_hoi_id"].tolist(), strict=True))
    return sorted(rows | {partner[h] for h in rows if h in partner})
