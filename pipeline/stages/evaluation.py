"""Stage `evaluation`: predictions on the test split, HICO-DET's mAP over seen and unseen classes, and the report.

    predictions.parquet    image_id, hoi_id, score, hx1 .. oy2: the adapted model (pipeline/metrics/formats/table.py)
    classes.parquet        per class: name, unseen, and AP of every variant
    report.html            the page; report.md, report.json, per_class.csv, plots/ beside it (pipeline/report/folder.py)
    scenes.png

Five variants through the same evaluator: `detector_only` (boxes alone, all verbs alike), `untrained` (frozen CLIP, plain
phrases, union boxes), after the seen stage `plain_phrases` (unseen phrases without prompts) and `before_utpl` (unseen
phrases under the shared guided prompts), and `adapted` (after UTPL). Resumes at the shard of predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from PIL.Image import Image

from models import scoring
from pipeline.boxes import detector
from pipeline.datasets import classes
from pipeline.datasets.classes import ClassTable
from pipeline.datasets.hico.vocabulary import hoi_classes
from pipeline.datasets.images import Images
from pipeline.errors import DataError
from pipeline.metrics import PROTOCOLS, detections, results
from pipeline.metrics import annotations as ground_truth
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.results import Result
from pipeline.predict.scorer import Scorer, Variant
from pipeline.predict.scoring import predictions
from pipeline.report import folder, scenes
from pipeline.report.content import SIDE_BY_SIDE, Content, Row, Source, published_rows
from pipeline.tables import arrays
from pipeline.work.work import Work

NAMES = {
    "detector_only": "boxes alone, all verbs alike",
    "untrained": "untrained: frozen CLIP, plain phrases, union boxes",
    "plain_phrases": "after the seen stage, plain phrases for unseen classes",
    "before_utpl": "after the seen stage",
    "adapted": "after UTPL",
}
VARIANTS = tuple(NAMES)
SYNTHETIC = "Synthetic scenes, a synthetic CLIP, simulated detections: these numbers say nothing about HICO-DET."


def run(work: Work) -> dict[str, Any]:
    """Evaluate; metrics are mAP in percent: full, seen, unseen (adapted), and with a prefix those of the other variants."""
    table = classes.read(work.inputs["annotations"], work.config.setting)
    with work.clock("read"):
        truth = ground_truth.of_artifact(work.inputs["annotations"])
    predicted = Predictions(work, table)
    found: dict[str, list[Result]] = {}
    for variant in VARIANTS:
        rows = predicted.of(variant)
        with work.clock("compute"):
            checked = detections.check(rows, truth, name=f"stage evaluation, variant {variant}")
            found[variant] = _evaluate(work, checked, truth, both=variant == VARIANTS[-1])
    with work.clock("write"):
        rows.to_parquet(work.out / "predictions.parquet", index=False)
        summaries = {variant: own[0].summary for variant, own in found.items()}
        _write(work, found, summaries, checked, truth)
        scenes.write(
            work.out / "scenes.png",
            annotations=work.inputs["annotations"],
            found=rows,
            truth=_test_pairs(work),
            root=work.config.data.root,
        )
    others = {f"{v}_{group}": x for v in VARIANTS[:-1] for group, x in summaries[v].items()}
    return {**summaries["adapted"], **others}


def _evaluate(work: Work, found: Detections, truth: Annotations, *, both: bool) -> list[Result]:
    """The configured protocol first, then those that stand side by side; with `both`, known-object mode too."""
    names = dict.fromkeys([work.config.evaluation.protocol, *SIDE_BY_SIDE])
    return list(
        results.results(
            found,
            truth,
            protocols=[PROTOCOLS[name] for name in names],
            modes=results.MODES if both else ("default",),
            setting=work.config.setting,
        )
    )


class Predictions:
    """What each variant predicts on the test split, shard by shard."""

    def __init__(self, work: Work, table: ClassTable) -> None:
        self.work, self.hois = work, np.array(table.hois)
        text = arrays.read(work.inputs["utpl"].path("text.parquet"))
        parts = [arrays.read(work.inputs["text_embeddings"].path(f"{g}-phrases.parquet")) for g in ("seen", "unseen")]
        rows = {int(h): row for part in parts for h, row in zip(part["hoi_id"], part["pooled"], strict=True)}
        plain = text["before"]
        if work.config.model.preset == "paper":  # the released code's phrases are plain, and not of unit length
            phrases = np.stack([rows[int(h)] for h in text["hoi_id"]])
            plain = np.where(text["unseen"][:, None], phrases, text["before"])
        self.classes = np.stack([rows[h] for h in table.hois])
        self.object_of = np.array([hoi_classes()[h].object_id for h in table.hois])
        self.lookup = classes.hoi_lookup(table.hois)
        self.scorer = Scorer(
            preset=work.config.model.preset,
            scope=work.config.utpl.scope,
            tau=work.config.evaluation.tau,
            scale=float(work.inputs["utpl"].json("scale.json")),
            verbs=self.lookup.shape[1],
            phrase_verbs=torch.from_numpy(text["verb_id"]),
            phrase_objects=torch.tensor([hoi_classes()[int(h)].object_id for h in text["hoi_id"]]),
            plain=torch.from_numpy(plain),
            before=torch.from_numpy(text["before"]),
            after=torch.from_numpy(text["after"]),
        )

    def of(self, variant: str) -> pd.DataFrame:
        """Predictions of the whole test split."""
        return pd.concat(list(self._shards(variant)), ignore_index=True)

    def _shards(self, variant: str) -> Iterator[pd.DataFrame]:
        names = self.work.inputs["pair_features"].names("test-*")
        for done, name in enumerate(names):
            kept = f"{variant}-{name}"
            if self.work.pieces.digest_of(kept) is None:
                with self.work.clock("read"):
                    pairs = arrays.read(self.work.inputs["pair_features"].path(name))
                with self.work.clock("compute"):
                    found = self._score(variant, pairs)
                with self.work.pieces.writing(kept) as temporary:
                    arrays.put(temporary, {str(column): found[column].to_numpy() for column in found})
            yield pd.read_parquet(self.work.scratch / kept)
            self.work.progress(VARIANTS.index(variant) * len(names) + done + 1, len(VARIANTS) * len(names), variant)

    def _score(self, variant: str, pairs: dict[str, np.ndarray]) -> pd.DataFrame:
        objects = pairs["object_id"]
        if variant != "untrained":
            return predictions(pairs, self.scorer.scores(cast(Variant, variant), pairs), self.lookup[objects])
        chance = scoring.untrained_scores(
            *(torch.from_numpy(x) for x in (pairs["zero_shot"], self.classes, objects, self.object_of))
        )
        scores = scoring.class_scores(chance, torch.from_numpy(pairs["prior"]), tau=self.work.config.evaluation.tau)
        hoi_of = np.where(objects[:, None] == self.object_of[None], self.hois[None], -1)
        return predictions(pairs, scores.numpy(), hoi_of)


def _write(
    work: Work,
    found: dict[str, list[Result]],
    summaries: dict[str, dict[str, float]],
    checked: Detections,
    truth: Annotations,
) -> None:
    own, setting = found["adapted"], work.config.setting
    table = results.class_table(own, truth, setting)
    per_class = table[["hoi_id", "name", "unseen", "train_pairs", "test_pairs"]].assign(
        **{f"ap_{variant}": of[0].per_class["ap"].to_numpy() for variant, of in found.items()}
    )
    per_class.to_parquet(work.out / "classes.parquet", index=False)
    inputs = {name: artifact.digest for name, artifact in work.inputs.items()}
    report = results.report(own, annotations=truth, detections=checked, setting=setting, digests=inputs)
    whose = work.inputs["pair_features"].json(detector.FILE)
    source = {
        "source": work.config.data.source,
        "map": summaries,
        "detector": whose,
        "notes": [
            *report["notes"],
            f"Boxes: {detector.line(whose)}; they make {whose['pair_recall']} % of the annotated pairs",
        ],
    }
    rows = [
        Row(
            label=NAMES[v], means={r.protocol.name: r.summary for r in found[v] if r.mode == "default"}, reference=not i
        )
        for i, v in enumerate(VARIANTS)
    ]
    content = Content(
        title="Zero-shot HOI detection",
        report=report | source,
        classes=table,
        first=own[0],
        rows=[*rows[::-1], *(published_rows(setting) if truth.groups.hico else [])],
        annotations=truth,
        detections=checked,
        sources=[
            Source(name=name, digest=a.digest, link=f"../../{a.stage}/{a.fingerprint}/manifest.json")
            for name, a in work.inputs.items()
        ],
        warning=SYNTHETIC if work.config.data.source == "world" else None,
        leakage=_leakage(work),
        open_image=_opener(work, truth),
        compared_with=NAMES["untrained"].split(":")[0],
        before={NAMES[v].split(":")[0]: found[v][0].per_class for v in VARIANTS[:-1]},
    )
    folder.write(work.out, content, pictures=[("Scenes and predictions", "scenes.png")])


def _opener(work: Work, truth: Annotations) -> Callable[[int], Image | None]:
    images = Images(work.inputs["annotations"], split="test", root=work.config.data.root)
    ids = truth.images["image_id"].tolist()

    def opened(place: int) -> Image | None:
        try:
            return images.open(ids[place])
        except DataError:  # without the image files, boxes alone are drawn
            return None

    return opened


def _leakage(work: Work) -> Any:
    artifact = work.inputs["annotations"]
    found = artifact.json("leakage.json") if artifact.names("leakage.json") else {}
    return found.get(work.config.setting)


def _test_pairs(work: Work) -> pd.DataFrame:
    pairs = work.inputs["annotations"].table("pairs.parquet")
    return pairs[pairs["split"] == "test"].reset_index(drop=True)
