"""Stage `bundle`: the trained model as one file that predicts anywhere, and its model card.

    bundle.safetensors    learned weights, text features, and in the header all that a reader needs (pipeline/predict/bundle.py)
    README.md             the model card: what it is, what it learned from, its results, its limits

Neither holds a path, the name of a user or a machine, nor the weights of CLIP and of a detector.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any

import torch

from pipeline.boxes import detector_identity
from pipeline.config.model import Pairing
from pipeline.datasets import classes
from pipeline.learned import build, checkpoint, scale
from pipeline.learned.phrases import objects
from pipeline.predict import bundle, card, opening, started
from pipeline.predict.bundle import HEAD, MODEL, PLAIN, WITH_HEAD, Bundle, Detector, Header, Measured, Said, Texts, Used
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work


def run(work: Work) -> dict[str, Any]:
    """Write the bundle and its card; metrics are its size and the result of its evaluation."""
    config = work.config
    with work.clock("read"):
        clip = build.frozen_clip(config)
        text = arrays.read(work.inputs["utpl"].path("text.parquet"))
        weights, _ = checkpoint.load_weights(work.inputs["seen"].path("model.safetensors"))
    tensors = {f"{MODEL}{name}": value for name, value in weights.items()}
    tensors |= {
        "text.hoi_id": torch.tensor(text["hoi_id"], dtype=torch.int64),
        "text.before": torch.tensor(text["before"]),
        "text.after": torch.tensor(text["after"]),
        "objects": objects(work.inputs["text_embeddings"], clip=clip, preset=config.model.preset),
    }
    if config.model.head != "ezhoi":
        state, _ = checkpoint.load_weights(work.inputs["utpl"].path("head.safetensors"))
        tensors |= {f"{HEAD}{name}": value for name, value in state.items()}
    identity = opening.identity_of(clip, config)
    header = _header(work, identity)
    with work.clock("write"):
        bundle.write(work.out / bundle.FILE, Bundle(header, tensors))
        (work.out / bundle.CARD).write_text(card.text(header), encoding="utf-8")
    return {"bytes": (work.out / bundle.FILE).stat().st_size, "classes": len(header.classes.classes)}


def _header(work: Work, clip: bundle.ClipIdentity) -> Header:
    config, report = work.config, work.inputs["evaluation"].json("report.json")
    vocabulary = classes.vocabulary(work.inputs["vocabulary"])
    unseen = classes.settings(work.inputs["vocabulary"])[config.setting]
    start, detector = started.read(work.inputs["seen"]), work.inputs["pair_features"].json(detector_identity.FILE)
    known = started.not_unseen(start, vocabulary, unseen)
    means = {name: _number(value) for name, value in report["map"]["adapted"].items()}
    return Header(
        format=PLAIN if config.model.head == "ezhoi" else WITH_HEAD,
        head=config.model.head,
        made_with=importlib.metadata.version("ezhoi"),
        dataset=config.data.source,
        training_pairs=sum(row["train_pairs"] for row in report["per_class"] if row["hoi_id"] not in unseen),
        setting=config.setting,
        unseen=tuple(sorted(unseen - known)),
        added=tuple(sorted(classes.added(work.inputs["vocabulary"]) - known)),
        preset=config.model.preset,
        sizes=build.sizes(config),
        scope=config.scope,
        scale=scale.read(work.inputs["utpl"]),
        tau=config.evaluation.tau,
        pairing=Pairing(**{name: getattr(config.pairing, name) for name in Pairing.model_fields}),
        clip=clip,
        detector=Detector.model_validate({key: detector[key] for key in Detector.model_fields if key in detector}),
        measured=Measured(
            protocol=report["protocol"],
            means=means,
            images=report["counts"]["images"],
            annotated_pairs=report["counts"]["annotated_pairs"],
            on=config.data.world.evaluated if config.data.source == "world" else "test",
        ),
        made_from={name: artifact.digest for name, artifact in work.inputs.items()},
        used=_used(report),
        start=start,
        vocabulary={"format": "ezhoi-vocabulary/1", **vocabulary.as_json()},
        texts=_texts(work, vocabulary),
    )


def _used(report: Mapping[str, Any]) -> Used | None:
    """What the model learned from beside its training, by the evaluation; None if its version did not say it."""
    if "transductive" not in report:
        return None
    return Used(transductive=report["transductive"], examples=report["examples"])


def _texts(work: Work, vocabulary: Vocabulary) -> Texts:
    described = work.inputs["descriptions"]
    table = described.table("descriptions.parquet", ["hoi_id", "sentences", "source"])
    guided = "actions.parquet" in described.names()
    verbs = described.table("actions.parquet", ["verb_id", "sentences"]).to_numpy().tolist() if guided else []
    action = {verb_id: tuple(parts) for verb_id, parts in verbs}
    return Texts(
        guidance=work.config.model.guidance,
        actions=guided,
        descriptions={
            int(hoi_id): Said(
                sentences=tuple(parts), source=source, action=action.get(vocabulary.hoi(hoi_id).verb_id, ())
            )
            for hoi_id, parts, source in table.itertuples(index=False)
        },
    )


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
