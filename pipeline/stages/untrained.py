"""Stage `untrained`: the frozen CLIP's own features of the test pairs, for the baseline with which training is compared.

    test-NNN.parquet    image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a), unit length
    kind.json           what the features are of: "crops" or "regions"

It depends only on CLIP, the boxes and the pairing, so it is made once and not again for every trained model. The kind is
`evaluation.untrained`: `crops` embeds a crop of each pair's union box as an image; `regions` takes the mean of that box's RoI
from the cached image tokens, which costs next to nothing but is a far weaker baseline. The stage resumes at the shard of
images; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from models.clip import Clip
from models.fusion import union_features
from models.precision import Precision
from pipeline.boxes import pairs
from pipeline.boxes.instances import Detected
from pipeline.datasets.images import Images, pixels, quick_square
from pipeline.errors import ConfigError
from pipeline.learned.build import frozen_clip
from pipeline.learned.crops import CROPS, embedded
from pipeline.learned.tokens import FrozenTokens
from pipeline.tables import arrays
from pipeline.training.ahead import ahead
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

Crop: TypeAlias = tuple[Tensor, tuple[int, int, int, int]]
"""An image's `pixels`, and a part of it: left, top, right, bottom."""
BATCH = 8
"""How many images are embedded together; each has up to some hundred crops."""
AHEAD = 4
"""The most passes whose crops are cut ahead: 0.1 GB at 336 pixels a side."""
ROI_SIZE = 7
"""The side of RoI-Align's output for `regions`, in pixels."""


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
    """Compute this process's part of the shards; return how many these were."""
    clip = frozen_clip(work.config)
    images = Images(work.inputs["annotations"], split="test", root=work.config.data.root)
    detected = Detected(
        work.inputs["detections"].table("test.parquet"), sizes=images.sizes, pairing=work.config.pairing
    )
    regions = work.config.evaluation.untrained == "regions"
    frozen = FrozenTokens(work.inputs["image_embeddings"], "test") if regions else None

    def read(shard: Shard, image_id: int) -> Tensor | None:
        """The pixels of the image; None if it has no pair, or the cached tokens are used."""
        return None if regions or not len(detected.batch([image_id]).pairs) else pixels(images.open(image_id))

    def table(shard: Shard, ids: list[int], opened: list[Tensor | None]) -> dict[str, Any]:
        found = detected.batch(ids)
        if frozen is None:
            crops = [
                (image, box)
                for image_id, image in zip(ids, opened, strict=True)
                if image is not None
                for box in pairs.unions(detected.batch([image_id]), images.sizes[image_id])
            ]
            features = embedded_ahead(
                clip, crops, threads=work.config.images.runtime.readers, precision=work.config.images.precision
            )
        else:
            features = union_features(frozen.of(ids), found, grid=clip.grid, size=ROI_SIZE)
        return pairs.columns(found, ids, images.sizes) | {"feature": features.numpy()}

    return stream(work, _plan(work), read=read, compute=table, batch=BATCH)


def embedded_ahead(clip: Clip, crops: Sequence[Crop], *, threads: int, precision: Precision = "fp32") -> Tensor:
    """CLIP's image features (P, d_a) of parts of images, each squashed to a square; unit length, on the CPU.

    Threads cut the crops of the next forward passes meanwhile, so that few wait, however many pairs an image has.
    """

    def cut(number: int) -> list[Tensor]:
        """Cut up to CROPS crops (3, S, S), uint8."""
        some = crops[number * CROPS : (number + 1) * CROPS]
        return [quick_square(image, box, clip.image_size) for image, box in some]

    passes = range(-(-len(crops) // CROPS))
    coming = ahead(cut, passes, threads=min(threads, AHEAD))
    found = [embedded(clip, pixels, precision=precision) for pixels in coming]
    return torch.cat([torch.zeros(0, clip.joint_width), *found])


def _plan(work: Work) -> list[Shard]:
    """The test images, or those of them whose tokens are cached."""
    if work.config.evaluation.untrained == "regions":
        ids = FrozenTokens(work.inputs["image_embeddings"], "test").ids
    else:
        ids = sorted(work.inputs["annotations"].table("test-images.parquet", ["image_id"])["image_id"].tolist())
    return shards.plan({"test": ids})
