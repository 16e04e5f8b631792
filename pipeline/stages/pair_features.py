"""Stage `pair_features`: the fused features of pairs, from the frozen seen-stage model; the visual side's last word.

    test-NNN.parquet     all pairs: image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a)
    train-NNN.parquet    the same of the pairs that match an annotated one, and hois: the annotated classes that they match;
                         and `exhaustive`, where some training picture's annotation is not
    detector.json        whose boxes they are, passed on from `detections`, and the percent of annotated
                         test pairs that they make

Training pairs are there for `utpl`, which learns from those that match an annotated pair (about one in twenty); there are
none where `utpl` trains nothing (`seen.joint`, preset `released`).

Resumes at the shard of images; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import HoiModel
from pipeline.boxes import detector, pairs, quality
from pipeline.boxes.instances import Annotated, Detected
from pipeline.datasets.images import EXHAUSTIVE, Images, square
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
    plan = _plan({name: FrozenTokens(work.inputs["image_embeddings"], name) for name in _splits(work)})
    left_out = shards.gather(work, plan)
    counts = dict.fromkeys(_splits(work), 0)
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
    splits = {name: Split(work, clip, name) for name in _splits(work)}
    return stream(
        work,
        _plan({name: split.frozen for name, split in splits.items()}),
        read=lambda shard, image_id: splits[shard.split].read(image_id),
        compute=lambda shard, ids, views: splits[shard.split].columns(model, ids, views),
        batch=BATCH,
    )


def _splits(work: Work) -> tuple[str, ...]:
    return ("train", "test") if work.config.utpl_trains else ("test",)


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
        self.annotated: Annotated | None = None
        if name == "train":
            annotated = annotations.table("train-pairs.parquet")
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
        if self.annotated is None:
            return table
        if self.images.incomplete:
            table[EXHAUSTIVE] = ~np.isin(table["image_id"], list(self.images.incomplete))
        return _matched(table, *self.annotated.matches(ids, found))


def _matched(table: dict[str, Any], pair: Tensor, hoi: Tensor) -> dict[str, Any]:
    """The rows that match an annotated pair, with all annotated classes of each: who trains on them must choose.

    Args:
        pair, hoi: (M,) a row of the table and a class that it matches.
    """
    order = torch.argsort(pair, stable=True)
    rows, counts = torch.unique_consecutive(pair[order], return_counts=True)
    bounds = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]).to(torch.int32)
    hois = pa.ListArray.from_arrays(bounds.numpy(), hoi[order].numpy())
    return {name: values[rows.numpy()] for name, values in table.items()} | {"hois": hois}
