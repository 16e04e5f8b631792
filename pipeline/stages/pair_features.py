"""Stage `pair_features`: the fused features of all pairs, from the frozen seen-stage model; the visual side's last word.

    <split>-NNN.parquet    image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a),
                           train: hois (annotated classes that the pair matches);  test: zero_shot (d_a)
    detector.json          whose boxes they are, passed on from `detections`, and the percent of annotated
                           test pairs that they make

`zero_shot` is what the frozen CLIP alone makes of the pair's union box: the evaluation's untrained baseline.
Resumes at the shard of images; several processes and machines may share them (`pipeline/work/shards.py`).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import HoiModel, pair_prior
from models.instances import Instances
from pipeline.boxes import detector, quality
from pipeline.boxes.instances import BOX, Annotated, Detected
from pipeline.datasets.images import Images, square
from pipeline.learned import checkpoint, phrases
from pipeline.learned.build import frozen_clip
from pipeline.learned.build import model as built
from pipeline.learned.tokens import FrozenTokens
from pipeline.tables import arrays
from pipeline.work import shards
from pipeline.work.shards import Shard
from pipeline.work.stream import stream
from pipeline.work.work import Work

SHARD = 200
"""Images a shard."""
BATCH = 20
"""Images a forward pass."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts, and the percent of annotated test pairs that the detected ones can match."""
    shards.share(work, compute)
    plan = _plan({name: FrozenTokens(work.inputs["image_embeddings"], name) for name in ("train", "test")})
    left_out = shards.gather(work, plan)
    pairs = {"train": 0, "test": 0}
    for shard in plan:
        pairs[shard.split] += len(arrays.read(work.out / shard.name, ["image_id"])["image_id"])
    annotated = work.inputs["annotations"].table("pairs.parquet")
    recall = quality.pair_recall(
        work.inputs["detections"].table("test.parquet"), annotated[annotated["split"] == "test"], work.config.pairing
    )
    whose = work.inputs["detections"].json(detector.FILE) | {"pair_recall": recall}
    (work.out / detector.FILE).write_text(json.dumps(whose, indent=1) + "\n", encoding="utf-8")
    return {f"{name}_pairs": count for name, count in pairs.items()} | {
        "test_pair_recall": recall,
        "detector": detector.line(whose),
        "left_out": list(left_out.values()),
    }


def compute(work: Work) -> int:
    """One process's share of the shards; how many they were."""
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


View = tuple[Tensor, Tensor]
"""An image squashed, (3, S, S), and in the test split its pairs' union boxes, (P, 3, S, S); both uint8."""


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
        pairs = annotations.table("pairs.parquet")
        pairs = pairs[pairs["split"] == name]
        self.annotated = Annotated(pairs, sizes=self.images.sizes, hois=sorted(pairs["hoi_id"].unique()))

    def read(self, image_id: int) -> View:
        """What the model and the baseline see of an image."""
        image, size = self.images.open(image_id), self.clip.image_size
        crops = torch.zeros(0, 3, size, size, dtype=torch.uint8)
        if self.name == "test":
            found = self.detected.batch([image_id])
            _, _, unions = _pair_boxes(found, torch.tensor([image.size], dtype=torch.float32))
            if len(unions):
                crops = torch.stack([square(image.crop(_corners(box)), size) for box in unions.tolist()])
        return square(image, size), crops

    @torch.no_grad()
    def columns(self, model: HoiModel, ids: list[int], views: list[View]) -> dict[str, Any]:
        """The table of some images."""
        found = self.detected.batch(ids)
        image, _, thing = found.pairs.unbind(dim=1)
        device = self.clip.device
        pixels = model.normalise(torch.stack([whole for whole, _ in views]).to(device))
        features = model.pairs(pixels, self.frozen.of(ids).to(device), found.to(device), self.objects)
        scale = torch.tensor([self.images.sizes[i] for i in ids], dtype=torch.float32)
        human_boxes, object_boxes, _ = _pair_boxes(found, scale)
        columns: dict[str, Any] = {
            "image_id": np.array(ids, dtype=np.int64)[image.numpy()],
            "object_id": found.labels[image, thing].numpy(),
            "prior": pair_prior(found, 1.0).numpy(),
        }
        for side, boxes in (("h", human_boxes), ("o", object_boxes)):
            columns |= {f"{side}{corner}": boxes[:, i].numpy() for i, corner in enumerate(BOX)}
        columns["feature"] = features.cpu().numpy()
        if self.name == "train":
            columns["hois"] = self._matched(ids, found)
        else:
            columns["zero_shot"] = self._zero_shot(torch.cat([crops for _, crops in views]))
        return columns

    def _matched(self, ids: list[int], found: Instances) -> list[list[int]]:
        """Annotated classes of every pair, seen and unseen; who trains on them must choose."""
        pair, hoi = self.annotated.matches(ids, found)
        rows: list[list[int]] = [[] for _ in range(len(found.pairs))]
        for p, h in zip(pair.tolist(), hoi.tolist(), strict=True):
            rows[p].append(h)
        return rows

    def _zero_shot(self, crops: Tensor) -> np.ndarray:
        """CLIP's image feature of each pair's union box, unit length."""
        found = [
            self.clip.embed_images(self.clip.normalise(crops[i : i + 64].to(self.clip.device)))[:, 0]
            for i in range(0, len(crops), 64)
        ]
        if not found:
            return np.zeros((0, self.clip.joint_width), np.float32)
        return torch.nn.functional.normalize(torch.cat(found), dim=-1).cpu().numpy()


def _pair_boxes(found: Instances, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Human, object and union box (P, 4) of every pair in pixels, given each image's width and height (B, 2)."""
    image, human, thing = found.pairs.unbind(dim=1)
    scale = sizes.repeat(1, 2)[image]
    human_boxes, object_boxes = found.boxes[image, human] * scale, found.boxes[image, thing] * scale
    union = torch.cat(
        [torch.minimum(human_boxes, object_boxes)[:, :2], torch.maximum(human_boxes, object_boxes)[:, 2:]], dim=1
    )
    return human_boxes, object_boxes, union


def _corners(box: list[float]) -> tuple[int, int, int, int]:
    """Whole pixels that hold a box, two a side at least."""
    left, top = int(box[0]), int(box[1])
    return left, top, max(int(box[2] + 1), left + 2), max(int(box[3] + 1), top + 2)
