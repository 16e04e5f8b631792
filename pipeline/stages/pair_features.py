"""Stage `pair_features`: the fused features of pairs from the frozen model of stage `seen`; later stages open no picture.

    test-NNN.parquet     all pairs: image_id, object_id, prior (s_human * s_object), hx1 .. oy2 (pixels), feature (d_a)
    train-NNN.parquet    the same for the pairs that match an annotated one, with hois: the annotated classes that they match
                         (and, for a head that trains on pairs, of some of each image's pairs, drawn whatever they match:
                         `drawn` tells them apart); and `exhaustive`, where some training picture's annotation is not
    detector.json        whose boxes they are, passed on from `detections`, and the percent of annotated
                         test pairs that they make

There are further columns if the head, or the report's row `memory`, reads them (`models.heads.kinds.Column`): the frozen CLIP's
features of both boxes and of their union (human, object, union: d_a in half precision), and how the boxes lie (geometry: 18).
They need no picture, since the frozen tokens are cached.

Training pairs are made for `utpl`, which learns from those that match an annotated pair (about one in twenty); there are none
where `utpl` trains nothing (`seen.joint`, preset `released`).

The stage resumes at the shard of images; helpers may compute some of them (`pipeline/work/helpers.py`).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.clip import Clip
from models.hoi import HoiModel
from models.precision import computing_in
from models.transfer import stacked, to_device
from pipeline.boxes import detector_identity, pairs, quality
from pipeline.boxes.instances import Annotated, Detected
from pipeline.datasets.images import EXHAUSTIVE, Images, square
from pipeline.learned import checkpoint, phrases, records
from pipeline.learned.build import frozen_clip, generator
from pipeline.learned.build import model as built
from pipeline.learned.tokens import FrozenTokens
from pipeline.tables import arrays
from pipeline.training.examples import DRAWN
from pipeline.work import helpers, shards
from pipeline.work.stream import stream
from pipeline.work.work import Work

BATCH = 20
"""How many images a forward pass has."""
MOST = 8
"""The most pairs of a training image that are drawn whatever they match."""


def run(work: Work) -> dict[str, Any]:
    """Write the shards; metrics are counts, and the percent of annotated test pairs that the detected ones can match."""
    helpers.compute_all(work, compute)
    plan = shards.plan_of(
        {name: FrozenTokens(work.inputs["image_embeddings"], name) for name in work.config.pair_splits}
    )
    left_out = shards.gather(work, plan)
    counts = dict.fromkeys(work.config.pair_splits, 0)
    for shard in plan:
        counts[shard.split] += len(arrays.read(work.out / shard.name, ["image_id"])["image_id"])
    annotated = work.inputs["annotations"].table("test-pairs.parquet")
    recall = quality.pair_recall(work.inputs["detections"].table("test.parquet"), annotated, work.config.pairing)
    whose = work.inputs["detections"].json(detector_identity.FILE) | {"pair_recall": recall}
    (work.out / detector_identity.FILE).write_text(json.dumps(whose, indent=1) + "\n", encoding="utf-8")
    return {f"{name}_pairs": count for name, count in counts.items()} | {
        "test_pair_recall": recall,
        "detector": detector_identity.line(whose),
        "left_out": list(left_out.values()),
    }


def compute(work: Work) -> int:
    """Compute this process's part of the shards; return how many these were."""
    clip = frozen_clip(work.config)
    model = built(work.config, clip)
    model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
    model.eval()
    splits = {name: Split(work, clip, name) for name in work.config.pair_splits}
    return stream(
        work,
        shards.plan_of({name: split.frozen for name, split in splits.items()}),  # the images that could be embedded
        read=lambda shard, image_id: splits[shard.split].read(image_id),
        compute=lambda shard, ids, views: splits[shard.split].columns(model, ids, views),
        batch=BATCH,
    )


class Split:
    """One split's images, detections and annotations."""

    def __init__(self, work: Work, clip: Clip, name: str) -> None:
        annotations = work.inputs["annotations"]
        self.name, self.clip, self.config = name, clip, work.config
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
        """The image as the model gets it: squashed, (3, S, S), uint8."""
        return square(self.images.open(image_id), self.clip.image_size)

    @torch.no_grad()
    def columns(self, model: HoiModel, ids: list[int], views: list[Tensor]) -> dict[str, Any]:
        """The table of some images."""
        found, device = self.detected.batch(ids), self.clip.device
        pixels = model.normalise(stacked(views, device))
        tokens, here = to_device(self.frozen.of(ids), device), found.to(device)
        with computing_in(self.config.images.precision, device):
            features = model.pairs(pixels, tokens, here, self.objects)
        table = pairs.columns(found, ids, self.images.sizes) | {"feature": features.float().cpu().numpy()}
        table |= records.columns(
            self.config.pair_columns,
            found=here,
            sizes=[self.images.sizes[i] for i in ids],
            tokens=tokens,
            clip=self.clip,
            roi_size=self.config.model.roi_size,
        )
        if self.annotated is None:
            return table
        if self.images.incomplete:
            table[EXHAUSTIVE] = ~np.isin(table["image_id"], list(self.images.incomplete))
        if self.config.draws_pairs:
            table[DRAWN] = _drawn(table["image_id"])
        return _matched(table, *self.annotated.matches(ids, found))


def _drawn(image_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs are drawn whatever they match, (P,), up to `MOST` of an image; this depends only on the image."""
    drawn = np.zeros(len(image_ids), dtype=bool)
    for image_id in np.unique(image_ids):
        rows = np.flatnonzero(image_ids == image_id)
        order = torch.randperm(len(rows), generator=generator("pair_features", "drawn", int(image_id)))
        drawn[rows[order[:MOST].numpy()]] = True
    return drawn


def _matched(table: dict[str, Any], pair: Tensor, hoi: Tensor) -> dict[str, Any]:
    """The rows that match an annotated pair or were drawn, with all annotated classes of each; trainings choose among these.

    Args:
        pair, hoi: (M,) a row of the table and a class that it matches.
    """
    counts = torch.bincount(pair, minlength=len(table["image_id"]))
    kept = (counts > 0) | torch.from_numpy(table.get(DRAWN, np.zeros(len(counts), dtype=bool)))
    bounds = torch.cat([torch.zeros(1, dtype=torch.long), counts[kept].cumsum(0)]).to(torch.int32)
    hois = pa.ListArray.from_arrays(bounds.numpy(), hoi[torch.argsort(pair, stable=True)].numpy())
    return {name: values[kept.numpy()] for name, values in table.items()} | {"hois": hois}
