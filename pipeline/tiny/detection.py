"""Train the tiny detector of the demo on the project's own rendered pictures alone, and measure it.

    ezhoi world detector pipeline/tiny/tiny_detector.safetensors

It is an FCOS that starts from random weights, with AdamW, a cosine schedule and torchvision's losses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torchvision.ops import box_iou

from models.fcos import FcosDetector, FcosSizes, Trained, build
from pipeline.boxes import labels, quality
from pipeline.boxes.imported import COLUMNS
from pipeline.config.data import Data
from pipeline.config.model import Pairing
from pipeline.datasets import configured
from pipeline.datasets.world.classes import WORLD_VERSION
from pipeline.learned.checkpoint import save_weights
from pipeline.tiny.boxes import CALIBRATION, SPLIT, Boxed, object_ids, scene

NOTES = {
    "kind": "world",
    "trained_on": "rendered scenes of both styles, of all classes, told boxes and object names alone",
}
BATCH = 16
"""How many pictures a forward pass has in the measurement."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything on which the checkpoint depends besides the code."""

    seed: int = 0
    scenes: int = 3000
    steps: int = 1000
    batch: int = 16
    lr: float = 2e-3
    warmup: int = 60
    decay: float = 0.02
    calibration_scenes: int = 300
    """At most; no more than it has learned from."""
    styles: tuple[str, ...] = ("flat", "outlined", "outlined")
    """The drawing styles, in turn."""
    sizes: FcosSizes = field(default_factory=FcosSizes)


def batch(recipe: Recipe, step: int) -> list[Boxed]:
    """The pictures of a step, a pure function of the recipe's seed and the step."""
    rng = np.random.default_rng([recipe.seed, step])
    indices = rng.choice(recipe.scenes, min(recipe.batch, recipe.scenes), replace=False).tolist()
    return [scene(i, split=SPLIT, style=recipe.styles[i % len(recipe.styles)], rng=rng) for i in indices]


def train(recipe: Recipe, report: Callable[[int, float], None] = lambda step, loss: None) -> Trained:
    """Train and calibrate the detector; `report` is called with every step and its loss."""
    torch.manual_seed(recipe.seed)
    names = [thing.name for thing in configured.dataset(Data(source="world")).vocabulary.objects]
    told = tuple(names[i] for i in object_ids())
    # In the usual memory layout: with channels_last the backward pass crashes on some CPUs.
    net = build(recipe.sizes, len(told))
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.lr)
    net.train()
    for step in range(recipe.steps):
        rate = min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * rate
        shown = batch(recipe, step)
        parts = net([one.pixels for one in shown], [{"boxes": one.boxes, "labels": one.labels} for one in shown])
        loss = sum(parts.values(), torch.zeros(()))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        report(step + 1, float(loss.detach()))
    net.eval().requires_grad_(False)
    return calibrated(Trained(net, recipe.sizes, told, NOTES), recipe)


def calibrated(trained: Trained, recipe: Recipe) -> Trained:
    """The detector with probabilities for its scores, calibrated on scenes from which it has not learned.

    J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with its targets, which are never 0 or 1.
    """
    plain = FcosDetector(replace(trained, calibration=None), torch.eye(len(trained.labels), dtype=torch.bool))
    scores, true = [], []
    for index in range(min(recipe.calibration_scenes, recipe.scenes)):
        shown = scene(index, split=CALIBRATION, style=recipe.styles[index % len(recipe.styles)])
        pixels = (shown.pixels[None] * 255).round().to(torch.uint8)
        ((boxes, sure, labels),) = plain.detect([({"pixel_values": pixels}, (pixels.shape[3], pixels.shape[2]))])
        scores.append(sure)
        true.append(_true(boxes, sure, labels, shown))
    raw, hit = torch.cat(scores).double().numpy(), torch.cat(true).numpy()
    target = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))

    def loss(line: np.ndarray) -> float:
        logits = line[0] * raw + line[1]
        return float(np.mean(np.logaddexp(0, logits) - target * logits))

    slope, offset = minimize(loss, np.array([10.0, -5.0]), method="Nelder-Mead").x
    return replace(trained, calibration=(float(slope), float(offset)))


def _true(boxes: Tensor, scores: Tensor, labels: Tensor, shown: Boxed) -> Tensor:
    """Which boxes are true, (n,) bool: they overlap an object of their label by half, and no better box has found it."""
    overlap = box_iou(boxes, shown.boxes) * (labels[:, None] == shown.labels[None])
    found = torch.zeros(len(boxes), dtype=torch.bool)
    for row in scores.argsort(descending=True).tolist():
        best = int(overlap[row].argmax())
        if overlap[row, best] >= quality.MATCH:
            found[row] = True
            overlap[:, best] = 0
    return found


def measure(trained: Trained, *, scenes: int, style: str) -> dict[str, Any]:
    """Measure box AP and pair recall in percent, as `ezhoi detector report` does, on scenes of the test split.

    The recall is given for all boxes, and for those that the default `pairing` keeps.
    """
    world = configured.dataset(
        Data.model_validate({"source": "world", "world": {"test_images": scenes, "style": style}})
    )
    tables, objects = world.tables("test"), world.vocabulary.objects
    serves = labels.serving(dict(enumerate(trained.labels)), objects, object_ids())
    net = FcosDetector(trained, torch.from_numpy(serves))
    rows = []
    ids = tables.images["image_id"].tolist()
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        for image_id, (boxes, scores, things) in zip(
            part, net.detect([net.prepare(world.open(i)) for i in part]), strict=True
        ):
            rows.append(np.column_stack([np.full(len(scores), image_id), things, scores, boxes]))
    found = pd.DataFrame(np.concatenate(rows), columns=COLUMNS).astype({"image_id": "int64", "object_id": "int64"})
    said = quality.report(
        found=found,
        images=tables.images,
        boxes=tables.boxes,
        pairs=tables.pairs,
        objects=objects,
        split="test",
        pairing=Pairing(),
    )
    kept = said["pairs"]["recall_of_kept_boxes"]
    return {"scenes": scenes} | quality.summary(said) | {"pair_recall": kept}


def save(path: Path, trained: Trained, recipe: Recipe, measured: dict[str, Any]) -> None:
    """Write the checkpoint (fp16) with sizes and labels in its header, and beside it a manifest of how it was made."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in trained.net.state_dict().items()}
    save_weights(path, state, trained.about())
    manifest = {
        "made_by": "ezhoi world detector",
        "architecture": "FCOS of torchvision over a small ResNet of transformers, random weights at first",
        "recipe": asdict(recipe),
        "world_version": WORLD_VERSION,
        "trained_on": NOTES["trained_on"],
        "split_shown": f"{SPLIT}, and {CALIBRATION} for its scores: none of their scenes is a training or a test scene",
        "labels": list(trained.labels),
        "measured_in_test_scenes": measured,
        "parameters": sum(p.numel() for p in trained.net.parameters()),
        "torch": torch.__version__,
    }
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
