"""Stage `pair_features`: the fused features of all pairs, from the frozen seen-stage model; the visual side's last word.

    <split>-NNN.parquet    image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a),
                           train: hois (annotated classes that the pair matches)
    detector.json          whose boxes they are, passed on from `detections`, and the percent of annotated
                           test pairs that they make

Resumes at the shard of images; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import HoiModel
from models.instances import Instances
from pipeline.boxes import detector, pairs, quality
from pipeline.boxes.instances import Annotated, Detected
from pipeline.datasets.images import Images, square
from pipeline.learned import checkpoint, phrases
from pipeline.learned.build import frozen_clip
from pipeline.learned.build import model as built
from pipeline.learned.tokens import FrozenTokens
from pipeline.tables import arrays
from pipeline.work import helpers, shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

SHARD = 200
"""Images a shard."""
BATCH = 20
"""Images a forward pass."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts, and the percent of annotated test pairs that the detected ones can match."""
    helpers.compute_all(work, compute)
    plan = _plan({name: FrozenTokens(work.inputs["image_embeddings"], name) for name in ("train", "test")})
    left_out = shards.gather(work, plan)
    counts = {"train": 0, "test": 0}
    for shard in plan:
        counts[shard.split] += len(arrays.read(work.out / shard.name, ["image_id"])["image_id"])
    annotated = work.inputs["annotations"].table("test-pairs.parquet")
    recall = quality.pair_recall(work.inputs["detections"].table("test.parquet"), annotated, work.config.pairing)
    whose = work.inputs["detections"].json(detector.FILE) | {"pair_recall": recall}
    (work.out / detector.FILE).write_text(json.dumps(whose, indent=1) + "\n", encoding="utf-8")
    return {f"{name}_pairs": count for name, count in counts.items()} | {
        "test_pair_recall": recall,
        "detector": detector.line(whose),
        "left_out": list(left_out.values()),
    }


def compute(work: Work) -> int:
    """One process's part of the shards; how many they were."""
    clip = frozen_clip(work.config)
    model = built(work.config, clip)
    model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
    model.eval()
    splits = {name: Split(work, clip, name) for name in ("train", "test")}
    return stream(
        work,
        _plan({name: split.frozen for name, split in splits.items()}),
        read=lambda shard, image_id: splits[shard.split].read(image_id),
        compute=lambda shard, ids, views: splits[shard.split].columns(model, ids, views),
        batch=BATCH,
    )


def _plan(frozen: dict[str, FrozenTokens]) -> list[Shard]:
    """The images that could be embedded."""
    return shards.plan({name: tokens.ids for name, tokens in frozen.items()}, size=SHARD)


class Split:
    """One split's images, detections and annotations."""

    def __init__(self, work: Work, clip: Clip, name: str) -> None:
        annotations = work.inputs["annotations"]
        self.name, self.clip = name, clip
        self.images = Images(annotations, split=name, root=work.config.data.root)
        embeddings = work.inputs["text_embeddings"]
        self.objects = phrases.objects(embeddings, clip=clip, preset=work.config.model.preset)
        self.frozen = FrozenTokens(work.inputs["image_embeddings"], name)
        self.detected = Detected(
            work.inputs["detections"].table(f"{name}.parquet"), sizes=self.images.sizes, pairing=work.config.pairing
        )
        annotated = annotations.table(f"{name}-pairs.parquet")
        self.annotated = Annotated(annotated, sizes=self.images.sizes, hois=sorted(annotated["hoi_id"].unique()))

    def read(self, image_id: int) -> Tensor:
        """An image squashed, (3, S, S), uint8: what the model sees of it."""
        return square(self.images.open(image_id), self.clip.image_size)

    @torch.no_grad()
    def columns(self, model: HoiModel, ids: list[int], views: list[Tensor]) -> dict[str, Any]:
        """The table of some images."""
        found, device = self.detected.batch(ids), self.clip.device
        pixels = model.normalise(torch.stack(views).to(device))
        features = model.pairs(pixels, self.frozen.of(ids).to(device), found.to(device), self.objects)
        table = pairs.columns(found, ids, self.images.sizes) | {"feature": features.cpu().numpy()}
        return table | ({"hois": self._matched(ids, found)} if self.name == "train" else {})

    def _matched(self, ids: list[int], found: Instances) -> list[list[int]]:
        """Annotated classes of every pair, seen and unseen; who trains on them must choose."""
        pair, hoi = self.annotated.matches(ids, found)
        rows: list[list[int]] = [[] for _ in range(len(found.pairs))]
        for p, h in zip(pair.tolist(), hoi.tolist(), strict=True):
            rows[p].append(h)
        return rows
