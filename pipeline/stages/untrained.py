"""Stage `untrained`: what the frozen CLIP alone makes of the test pairs, the baseline that training is held against.

    test-NNN.parquet    image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a), unit length
    kind.json           what the features are of: "crops" or "regions"

It depends on CLIP, the boxes and the pairing only, so it is made once and not again for every trained model. The kind is
`evaluation.untrained`: `crops` embeds a crop of each pair's union box as an image of its own; `regions` takes the mean of
that box's RoI from the cached image tokens, costs next to nothing and is a far weaker baseline.
Resumes at the shard of images; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from models.fusion import union_features
from pipeline.boxes import pairs
from pipeline.boxes.instances import Detected
from pipeline.datasets.images import Images, square
from pipeline.errors import ConfigError
from pipeline.learned.build import frozen_clip
from pipeline.learned.crops import embedded
from pipeline.learned.tokens import FrozenTokens
from pipeline.tables import arrays
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

SHARD = 200
"""Images a shard."""
BATCH = 8
"""Images that are embedded together; each has up to some hundred crops."""
ROI_SIZE = 7
"""RoI-Align's output for `regions`, pixels a side."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are the number of pairs, the kind, and the images that were left out."""
    kind = work.config.evaluation.untrained
    if kind == "off":
        raise ConfigError(
            "evaluation.untrained is off, so there is no untrained baseline to make. Set it to crops or regions"
        )
    if kind == "regions" and work.config.clip.tokens != "all":
        raise ConfigError("evaluation.untrained = regions needs all image tokens: set clip.tokens=all")
    helpers.compute_all(work, compute)
    plan = _plan(work)
    left_out = shards.gather(work, plan)
    (work.out / "kind.json").write_text(json.dumps(kind) + "\n", encoding="utf-8")
    count = sum(len(arrays.read(work.out / shard.name, ["image_id"])["image_id"]) for shard in plan)
    return {"pairs": count, "kind": kind, "left_out": list(left_out.values())}


def compute(work: Work) -> int:
    """One process's part of the shards; how many they were."""
    clip = frozen_clip(work.config)
    images = Images(work.inputs["annotations"], split="test", root=work.config.data.root)
    detected = Detected(
        work.inputs["detections"].table("test.parquet"), sizes=images.sizes, pairing=work.config.pairing
    )
    regions = work.config.evaluation.untrained == "regions"
    frozen = FrozenTokens(work.inputs["image_embeddings"], "test") if regions else None

    def read(shard: Shard, image_id: int) -> Tensor:
        """An image's crops (P, 3, S, S), uint8; none where the cached tokens are used."""
        size = clip.image_size
        boxes = [] if regions else pairs.unions(detected.batch([image_id]), images.sizes[image_id])
        if not boxes:
            return torch.zeros(0, 3, size, size, dtype=torch.uint8)
        image = images.open(image_id)
        return torch.stack([square(image.crop(box), size) for box in boxes])

    def table(shard: Shard, ids: list[int], crops: list[Tensor]) -> dict[str, Any]:
        found = detected.batch(ids)
        if frozen is None:
            features = embedded(clip, torch.cat(crops))
        else:
            features = union_features(frozen.of(ids), found, grid=clip.grid, size=ROI_SIZE)
        return pairs.columns(found, ids, images.sizes) | {"feature": features.numpy()}

    return stream(work, _plan(work), read=read, compute=table, batch=BATCH)


def _plan(work: Work) -> list[Shard]:
    """The test images, or those of them whose tokens are cached."""
    if work.config.evaluation.untrained == "regions":
        ids = FrozenTokens(work.inputs["image_embeddings"], "test").ids
    else:
        ids = sorted(work.inputs["annotations"].table("test-images.parquet", ["image_id"])["image_id"].tolist())
    return shards.plan({"test": ids}, size=SHARD)
