"""Stage `pair_features`: the fused features of all pairs, from the frozen seen-stage model; the visual side's last word.

    <split>-NNN.parquet    image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a),
                           train: hois (annotated classes that the pair matches);  test: zero_shot (d_a)

`zero_shot` is what the frozen CLIP alone makes of the pair's union box: the evaluation's untrained baseline.
Resumes at the shard of images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.clip import Clip, normalise
from models.hoi import EzHoi, pair_prior
from models.instances import Instances
from pipeline import arrays, compute, text_side
from pipeline.compute import frozen_clip
from pipeline.frozen_tokens import FrozenTokens
from pipeline.images import Images, square
from pipeline.instances import BOX, Annotated, Detected
from pipeline.training import checkpoint
from pipeline.work import Work

SHARD = 200
"""Images a shard."""
BATCH = 20
"""Images a forward pass."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts."""
    clip = frozen_clip(work.config)
    model = compute.model(work.config, clip)
    model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
    model.eval()
    with work.clock("read"):
        splits = [Split(work, clip, name) for name in ("train", "test")]
    total, done, pairs = sum(len(s.images.ids) for s in splits), 0, {"train": 0, "test": 0}
    for split in splits:
        for shard, start in enumerate(range(0, len(split.images.ids), SHARD)):
            kept = work.scratch / f"{split.name}-{shard:03d}.parquet"
            ids = split.images.ids[start : start + SHARD]
            if not kept.exists():
                with work.clock("compute"):
                    columns = split.columns(model, ids)
                with work.clock("write"):
                    arrays.write(kept, columns)
            (work.out / kept.name).hardlink_to(kept)
            pairs[split.name] += len(arrays.read(kept, ["image_id"])["image_id"])
            done += len(ids)
            work.progress(done, total, f"{split.name} images")
    return {f"{name}_pairs": count for name, count in pairs.items()}


class Split:
    """One split's images, detections and annotations."""

    def __init__(self, work: Work, clip: Clip, name: str) -> None:
        annotations = work.inputs["annotations"]
        self.name, self.clip = name, clip
        self.images = Images(annotations, split=name, root=work.config.data.root)
        self.objects = text_side.objects(work.inputs["text_embeddings"]).to(clip.device)
        self.frozen = FrozenTokens(work.inputs["image_embeddings"], name)
        self.detected = Detected(
            work.inputs["detections"].table(f"{name}.parquet"), sizes=self.images.sizes, pairing=work.config.pairing
        )
        pairs = annotations.table("pairs.parquet")
        pairs = pairs[pairs["split"] == name]
        self.annotated = Annotated(pairs, sizes=self.images.sizes, hois=sorted(pairs["hoi_id"].unique()))

    def columns(self, model: EzHoi, ids: list[int]) -> dict[str, Any]:
        """The table of some images."""
        batches = [self._batch(model, ids[i : i + BATCH]) for i in range(0, len(ids), BATCH)]
        return {
            key: [row for b in batches for row in b[key]]
            if key == "hois"
            else np.concatenate([b[key] for b in batches])
            for key in batches[0]
        }

    @torch.no_grad()
    def _batch(self, model: EzHoi, ids: list[int]) -> dict[str, Any]:
        found = self.detected.batch(ids)
        image, human, thing = found.pairs.unbind(dim=1)
        device = self.clip.device
        pixels = normalise(self.images.squares(ids, self.clip.image_size).to(device))
        features = model.pairs(pixels, self.frozen.of(ids).to(device), found.to(device), self.objects)
        sizes = torch.tensor([self.images.sizes[i] * 2 for i in ids], dtype=torch.float32)[image]
        human_boxes, object_boxes = found.boxes[image, human] * sizes, found.boxes[image, thing] * sizes
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
            union = torch.cat(
                [torch.minimum(human_boxes, object_boxes)[:, :2], torch.maximum(human_boxes, object_boxes)[:, 2:]], 1
            )
            columns["zero_shot"] = self._zero_shot(ids, image, union)
        return columns

    def _matched(self, ids: list[int], found: Instances) -> list[list[int]]:
        """Annotated classes of every pair, seen and unseen; who trains on them must choose."""
        pair, hoi = self.annotated.matches(ids, found)
        rows: list[list[int]] = [[] for _ in range(len(found.pairs))]
        for p, h in zip(pair.tolist(), hoi.tolist(), strict=True):
            rows[p].append(h)
        return rows

    def _zero_shot(self, ids: list[int], image: Tensor, union: Tensor) -> np.ndarray:
        """CLIP's image feature of each pair's union box, unit length."""
        crops = []
        opened: dict[int, Image.Image] = {}
        for i, box in zip(image.tolist(), union.tolist(), strict=True):
            picture = opened.setdefault(i, self.images.open(ids[i]))
            corners = (
                int(box[0]),
                int(box[1]),
                max(int(box[2] + 1), int(box[0]) + 2),
                max(int(box[3] + 1), int(box[1]) + 2),
            )
            crops.append(square(picture.crop(corners), self.clip.image_size))
        found = [
            self.clip.embed_images(normalise(torch.stack(crops[i : i + 64]).to(self.clip.device)))[:, 0]
            for i in range(0, len(crops), 64)
        ]
        if not found:
            return np.zeros((0, self.clip.joint_width), np.float32)
        return torch.nn.functional.normalize(torch.cat(found), dim=-1).cpu().numpy()
