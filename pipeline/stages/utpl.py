"""Stage `utpl`: adapt the unseen classes from their nearest seen ones, or make another head. No image is opened.

    model.safetensors    the unseen module
    text.parquet         hoi_id, verb_id, unseen, before (d_a), after (d_a): text features of all phrases
    scale.json           the learned scale of their cosines
    history.parquet      losses of every step
    head.safetensors     the head in place of the unseen module, where `model.head` is another than `ezhoi`: made from texts and
                         cached training pairs (pipeline/training/fitting.py); text.parquet has the phrases before UTPL then

What is learned, and by which losses, is in `pipeline/training/adaptation.py`; negatives are cached training pairs. The stage
resumes at the step. After joint training (`seen.joint`) nothing is left to train: the unseen module is in the seen artifact.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import nn

from pipeline.datasets import classes
from pipeline.learned import build, checkpoint, partners, phrases, released_text, scale
from pipeline.learned.build import frozen_clip
from pipeline.tables import arrays
from pipeline.training import fitting, seen_pairs
from pipeline.training.adaptation import Adaptation
from pipeline.training.history import Row
from pipeline.training.loop import train
from pipeline.training.seen_pairs import SeenPairs
from pipeline.training.task import Whole
from pipeline.work.work import Work


def run(work: Work) -> dict[str, Any]:
    """Adapt the unseen classes; metrics are the losses' first and last values."""
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
            optimiser=config.optimiser,
            rate_at=lambda step: 1.0 - step / config.steps,
            runtime=config.runtime,
        ).rows
        for name in task.terms:
            metrics |= {f"{name}_first": history[0][name], f"{name}_last": history[-1][name]}
    checkpoint.save_weights(work.out / "model.safetensors", task.module.state_dict())
    arrays.write(work.out / "text.parquet", task.text_columns())
    scale.write(work.out, float(task.model.logit_scale), seen=work.inputs["seen"])
    pd.DataFrame(history).to_parquet(work.out / "history.parquet", index=False)
    return metrics


def _head(work: Work) -> dict[str, Any]:
    """Make and write the configured head; metrics are counts and its losses."""
    made = fitting.fit(work)
    checkpoint.save_weights(work.out / fitting.FILE, made.head.state_dict())
    arrays.write(work.out / "text.parquet", made.text)
    scale.write(work.out, made.scale, seen=work.inputs["seen"])
    pd.DataFrame(made.history).to_parquet(work.out / "history.parquet", index=False)
    return made.metrics


class UtplTask(Adaptation):
    """The adaptation of a setting's unseen classes, from the artifacts that it reads."""

    def __init__(self, work: Work) -> None:
        config, clip = work.config, frozen_clip(work.config)
        model = build.paper_model(config, clip)
        model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
        embeddings, guidance = work.inputs["text_embeddings"], config.model.guidance
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        every_seen = phrases.read(embeddings, "seen", vocabulary=vocabulary, clip=clip, guidance=guidance)
        position = {h: i for i, h in enumerate(every_seen.hois)}
        chosen = arrays.read(work.inputs["seen"].path("phrases.parquet"))["hoi_id"].tolist()
        unseen = phrases.read(embeddings, "unseen", vocabulary=vocabulary, clip=clip, guidance=guidance)
        width = clip.joint_width
        nearest = partners.read(work.inputs["disparities"], unseen=unseen.hois, seen=every_seen, joint_width=width)
        pairs: SeenPairs | None = None
        if config.utpl_trains:
            pairs = seen_pairs.read(
                work.inputs["pair_features"],
                vocabulary=vocabulary,
                unseen=unseen.hois,
                seen=every_seen.hois,
                scope=config.scope,
            )
        super().__init__(
            model,
            partners.unseen_prompts(
                model.prompts, count=len(unseen.hois), joint_width=width, sizes=build.sizes(config)
            ),
            seen=every_seen.take([position[h] for h in chosen]),
            unseen=unseen,
            partners=nearest,
            pairs=pairs,
            section=config.utpl,
            focal=config.seen.focal,
            tau=config.seen.tau,
            seed=config.seed,
        )

    @torch.no_grad()
    def text_columns(self) -> dict[str, Any]:
        """Text features of all phrases before and after, unit length; seen ones do not change."""
        columns = {}
        for name, unseen in (("before", self.before), ("after", self.after())):
            both = torch.cat([self.seen_text, unseen])
            columns[name] = nn.functional.normalize(both, dim=-1).cpu().numpy()
        return {
            "hoi_id": self.seen.hois + self.unseen.hois,
            "verb_id": self.seen.verbs + self.unseen.verbs,
            "unseen": [False] * len(self.seen.hois) + [True] * len(self.unseen.hois),
        } | columns
