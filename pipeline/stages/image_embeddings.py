"""Stage `image_embeddings`: the frozen CLIP's image tokens, CLS first, projected to the joint width (f_vis of Eq. 3).

    <split>-NNN.parquet    image_id, tokens (1 + D, d_a) as float16, each token of unit length

Resumes at the shard.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.clip import normalise
from pipeline import arrays
from pipeline.compute import device, frozen_clip
from pipeline.images import Images
from pipeline.work import Work

SHARD = 200
"""Images a shard."""
BATCH = 50
"""Images a forward pass."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts and speed."""
    clip = frozen_clip(work.config)
    splits = {s: Images(work.inputs["annotations"], split=s, root=work.config.data.root) for s in ("train", "test")}
    total, done = sum(len(images.ids) for images in splits.values()), 0
    for split, images in splits.items():
        for shard, start in enumerate(range(0, len(images.ids), SHARD)):
            ids = images.ids[start : start + SHARD]
            kept = work.scratch / f"{split}-{shard:03d}.parquet"
            if not kept.exists():
                tokens = []
                for first in range(0, len(ids), BATCH):
                    with work.clock("read"):
                        pixels = images.squares(ids[first : first + BATCH], clip.image_size)
                    with work.clock("compute"):
                        found = clip.embed_images(normalise(pixels.to(device(work.config))))
                        tokens.append(torch.nn.functional.normalize(found, dim=-1).half().cpu().numpy())
                with work.clock("write"):
                    arrays.write(kept, {"image_id": ids, "tokens": np.concatenate(tokens)})
            (work.out / kept.name).hardlink_to(kept)
            done += len(ids)
            work.progress(done, total, f"{split} images")
    seconds = max(work.clock.seconds["compute"], 1e-9)
    return {
        "images": total,
        "tokens_an_image": clip.grid**2 + 1,
        "width": clip.joint_width,
        "images_a_second": total / seconds,
    }
