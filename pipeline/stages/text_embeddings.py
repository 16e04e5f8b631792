"""Stage `text_embeddings`: the frozen CLIP's embeddings of phrases, descriptions and object names.

    seen-phrases.parquet, unseen-phrases.parquet              hoi_id, pooled
    seen-descriptions.parquet, unseen-descriptions.parquet    hoi_id, pooled, sentences (m, d_a), tokens (m, d_a)
    objects.parquet                                           object_id, pooled
    concepts.parquet         verb_id; human, object, context (m, d_a) each: the phrases on each verb's regions, if described
    nearest.parquet          each class's most similar other class, by descriptions and by plain phrases
    separability.parquet     the same summed up by verb and by object: did the descriptions tell classes apart?

With descriptions.actions, the descriptions files also have a column actions (m, d_a): the sentences about the verb alone.
Seen and unseen classes have files of their own, so that a training on seen classes stays fresh when an unseen one changes.
All embeddings have CLIP's joint width; pooled ones and sentences have unit length.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from models.clip import Clip
from pipeline.datasets import classes
from pipeline.learned.build import frozen_clip
from pipeline.tables import arrays
from pipeline.texts import separability
from pipeline.texts.concepts import REGIONS
from pipeline.vocabulary import settings
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.text_embeddings")


def run(work: Work) -> dict[str, Any]:
    """Write the embeddings; metrics are counts and the words that CLIP does not know."""
    with work.clock("read"):
        clip = frozen_clip(work.config)
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        hidden = settings.unseen(classes.settings(work.inputs["vocabulary"]), work.config.setting)
        seen, unseen = [h for h in vocabulary.ids if h not in hidden], sorted(hidden)
        described = work.inputs["descriptions"].table("descriptions.parquet")
        text_of = dict(zip(described["hoi_id"], described["text"], strict=True))
        sentences_of = dict(zip(described["hoi_id"], described["sentences"], strict=True))
    actions = _actions(work, clip, vocabulary)
    pooled_all: dict[str, list[np.ndarray]] = {"descriptions": [], "phrases": []}
    unknown: set[str] = set()
    for group, hois in (("seen", seen), ("unseen", unseen)):
        texts = [text_of[h] for h in hois]
        sentences = [list(sentences_of[h]) for h in hois]
        unknown |= {word for text in texts for word in clip.tokenizer.unknown(text)}
        with work.clock("compute"):
            phrases = _pooled(clip, [vocabulary.hoi(h).phrase for h in hois])
            pooled, tokens = _texts(clip, texts)
            rows = _grouped(clip, sentences)
        with work.clock("write"):
            arrays.write(work.out / f"{group}-phrases.parquet", {"hoi_id": hois, "pooled": phrases})
            columns = {"hoi_id": hois, "pooled": pooled, "sentences": rows, "tokens": tokens}
            if actions is not None:
                columns["actions"] = [actions[vocabulary.hoi(h).verb] for h in hois]
            arrays.write(work.out / f"{group}-descriptions.parquet", columns)
        pooled_all["phrases"].append(phrases)
        pooled_all["descriptions"].append(pooled)
        work.progress(1 + (group == "unseen"), 2, f"{group} classes")
    names = [f"a {thing.noun}" for thing in vocabulary.objects]
    arrays.write(work.out / "objects.parquet", {"object_id": list(range(len(names))), "pooled": _pooled(clip, names)})
    _concepts(work, clip, vocabulary)
    if unknown:
        log.warning("words that this CLIP's vocabulary lacks and reads as 'unknown': %s", ", ".join(sorted(unknown)))
    metrics: dict[str, Any] = {
        "seen_classes": len(seen),
        "unseen_classes": len(unseen),
        "unknown_words": sorted(unknown),
    }
    return metrics | _separability(work, vocabulary, [*seen, *unseen], pooled_all)


def _separability(
    work: Work, vocabulary: Vocabulary, hois: list[int], pooled: dict[str, list[np.ndarray]]
) -> dict[str, Any]:
    """Write both tables; the row for all classes is the metric."""
    if len(hois) < 2:
        return {}
    found = separability.classes(
        [vocabulary.hoi(h) for h in hois], **{kind: np.concatenate(parts) for kind, parts in pooled.items()}
    )
    found.sort_values("hoi_id").to_parquet(work.out / "nearest.parquet", index=False)
    groups = separability.groups(found, vocabulary)
    groups.to_parquet(work.out / "separability.parquet", index=False)
    return {"separability": separability.summary(groups)}


def _actions(work: Work, clip: Clip, vocabulary: Vocabulary) -> dict[str, np.ndarray] | None:
    """The sentence embeddings (m, d_a) of each verb's description, by verb; None without descriptions of verbs.

    A verb that is not described, such as an idle one, has no sentences.
    """
    if "actions.parquet" not in work.inputs["descriptions"].names():
        return None
    table = work.inputs["descriptions"].table("actions.parquet", ["name", "sentences"])
    rows = _grouped(clip, [list(parts) for parts in table["sentences"]])
    none = np.zeros((0, clip.joint_width), np.float32)
    return {verb.name: none for verb in vocabulary.verbs} | dict(zip(table["name"], rows, strict=True))


def _concepts(work: Work, clip: Clip, vocabulary: Vocabulary) -> None:
    """Write the phrases' embeddings with a row for every verb of the vocabulary; a verb without phrases has empty lists."""
    if "concepts.parquet" not in work.inputs["descriptions"].names():
        return
    table = work.inputs["descriptions"].table("concepts.parquet", ["verb_id", "region", "sentences"])
    rows = _grouped(clip, [list(parts) for parts in table["sentences"]])
    found = dict(zip(zip(table["verb_id"], table["region"], strict=True), rows, strict=True))
    none = np.zeros((0, clip.joint_width), np.float32)
    verbs = range(len(vocabulary.verbs))
    columns: dict[str, list[np.ndarray]] = {
        region: [found.get((verb, region), none) for verb in verbs] for region in REGIONS
    }
    arrays.write(work.out / "concepts.parquet", {"verb_id": list(verbs)} | columns)


def _pooled(clip: Clip, texts: list[str]) -> np.ndarray:
    return _texts(clip, texts)[0]


def _texts(clip: Clip, texts: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    if not texts:
        return np.zeros((0, clip.joint_width), np.float32), []
    pooled, tokens = clip.embed_texts(texts)
    return pooled.cpu().numpy(), [t.cpu().numpy() for t in tokens]


def _grouped(clip: Clip, sentences: list[list[str]]) -> list[np.ndarray]:
    """The pooled embeddings (m, d_a) of the sentences of each class."""
    flat = _pooled(clip, [s for group in sentences for s in group])
    ends = np.cumsum([len(group) for group in sentences])
    return np.split(flat, ends[:-1]) if len(ends) else []
