"""Stage `disparities`: for every unseen class its nearest seen class, and how it differs from it, as text and embedding.

    disparities.parquet    hoi_id, seen_hoi_id, similarity, text, sentences and what produced them
    embeddings.parquet     hoi_id, seen_hoi_id, sentences (m, d_a)
    provenance.parquet     what was measured of each request; with a language model also its answers

The nearest seen class has the most similar description embedding (Eq. 4); a file of disparities has its own pairs. The stage
resumes at the single request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from models.phrases import nearest
from pipeline.datasets import classes
from pipeline.errors import DataError
from pipeline.learned.build import frozen_clip
from pipeline.tables import arrays
from pipeline.texts import disparity
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work


def run(work: Work) -> dict[str, Any]:
    """Write both tables; metrics are counts and similarities."""
    embeddings = work.inputs["text_embeddings"]
    with work.clock("read"):
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        seen = arrays.read(embeddings.path("seen-descriptions.parquet"), ["hoi_id", "pooled"])
        unseen = arrays.read(embeddings.path("unseen-descriptions.parquet"), ["hoi_id", "pooled"])
        descriptions = work.inputs["descriptions"].table("descriptions.parquet")
        clip = frozen_clip(work.config)
    hois = [int(h) for h in unseen["hoi_id"]]
    partners: list[int] = []
    similarity = np.zeros(0, np.float32)
    if hois:
        mine, others = torch.tensor(unseen["pooled"]), torch.tensor(seen["pooled"])
        if work.config.disparities.source == "file":
            position = _chosen(work, vocabulary, hois, [int(h) for h in seen["hoi_id"]])
        else:
            position = nearest(mine, others)
        partners = [int(seen["hoi_id"][i]) for i in position.tolist()]
        similarity = (mine * others[position]).sum(dim=1).numpy()
    texts = disparity.write(
        list(zip(hois, partners, strict=True)),
        vocabulary=vocabulary,
        config=work.config,
        descriptions=descriptions,
        journal=work.scratch / "journal.jsonl",
        exchange=work.exchange,
        progress=work.progress,
        keep=work.out,
    )
    texts.insert(2, "similarity", similarity)
    texts.to_parquet(work.out / "disparities.parquet", index=False)
    sentences = [list(s) for s in texts["sentences"]]
    with work.clock("compute"):
        rows = [clip.embed_texts(s)[0].cpu().numpy() for s in sentences]
    with work.clock("write"):
        arrays.write(work.out / "embeddings.parquet", {"hoi_id": hois, "seen_hoi_id": partners, "sentences": rows})
    if not hois:
        return {"unseen_classes": 0, "sentences": 0}
    far = int(similarity.argmin())
    return {
        "unseen_classes": len(hois),
        "sentences": sum(map(len, sentences)),
        "mean_similarity": float(similarity.mean()),
        "least_similarity": float(similarity[far]),
        "least_similar": f"{vocabulary.hoi(hois[far]).name} and {vocabulary.hoi(partners[far]).name}",
    }


def _chosen(work: Work, vocabulary: Vocabulary, hois: Sequence[int], seen: Sequence[int]) -> torch.Tensor:
    """The positions, among the seen classes, of the partners that the file names; DataError where these are not valid."""
    file, given = work.config.disparities.file, disparity.from_file(work.config, vocabulary)
    missing = [vocabulary.hoi(h).name for h in hois if h not in given]
    if missing:
        raise DataError(f"disparities.file = {file}: no text for the unseen classes {', '.join(missing)}")
    strange = [vocabulary.hoi(h).name for h in hois if given[h][0] not in seen]
    if strange:
        raise DataError(
            f"disparities.file = {file}: compares {', '.join(strange)} with classes that are not seen classes of this "
            f"dataset in the setting {work.config.setting}"
        )
    return torch.tensor([seen.index(given[h][0]) for h in hois])
