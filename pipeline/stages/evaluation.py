"""Stage `evaluation`: predictions on the test split, HICO-DET's mAP over seen and unseen classes, and the report.

    predictions.parquet    image_id, hoi_id, score, hx1 .. oy2: the adapted model
    classes.parquet        per class: name, unseen, and AP of every variant
    report.json, report.md, report.png, scenes.png

Three variants through the same evaluator: `untrained` (frozen CLIP, plain phrases, union boxes), `before_utpl`
(after the seen stage; unseen phrases only guided) and `adapted` (after UTPL). Resumes at the shard of predictions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pipeline import arrays, classes
from pipeline.classes import ClassTable
from pipeline.errors import DataError
from pipeline.hico.vocabulary import hoi_classes
from pipeline.metrics import evaluate, summarise
from pipeline.report import markdown, plots, scenes
from pipeline.scoring import class_probabilities, predictions, verb_probabilities
from pipeline.work import Work

VARIANTS = ("untrained", "before_utpl", "adapted")


def run(work: Work) -> dict[str, Any]:
    """Evaluate; metrics are mAP in percent: full, seen, unseen (adapted), and with a prefix those of the other variants."""
    table = classes.read(work.inputs["annotations"], work.config.setting)
    with work.clock("read"):
        truth = work.inputs["annotations"].table("pairs.parquet")
        truth = truth[truth["split"] == "test"].reset_index(drop=True)
    scorer = Scorer(work, table)
    found = {variant: scorer.predictions(variant) for variant in VARIANTS}
    per_class = pd.DataFrame(
        {
            "hoi_id": table.hois,
            "name": [hoi_classes()[h].name for h in table.hois],
            "unseen": [h in table.unseen for h in table.hois],
            "train_pairs": [table.train_counts[h] for h in table.hois],
        }
    )
    summaries: dict[str, dict[str, float]] = {}
    for variant, rows in found.items():
        with work.clock("compute"):
            try:
                scores = evaluate(
                    predictions=rows, pairs=truth, protocol=work.config.evaluation.protocol, classes=list(table.hois)
                )
            except ValueError as error:
                raise DataError(f"stage evaluation, variant {variant}: {error}") from error
        per_class[f"ap_{variant}"] = scores["ap"]
        per_class["test_pairs"] = scores["n_gt"]
        summaries[variant] = summarise(scores, unseen=table.unseen, rare=table.rare)
    with work.clock("write"):
        _write(work, found["adapted"], per_class, summaries, truth)
    others = {f"{v}_{group}": x for v in VARIANTS[:-1] for group, x in summaries[v].items()}
    return {**summaries["adapted"], **others}


class Scorer:
    """The text features and how each variant scores a shard of pairs."""

    def __init__(self, work: Work, table: ClassTable) -> None:
        self.work, self.hois = work, np.array(table.hois)
        self.text = arrays.read(work.inputs["utpl"].path("text.parquet"))
        self.scale = float(work.inputs["utpl"].json("scale.json"))
        plain = [arrays.read(work.inputs["text_embeddings"].path(f"{g}-phrases.parquet")) for g in ("seen", "unseen")]
        rows = {int(h): row for part in plain for h, row in zip(part["hoi_id"], part["pooled"], strict=True)}
        self.plain = np.stack([rows[h] for h in table.hois])
        self.object_of = np.array([hoi_classes()[h].object_id for h in table.hois])
        self.lookup = classes.hoi_lookup(table.hois)

    def predictions(self, variant: str) -> pd.DataFrame:
        """Predictions of the whole test split, shard by shard."""
        return pd.concat(list(self._shards(variant)), ignore_index=True)

    def _shards(self, variant: str) -> Iterator[pd.DataFrame]:
        names = self.work.inputs["pair_features"].names("test-*")
        for done, name in enumerate(names):
            kept = self.work.scratch / f"{variant}-{name}"
            if not kept.exists():
                with self.work.clock("read"):
                    pairs = arrays.read(self.work.inputs["pair_features"].path(name))
                with self.work.clock("compute"):
                    found = self._score(variant, pairs)
                arrays.write(kept, {str(column): found[column].to_numpy() for column in found})
            yield pd.read_parquet(kept)
            self.work.progress(VARIANTS.index(variant) * len(names) + done + 1, len(VARIANTS) * len(names), variant)

    def _score(self, variant: str, pairs: dict[str, np.ndarray]) -> pd.DataFrame:
        objects, tau = pairs["object_id"], self.work.config.evaluation.tau
        if variant == "untrained":
            chance = class_probabilities(pairs["zero_shot"], self.plain, objects, self.object_of)
            hoi_of = np.where(objects[:, None] == self.object_of[None], self.hois[None], -1)
            return predictions(pairs, chance, hoi_of, tau=tau)
        text = self.text["before" if variant == "before_utpl" else "after"]
        chance = verb_probabilities(pairs["feature"], text, self.text["verb_id"], self.scale)
        return predictions(pairs, chance, self.lookup[objects], tau=tau)


def _write(
    work: Work,
    found: pd.DataFrame,
    per_class: pd.DataFrame,
    summaries: dict[str, dict[str, float]],
    truth: pd.DataFrame,
) -> None:
    found.to_parquet(work.out / "predictions.parquet", index=False)
    per_class.to_parquet(work.out / "classes.parquet", index=False)
    about: dict[str, str] = {
        "setting": work.config.setting,
        "source": work.config.data.source,
        "protocol": work.config.evaluation.protocol,
    }
    (work.out / "report.json").write_text(json.dumps(about | {"map": summaries}, indent=1))
    plots.write(work.out / "report.png", per_class=per_class, summaries=summaries)
    scenes.write(
        work.out / "scenes.png",
        annotations=work.inputs["annotations"],
        found=found,
        truth=truth,
        root=work.config.data.root,
    )
    markdown.write(work.out / "report.md", about=about, per_class=per_class, summaries=summaries)
