"""Stage `utpl`: adapt the unseen classes from their nearest seen ones, or make another head. No image is opened.

    model.safetensors    the unseen module
    text.parquet         hoi_id, verb_id, unseen, before (d_a), after (d_a): text features of all phrases
    scale.json           the learned scale of their cosines
    history.parquet      losses of every step
    head.safetensors     the head in place of the unseen module, where `model.head` is another than `ezhoi`: made from texts and
                         cached training pairs (pipeline/training/fitting.py); text.parquet has the phrases before UTPL then

Everything of the seen stage is frozen. Three losses: alignment with the nearest seen class; class relation over seen and
unseen together (Eq. 16); and negative learning: cached training pairs that match an annotated seen class are no examples
of an unseen class with another verb, balanced by pairs that show its verb on another object. With
`utpl.consistency_weight` CMMP's consistency is a fourth, over seen and unseen together. Resumes at the step. After
joint training (`seen.joint`) there is nothing left to train: the unseen module comes with the seen artifact.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from models.losses import class_relation, consistency, with_prior
from models.unseen import alignment, labelled
from pipeline.datasets import classes
from pipeline.learned import build, checkpoint, partners, phrases, released_text
from pipeline.learned.build import frozen_clip, generator
from pipeline.tables import arrays
from pipeline.training import fitting, seen_pairs
from pipeline.training.history import Row
from pipeline.training.loop import train
from pipeline.training.seen_pairs import SeenPairs
from pipeline.training.task import Losses, Whole
from pipeline.work.work import Work


def run(work: Work) -> dict[str, Any]:
    """Adapt; metrics are the losses' first and last values."""
    if work.config.model.preset == "released":
        return released_text.publish(work, classes.vocabulary(work.inputs["vocabulary"]))
    if work.config.model.head != "ezhoi":
        return _head(work)
    config = work.config.utpl
    torch.manual_seed(work.config.seed)
    with work.clock("read"):
        task = UtplTask(work)
    metrics: dict[str, Any] = {"unseen_classes": len(task.unseen.hois)}
    history: list[Row] = []
    if work.config.seen.joint:
        task.module.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("unseen.safetensors"))[0])
    elif task.unseen.hois:
        history = train(
            work=work,
            modules=task.module,
            steps=config.steps,
            task=Whole(task.losses),
            settings=config.optimiser,
            rate_at=lambda step: 1.0 - step / config.steps,
            runtime=config.runtime,
        ).rows
        for name in task.terms:
            metrics |= {f"{name}_first": history[0][name], f"{name}_last": history[-1][name]}
    checkpoint.save_weights(work.out / "model.safetensors", task.module.state_dict())
    arrays.write(work.out / "text.parquet", task.text_columns())
    (work.out / "scale.json").write_text(json.dumps(float(task.model.logit_scale)), encoding="utf-8")
    pd.DataFrame(history).to_parquet(work.out / "history.parquet", index=False)
    return metrics


def _head(work: Work) -> dict[str, Any]:
    """Make and write the configured head; metrics are counts and its losses."""
    made = fitting.fit(work)
    checkpoint.save_weights(work.out / fitting.FILE, made.head.state_dict())
    arrays.write(work.out / "text.parquet", made.text)
    (work.out / "scale.json").write_text(json.dumps(made.scale), encoding="utf-8")
    pd.DataFrame(made.history).to_parquet(work.out / "history.parquet", index=False)
    return made.metrics


class UtplTask:
    """The frozen seen side, the unseen module, and the losses at a step."""

    def __init__(self, work: Work) -> None:
        self.config = work.config
        clip = frozen_clip(work.config)
        self.model = build.paper_model(work.config, clip)
        self.model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
        self.model.eval().requires_grad_(False)
        embeddings, guidance = work.inputs["text_embeddings"], work.config.model.guidance
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        every_seen = phrases.read(embeddings, "seen", vocabulary=vocabulary, clip=clip, guidance=guidance)
        position = {h: i for i, h in enumerate(every_seen.hois)}
        chosen = arrays.read(work.inputs["seen"].path("phrases.parquet"))["hoi_id"].tolist()
        self.seen = every_seen.take([position[h] for h in chosen])
        self.unseen = phrases.read(embeddings, "unseen", vocabulary=vocabulary, clip=clip, guidance=guidance)
        width = clip.joint_width
        self.partners = partners.read(
            work.inputs["disparities"], unseen=self.unseen.hois, seen=every_seen, joint_width=width
        )
        nearest = self.partners.classes
        with torch.no_grad():
            self.partner_prompts = self.model.class_prompts(nearest.phrases)
            self.partner_text = self.model.text(nearest.phrases, self.partner_prompts)
            self.seen_text = self.model.text(self.seen.phrases)
            self.before = self.model.text(self.unseen.phrases) if self.unseen.hois else self.seen_text[:0]
        held = work.config.utpl.consistency_weight > 0
        self.terms = ["align", "relation", "negative", *(["consistency"] if held else [])]
        self.plain = [phrases.plain(classes, clip) for classes in (self.seen, self.unseen)] if held else []
        self.closeness = (self.unseen.descriptions * nearest.descriptions).sum(dim=1)
        self.descriptions = torch.cat([self.seen.descriptions, self.unseen.descriptions])
        self.module = partners.unseen_prompts(
            self.model.prompts, count=len(self.unseen.hois), joint_width=width, config=work.config
        )
        self.pairs: SeenPairs | None = None
        if work.config.utpl_trains:
            self.pairs = seen_pairs.read(
                work.inputs["pair_features"],
                vocabulary=vocabulary,
                unseen=self.unseen.hois,
                seen=every_seen.hois,
                scope=work.config.utpl.scope,
            )

    def losses(self, step: int) -> Losses:
        """The losses; examples are drawn anew at every step."""
        config = self.config.utpl
        text = self.model.text(self.unseen.phrases, self._adapted())
        both = torch.cat([self.seen_text, text])
        relation = class_relation(both, self.descriptions, temperature=config.relation_temperature)
        negative = self._examples(text, step, positive=False)
        balance = self._examples(text, step, positive=True)
        losses = {
            "align": config.align_weight * alignment(text, self.partner_text, self.closeness),
            "relation": config.relation_weight * relation,
            "negative": config.negative_weight * (negative + config.positive_weight * balance),
        }
        if self.plain:
            losses["consistency"] = config.consistency_weight * consistency(both, torch.cat(self.plain))
        return losses

    def _adapted(self) -> Tensor:
        guided = self.model.class_prompts(self.unseen.phrases, self.module.own)
        return self.module(guided, self.partner_prompts, self.partners.disparities, self.partners.absent)

    def _examples(self, text: Tensor, step: int, *, positive: bool) -> Tensor:
        """Focal loss of the unseen phrases on drawn pairs that are negatives (or positives) for them."""
        assert self.pairs is not None, "only what trains draws examples"
        wanted = self.pairs.positive if positive else self.pairs.negative
        some = generator(self.config.seed, "utpl", "positives" if positive else "negatives", step)
        drawn = self.pairs.draw(wanted, self.config.utpl.batch_size, some)
        features, priors, counted = (t[drawn].to(text.device) for t in (self.pairs.features, self.pairs.priors, wanted))
        logits = self.model.phrase_logits(features, text)
        logits = with_prior(logits, (priors[:, None] ** self.config.seen.tau).expand_as(logits))
        settings = self.config.seen.focal
        return labelled(logits, float(positive), counted, alpha=settings.alpha, gamma=settings.gamma)

    @torch.no_grad()
    def text_columns(self) -> dict[str, Any]:
        """Text features of all phrases before and after, unit length; seen ones do not change."""
        after = self.model.text(self.unseen.phrases, self._adapted()) if self.unseen.hois else self.before
        columns = {}
        for name, unseen in (("before", self.before), ("after", after)):
            both = torch.cat([self.seen_text, unseen])
            columns[name] = nn.functional.normalize(both, dim=-1).cpu().numpy()
        return {
            "hoi_id": self.seen.hois + self.unseen.hois,
            "verb_id": self.seen.verbs + self.unseen.verbs,
            "unseen": [False] * len(self.seen.hois) + [True] * len(self.unseen.hois),
        } | columns
