"""Stage `text_embeddings`: the frozen CLIP's embeddings of phrases, descriptions and object names.

    seen-phrases.parquet, unseen-phrases.parquet              hoi_id, pooled
    seen-descriptions.parquet, unseen-descriptions.parquet    hoi_id, pooled, sentences (m, d_a), tokens (m, d_a)
    objects.parquet                                           object_id, pooled

Seen and unseen classes are apart, so that what is trained on the seen ones stays fresh when an unseen one changes.
All are in CLIP's joint width; pooled ones and sentences have unit length.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from models.clip import Clip
from pipeline import arrays, classes
from pipeline.compute import frozen_clip
from pipeline.hico.vocabulary import hoi_classes, objects
from pipeline.work import Work

log = logging.getLogger("ezhoi.text_embeddings")


def run(work: Work) -> dict[str, Any]:
    """Write the embeddings; metrics are counts and the words that CLIP does not know."""
    with work.clock("read"):
        clip = frozen_clip(work.config)
        table = classes.read(work.inputs["annotations"], work.config.setting)
        described = work.inputs["descriptions"].table("descriptions.parquet")
        text_of = dict(zip(described["hoi_id"], described["text"], strict=True))
        sentences_of = dict(zip(described["hoi_id"], described["sentences"], strict=True))
    unknown: set[str] = set()
    for group, hois in (("seen", list(table.seen)), ("unseen", sorted(table.unseen))):
        texts = [text_of[h] for h in hois]
        sentences = [list(sentences_of[h]) for h in hois]
        unknown |= {word for text in texts for word in clip.vocabulary.unknown(text)}
        with work.clock("compute"):
            phrases = _pooled(clip, [hoi_classes()[h].phrase for h in hois])
            pooled, tokens = _texts(clip, texts)
            rows = _grouped(clip, sentences)
        with work.clock("write"):
            arrays.write(work.out / f"{group}-phrases.parquet", {"hoi_id": hois, "pooled": phrases})
            arrays.write(
                work.out / f"{group}-descriptions.parquet",
                {"hoi_id": hois, "pooled": pooled, "sentences": rows, "tokens": tokens},
            )
        work.progress(1 + (group == "unseen"), 2, f"{group} classes")
    names = [f"a {name.replace('_', ' ')}" for name in objects()]
    arrays.write(work.out / "objects.parquet", {"object_id": list(range(len(names))), "pooled": _pooled(clip, names)})
    if unknown:
        log.warning("words that this CLIP's vocabulary lacks and reads as 'unknown': %s", ", ".join(sorted(unknown)))
    return {"seen": len(table.seen), "unseen": len(table.unseen), "unknown_words": sorted(unknown)}


def _pooled(clip: Clip, texts: list[str]) -> np.ndarray:
    return _texts(clip, texts)[0]


def _texts(clip: Clip, texts: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    if not texts:
        return np.zeros((0, clip.joint_width), np.float32), []
    pooled, tokens = clip.embed_texts(texts)
    return pooled.cpu().numpy(), [t.cpu().numpy() for t in tokens]


def _grouped(clip: Clip, sentences: list[list[str]]) -> list[np.ndarray]:
    """Pooled embeddings of each class's sentences: (m, d_a) a class."""
    flat = _pooled(clip, [s for group in sentences for s in group])
    ends = np.cumsum([len(group) for group in sentences])
    return np.split(flat, ends[:-1]) if len(ends) else []
