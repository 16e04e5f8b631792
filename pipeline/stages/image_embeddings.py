"""Stage `image_embeddings`: the frozen CLIP's image tokens, CLS first, projected to the joint width (f_vis of Eq. 3).

    <split>-NNN.parquet    image_id, tokens (1 + D, d_a) as float16, each token of unit length; one image a row group

Images are prepared by the model's own preprocessing, unaugmented. `clip.tokens = cls` keeps only the first token. The stage
resumes at the shard; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.datasets.images import of_splits
from pipeline.learned.build import frozen_clip
from pipeline.learned.tokens import frozen
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

BATCH = 50
"""How many images a forward pass has."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts, bytes per image and speed."""
    helpers.compute_all(work, compute)
    plan = shards.plan_of(of_splits(work.inputs["annotations"], root=work.config.data.root))
    left_out = shards.gather(work, plan)
    images = sum(len(shard.ids) for shard in plan) - len(left_out)
    size = sum((work.out / shard.name).stat().st_size for shard in plan)
    return {
        "images": images,
        "left_out": list(left_out.values()),
        "bytes_an_image": round(size / max(images, 1)),
        "images_a_second": round(images / max(work.clock.seconds["wall"], 1e-9), 2),
    }


def compute(work: Work) -> int:
    """Compute this process's part of the shards; return how many these were."""
    clip = frozen_clip(work.config)
    prepare = clip.preprocess()
    images = of_splits(work.inputs["annotations"], root=work.config.data.root)

    def read(shard: Shard, image_id: int) -> torch.Tensor:
        return prepare(images[shard.split].open(image_id))

    def embed(shard: Shard, ids: list[int], pixels: list[torch.Tensor]) -> dict[str, np.ndarray]:
        tokens = frozen(clip, pixels, work.config.clip.tokens, precision=work.config.images.precision)
        return {"image_id": np.array(ids), "tokens": tokens.cpu().numpy()}

    return stream(work, shards.plan_of(images), read=read, compute=embed, batch=BATCH, rows_a_group=1)
