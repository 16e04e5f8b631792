"""A head other than `ezhoi`, made from texts and cached training pairs; no picture is opened.

Every head that trains has the focal loss of the seen stage (Eq. 13, under the detection prior, over the verbs that a seen
class has with the pair's object), and losses of its own beside it. A step's pairs are drawn anew, seeded by the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.heads.head import Examples, FittedHead, Texts, fitted
from models.heads.kinds import CONCEPTS, KINDS
from models.losses import focal, with_prior
from pipeline.config.tree import Config
from pipeline.datasets import classes
from pipeline.learned import build, checkpoint, phrases
from pipeline.learned.build import frozen_clip, generator
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.training import examples
from pipeline.training.history import Row
from pipeline.training.loop import train
from pipeline.training.task import Losses, Whole
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work import torch_device
from pipeline.work.work import Work

FILE = "head.safetensors"
"""The file with the head's state."""


@dataclass(frozen=True)
class Fitted:
    """A head, with what the stage stores beside it.

    Args:
        text: the columns of `text.parquet`: the phrases that stand for verbs, under the guided prompts; they are the same
            before and after UTPL, since there is none.
        scale: the learned scale of their cosines.
        history: the losses of every step; empty where nothing is trained.
    """

    head: FittedHead
    text: dict[str, Any]
    scale: float
    history: list[Row]
    examples: int

    @property
    def metrics(self) -> dict[str, Any]:
        """Counts, and the loss in the first and last tenth of the steps."""
        found: dict[str, Any] = {
            "training_pairs": self.examples,
            "trained_parameters": sum(p.numel() for p in self.head.parameters()),
        }
        if self.history:
            losses, tenth = [row["loss"] for row in self.history], max(1, len(self.history) // 10)
            found["loss_first_tenth"] = float(np.mean(losses[:tenth]))
            found["loss_last_tenth"] = float(np.mean(losses[-tenth:]))
        return found


def fit(work: Work) -> Fitted:
    """Make the configured head, and train it if it has a training."""
    config, kind = work.config, KINDS[work.config.model.head]
    torch.manual_seed(config.seed)
    with work.clock("read"):
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        texts, hois, columns = _texts(work, vocabulary)
        known = examples.read(
            work.inputs["pair_features"],
            vocabulary=vocabulary,
            seen=[h for h, hidden in zip(hois, texts.unseen.tolist(), strict=True) if not hidden],
            unseen=[h for h, hidden in zip(hois, texts.unseen.tolist(), strict=True) if hidden],
            columns=kind.reads,
        )
    head = fitted(config.model.head).fresh(
        texts=texts,
        examples=known,
        options=getattr(config.heads, config.model.head, None),
        generator=generator(config.seed, "head", config.model.head),
    )
    head = head.to(device := torch_device.device(config))
    history: list[Row] = []
    if kind.trains:
        heads = config.heads
        history = train(
            work=work,
            modules=head,
            steps=heads.steps,
            task=Whole(lambda step: losses(head, drawn(known, config, step).to(device), config)),
            optimiser=heads.optimiser,
            rate_at=lambda step: 1.0 - step / heads.steps,
            runtime=heads.runtime,
        ).rows
    return Fitted(head.eval(), columns, texts.scale, history, len(known.pairs))


def drawn(known: Examples, config: Config, step: int) -> Examples:
    """The examples of a step, drawn with repeats."""
    some = generator(config.seed, "head", "examples", step)
    return known.take(torch.randint(len(known.pairs), (config.heads.batch_size,), generator=some))


def losses(head: FittedHead, some: Examples, config: Config) -> Losses:
    """The focal loss of the labels that count, divided by the number of positives, and the head's own losses."""
    logits, options = head.logits(some.pairs), config.seen.focal
    prior = (some.pairs.prior**config.seen.tau)[:, None].expand_as(logits)
    x, truth = with_prior(logits[some.counted], prior[some.counted]), some.shown[some.counted].float()
    terms = focal(x, truth, alpha=options.alpha, gamma=options.gamma)
    return {"focal": terms.sum() / truth.sum().clamp(min=1)} | head.losses(some, logits)


@torch.no_grad()
def _texts(work: Work, vocabulary: Vocabulary) -> tuple[Texts, list[int], dict[str, Any]]:
    """The texts of all classes for the head, the classes' HOI ids, and the columns of `text.parquet`."""
    config, embeddings, guidance = work.config, work.inputs["text_embeddings"], work.config.model.guidance
    clip = frozen_clip(config)
    model = build.paper_model(config, clip)
    model.load_state_dict(checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))[0])
    model.eval()
    seen, unseen = (
        phrases.read(embeddings, group, vocabulary=vocabulary, clip=clip, guidance=guidance)
        for group in ("seen", "unseen")
    )
    hois = [*seen.hois, *unseen.hois]
    guided = nn.functional.normalize(torch.cat([model.text(c.phrases) for c in (seen, unseen)]), dim=-1).cpu()
    texts = Texts(
        verb_count=len(vocabulary.verbs),
        object_count=len(vocabulary.objects),
        verbs=torch.from_numpy(vocabulary.verb_of[hois]),
        objects=torch.from_numpy(vocabulary.object_of[hois]),
        unseen=torch.arange(len(hois)) >= len(seen.hois),
        phrases=plain_phrases(embeddings),
        descriptions=torch.cat([c.descriptions for c in (seen, unseen)]).cpu(),
        guided=guided,
        scale=float(model.logit_scale),
        concepts=concepts(embeddings) if config.reads_concepts else None,
    )
    chosen = arrays.read(work.inputs["seen"].path("phrases.parquet"))["hoi_id"].tolist()
    rows = [hois.index(h) for h in (*chosen, *unseen.hois)]
    features = guided[rows].numpy()
    named = {"hoi_id": [hois[i] for i in rows], "verb_id": vocabulary.verb_of[hois][rows]}
    return texts, hois, {**named, "unseen": texts.unseen[rows].numpy(), "before": features, "after": features}


def concepts(embeddings: Artifact) -> dict[str, Tensor]:
    """By region, the frozen CLIP's features (V, K, d) of each verb's phrases, with rows of zeros where there are fewer."""
    table = arrays.read(embeddings.path("concepts.parquet"))
    found = {}
    for region in CONCEPTS:
        rows = [torch.from_numpy(row.astype(np.float32)) for row in table[region]]
        width = next((row.shape[1] for row in rows if len(row)), 1)
        found[region] = phrases.pad(rows, width)[0]
    return found


def plain_phrases(embeddings: Artifact) -> Tensor:
    """The frozen CLIP's features (C, d) of the plain phrases, seen classes first."""
    parts = [arrays.read(embeddings.path(f"{group}-phrases.parquet"))["pooled"] for group in ("seen", "unseen")]
    return torch.from_numpy(np.concatenate([part.astype(np.float32) for part in parts if len(part)]))
