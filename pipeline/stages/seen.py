"""Stage `seen`: train prompts, guidance, adapters and fusion on the seen classes.

    model.safetensors    what was learned
    phrases.parquet      hoi_id of the class phrases that stand for the verbs (Eq. 12), in order
    history.parquet      losses of every step
    unseen.safetensors   joint: the unseen module
    start.json           of a training that started from a bundle (`seen.init`): what that had learned from

Labels of unseen classes are removed, their images stay. Loss: focal (Eq. 13) over the valid seen (object, verb) entries,
divided by the number of positives, plus the class-relation KL (Eq. 16) over the seen phrases; Eq. 17 is their sum. With
`seen.joint` the unseen classes' phrases take part in both, and negative learning is a third term. With
`seen.consistency_weight` CMMP's consistency is one more, over the same phrases as the relation. The stage resumes at the step.
In preset `released` the class relation is a constant and left out; `seen.weights` takes the place of training.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from models import phrases as phrase
from models import scoring
from models.clip import Clip
from models.hoi import EzHoi, HoiModel, pair_prior
from models.losses import class_relation, consistency, focal, with_prior
from models.precision import computing_in, tf32
from models.transfer import to_device
from pipeline.datasets import classes
from pipeline.datasets.hico.vocabulary import demand
from pipeline.errors import ConfigError, EzhoiError
from pipeline.learned import build, checkpoint, importing, phrases
from pipeline.learned.build import frozen_clip
from pipeline.predict import started, warm_start
from pipeline.predict.bundle import Start
from pipeline.tables import arrays
from pipeline.training import launch, patterns
from pipeline.training.batches import Batch, Shown, TrainingImages
from pipeline.training.loop import train
from pipeline.training.task import Losses, Part
from pipeline.training.unseen import UnseenClasses
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.training")


def run(work: Work) -> dict[str, Any]:
    """Train, here or in separate processes, or take given weights; metrics are losses, trained parameters and speed.

    Raises:
        EzhoiError: the scale that was learned turns the scores around.
    """
    config = work.config.seen
    if config.weights is not None:
        metrics = importing.publish(work, config.weights)
    elif launch.wanted(config.runtime):
        metrics = launch.train_apart(work, processes=config.runtime.processes)
    else:
        metrics = _train(work)
    if metrics["logit_scale"] <= 0:
        raise EzhoiError(
            f"stage seen: the learned scale of the cosines is {metrics['logit_scale']:.4g}; it must be positive, or what fits "
            "least scores best. Try a lower learning rate, or other weights where they are given (seen.weights)."
        )
    return metrics


def _train(work: Work) -> dict[str, Any]:
    """Train in this process; metrics are first and last losses, trained parameters and speed."""
    config, clip = work.config.seen, frozen_clip(work.config)
    torch.manual_seed(work.config.seed)
    model, begun = build.model(work.config, clip), None
    if config.init is not None:
        model, begun = warm_start.model(config.init, work.config, clip)
    with work.clock("read"):
        task = SeenTask(work, clip, model)
    if begun is not None:
        _keep_start(work, begun, task.hidden)
    per_epoch = task.images.steps_per_epoch
    with tf32(config.precision == "tf32"):  # backward passes too
        history = train(
            work=work,
            modules=task.modules,
            task=task,
            steps=config.epochs * per_epoch,
            optimiser=config.optimiser,
            rate_at=lambda step: 1.0 if step < config.drop_after * per_epoch else 0.1,
            runtime=config.runtime,
            accumulate=config.runtime.accumulate,
        )
    checkpoint.save_weights(work.out / "model.safetensors", model.state_dict())
    if task.unseen is not None:
        checkpoint.save_weights(work.out / "unseen.safetensors", task.unseen.module.state_dict())
    arrays.write(work.out / "phrases.parquet", {"hoi_id": task.phrases.hois})
    pd.DataFrame(history.rows).to_parquet(work.out / "history.parquet", index=False)
    losses = [row["loss"] for row in history.rows]
    tenth = max(1, len(losses) // 10)
    return {
        "steps": len(losses),
        "trained_parameters": sum(p.numel() for p in task.modules.parameters()),
        "phrases": len(task.phrases.hois),
        "loss_first_tenth": float(np.mean(losses[:tenth])),
        "loss_last_tenth": float(np.mean(losses[-tenth:])),
        "logit_scale": float(model.logit_scale.detach()),
    } | history.speed(len(task.images.ids) / per_epoch)


def _keep_start(work: Work, begun: Start, hidden: frozenset[int]) -> None:
    """Record where the training starts, and warn of unseen classes from whose labels the start has learned."""
    vocabulary = classes.of_dataset(work.inputs["vocabulary"])
    if started.not_unseen(begun, vocabulary, hidden):
        log.warning("stage %s: %s", work.stage, started.says(begun, vocabulary, hidden))
    (work.out / started.FILE).write_text(begun.model_dump_json(indent=1), encoding="utf-8")


class SeenTask:
    """The training images, the seen classes' phrases, and the losses (see `pipeline.training.task.Task`)."""

    def __init__(self, work: Work, clip: Clip, model: HoiModel) -> None:
        embeddings = work.inputs["text_embeddings"]
        self.config, self.model, self.device = work.config, model, clip.device
        vocabulary = classes.of_dataset(work.inputs["vocabulary"])
        self.preset, guidance = work.config.model.preset, work.config.model.guidance
        if self.preset == "released":
            demand(vocabulary, "model.preset = released")
        everything = phrases.read(
            embeddings, "seen", vocabulary=vocabulary, clip=clip, guidance=guidance, preset=self.preset
        )
        self.hidden = frozenset(vocabulary.ids) - frozenset(everything.hois)
        chosen = phrase.select(
            everything.descriptions.cpu(), everything.verbs, per_verb=work.config.model.phrases_per_verb
        )
        self.phrases = everything.take(chosen)
        self.unseen: UnseenClasses | None = None
        self.modules = nn.ModuleDict({"model": model})
        if work.config.seen.joint:
            self.unseen = UnseenClasses(work, clip, _described(model), everything, vocabulary)
            self.modules["unseen"] = self.unseen.module
        unseen = [] if self.unseen is None else [self.unseen.classes]
        self.descriptions = torch.cat([c.descriptions for c in (self.phrases, *unseen)])
        self.phrase_verbs = torch.tensor([v for c in (self.phrases, *unseen) for v in c.verbs], device=clip.device)
        self.objects = phrases.objects(embeddings, clip=clip, preset=self.preset)
        self.images = TrainingImages(work, clip, vocabulary, everything.hois)
        self.verbs = len(vocabulary.verbs)
        # The released text features are constants, and so is every relation among them.
        self.terms = ["focal"] if self.preset == "released" else ["focal", "relation"]
        self.terms += ["consistency"] if work.config.seen.consistency_weight else []
        self.terms += ["negative"] if self.unseen is not None else []
        self.plain = [phrases.plain(c, clip) for c in (self.phrases, *unseen)] if "consistency" in self.terms else []
        if work.config.model.patterns and isinstance(model, EzHoi) and work.config.model.parts.instance_adapter:
            model.patterns.start_at(patterns.centres(work, hois=everything.hois))

    def load(self, step: int, part: Part) -> Shown | Batch | None:
        """The part's images, as far as they can be prepared ahead."""
        return self.images.load(step, part)

    def ready(self, loaded: Shown | Batch | None) -> Batch | None:
        """The part's images, with the boxes of an online detector."""
        return self.images.ready(loaded)

    def positives(self, batch: Batch | None) -> float:
        """The number of annotated (pair, verb) entries."""
        return 0.0 if batch is None else float(batch.truth.sum())

    def files(self, step: int) -> list[str]:
        """The file names of the step's images."""
        return self.images.files(step)

    def losses(self, batch: Batch | None, positives: float) -> Losses:
        """The focal loss of the part's pairs, and the part's share of the class relation."""
        if batch is None:
            return dict.fromkeys(self.terms, self.model.logit_scale * 0.0)
        with computing_in(self.config.seen.precision, self.device):
            text = self.model.text(self.phrases.phrases)
            if self.unseen is not None:
                text = torch.cat([text, self.unseen.text()])
            pairs = self._pairs(batch)
        text, config = text.float(), self.config.seen
        logits = self.model.phrase_logits(pairs.float(), text)
        prior = to_device(pair_prior(batch.view.found, config.tau), self.device)
        losses = {"focal": self._focal(batch, logits, prior) / max(positives, 1.0)}
        if "relation" in self.terms:
            relation = class_relation(text, self.descriptions, temperature=config.relation_temperature)
            losses["relation"] = config.relation_weight * relation * batch.share
        if "consistency" in self.terms:
            losses["consistency"] = config.consistency_weight * consistency(text, torch.cat(self.plain)) * batch.share
        if self.unseen is not None:
            of_unseen = logits[:, len(self.phrases.hois) :]
            losses["negative"] = config.negative_weight * self.unseen.negatives(batch, of_unseen, prior, positives)
        return losses

    def _pairs(self, batch: Batch) -> Tensor:
        pixels = self.model.normalise(to_device(batch.view.pixels, self.device))
        found, tokens = batch.view.found.to(self.device), to_device(batch.tokens, self.device)
        return self.model.pairs(pixels, tokens, found, self.objects)

    def _focal(self, batch: Batch, logits: Tensor, prior: Tensor) -> Tensor:
        entries, options = to_device(batch.entries, self.device), self.config.seen.focal
        verb_logits = scoring.verb_logits(logits, self.phrase_verbs, self.verbs)
        x = with_prior(verb_logits[entries], prior[:, None].expand_as(verb_logits)[entries])
        truth = to_device(batch.truth, self.device)
        return focal(x, truth, alpha=options.alpha, gamma=options.gamma).sum()


def _described(model: HoiModel) -> EzHoi:
    if not isinstance(model, EzHoi):
        raise ConfigError("seen.joint trains unseen prompts, which the preset 'released' does not have")
    return model
