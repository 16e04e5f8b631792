"""Stage `seen`: train prompts, guidance, adapters and fusion on the seen classes.

    model.safetensors    what was learned
    phrases.parquet      hoi_id of the class phrases that stand for the verbs (Eq. 12), in order
    history.parquet      losses of every step

Labels of unseen classes are removed, their images stay. Loss: focal (Eq. 13) over the valid seen (object, verb) entries,
divided by the number of positives, plus the class-relation KL (Eq. 16) over the seen phrases. Resumes at the step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from models import phrases as phrase
from models.clip import Clip, normalise
from models.hoi import EzHoi, pair_prior
from models.instances import Instances
from models.losses import class_relation, focal, with_prior
from pipeline import arrays, classes, compute, text_side
from pipeline.compute import frozen_clip, generator
from pipeline.frozen_tokens import FrozenTokens
from pipeline.hico.vocabulary import hoi_classes, verbs
from pipeline.images import Images
from pipeline.instances import Annotated, Detected
from pipeline.training import checkpoint
from pipeline.training.loop import Losses, train
from pipeline.work import Work


def run(work: Work) -> dict[str, Any]:
    """Train; metrics are the first and last losses and the number of trained parameters."""
    config = work.config.seen
    clip = frozen_clip(work.config)
    with work.clock("read"):
        task = SeenTask(work, clip)
    torch.manual_seed(work.config.seed)
    model = compute.model(work.config, clip)
    per_epoch = math.ceil(len(task.images.ids) / config.batch_size)
    history = train(
        work=work,
        modules=model,
        steps=config.epochs * per_epoch,
        losses_at=lambda step: task.losses(model, step),
        settings=config.optimiser,
        rate_at=lambda step: 1.0 if step < config.drop_after * per_epoch else 0.1,
        every=config.runtime.checkpoint_every,
    )
    checkpoint.save_weights(work.out / "model.safetensors", model.state_dict())
    arrays.write(work.out / "phrases.parquet", {"hoi_id": task.phrases.hois})
    pd.DataFrame(history).to_parquet(work.out / "history.parquet", index=False)
    losses = [row["loss"] for row in history]
    tenth = max(1, len(losses) // 10)
    return {
        "steps": len(history),
        "trained_parameters": sum(p.numel() for p in model.parameters()),
        "phrases": len(task.phrases.hois),
        "loss_first_tenth": float(np.mean(losses[:tenth])),
        "loss_last_tenth": float(np.mean(losses[-tenth:])),
        "logit_scale": float(model.logit_scale.detach()),
    }


class SeenTask:
    """The data of the stage, and its losses at a step."""

    def __init__(self, work: Work, clip: Clip) -> None:
        annotations, embeddings = work.inputs["annotations"], work.inputs["text_embeddings"]
        self.config, self.clip = work.config, clip
        self.table = classes.read(annotations, work.config.setting)
        everything = text_side.read(embeddings, "seen", clip=clip, guidance=work.config.model.guidance)
        chosen = phrase.select(
            everything.descriptions.cpu(), everything.verbs, per_verb=work.config.model.phrases_per_verb
        )
        self.phrases = everything.take(chosen)
        self.phrase_verbs = torch.tensor(self.phrases.verbs, device=clip.device)
        self.objects = text_side.objects(embeddings).to(clip.device)
        self.images = Images(annotations, split="train", root=work.config.data.root)
        self.detected = Detected(
            work.inputs["detections"].table("train.parquet"), sizes=self.images.sizes, pairing=work.config.pairing
        )
        pairs = annotations.table("pairs.parquet")
        self.annotated = Annotated(pairs[pairs["split"] == "train"], sizes=self.images.sizes, hois=self.table.seen)
        self.frozen = FrozenTokens(work.inputs["image_embeddings"], "train")
        self.valid = torch.from_numpy(classes.valid_verbs(self.table.seen))
        self.verb_of = torch.tensor([h.verb_id for h in hoi_classes()])

    def batch_ids(self, step: int) -> tuple[list[int], list[bool]]:
        """Image ids of a step and which of them are mirrored."""
        size = self.config.seen.batch_size
        epoch, position = divmod(step, math.ceil(len(self.images.ids) / size))
        order = torch.randperm(len(self.images.ids), generator=generator(self.config.seed, "seen", "order", epoch))
        ids = [self.images.ids[i] for i in order[position * size : (position + 1) * size].tolist()]
        coins = torch.rand(len(ids), generator=generator(self.config.seed, "seen", "mirror", step))
        return ids, (coins < 0.5).tolist() if self.config.seen.flip else [False] * len(ids)

    def losses(self, model: EzHoi, step: int) -> Losses:
        """Focal and class-relation loss of a step's batch."""
        ids, mirrored = self.batch_ids(step)
        found = self.detected.batch(ids, mirrored)
        labels = self._labels(ids, mirrored, found)
        device = self.clip.device
        pixels = self.images.squares(ids, self.clip.image_size)
        pixels = torch.stack([p.flip(-1) if m else p for p, m in zip(pixels, mirrored, strict=True)])
        # The frozen tokens of a mirrored image are those of the image: guidance attends to what is there, not to where.
        pairs = model.pairs(
            normalise(pixels.to(device)), self.frozen.of(ids).to(device), found.to(device), self.objects
        )
        text = model.text(self.phrases.phrases)
        logits = phrase.verb_logits(model.phrase_logits(pairs, text), self.phrase_verbs, len(verbs()))
        image, _, thing = found.pairs.unbind(dim=1)
        entry = self.valid[found.labels[image, thing]].to(device)
        prior = pair_prior(found.to(device), self.config.seen.tau)[:, None].expand_as(logits)[entry]
        truth = labels.to(device)[entry]
        loss = focal(
            with_prior(logits[entry], prior),
            truth,
            alpha=self.config.seen.focal.alpha,
            gamma=self.config.seen.focal.gamma,
        )
        relation = class_relation(text, self.phrases.descriptions, temperature=self.config.seen.relation_temperature)
        return {
            "focal": loss.sum() / truth.sum().clamp(min=1),
            "relation": self.config.seen.relation_weight * relation,
        }

    def _labels(self, ids: list[int], mirrored: list[bool], found: Instances) -> Tensor:
        pair, hoi = self.annotated.matches(ids, found, mirrored)
        labels = torch.zeros(len(found.pairs), len(verbs()))
        labels[pair, self.verb_of[hoi]] = 1
        return labels
