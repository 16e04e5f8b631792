"""Stage `evaluation`: HICO-DET's mAP of the predictions over seen and unseen classes, and the report.

    predictions.parquet    the adapted model's, as stage `predictions` made them
    classes.parquet        per class: name, unseen, and AP of every variant
    report.html            the page; report.md, report.json, per_class.csv, plots/ beside it (pipeline/report/folder.py)
    scenes.jpg

Variants through the same evaluator: `detector_only` (boxes alone, all verbs alike), `untrained` (frozen CLIP, plain
phrases, union boxes; none where `evaluation.untrained` is off), after the seen stage `seen_phrases` (unseen phrases left
out), `plain_phrases` (unseen phrases without prompts) and `before_utpl` (unseen phrases under the shared guided prompts),
and `adapted` (after UTPL, or the head of `model.head`). With `evaluation.memory` also `memory` (the frozen CLIP and a few
training pairs of seen classes, without any training).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL.Image import Image

from models.heads.kinds import KINDS
from pipeline.boxes import detector_identity
from pipeline.datasets import classes, coco_split, leakage
from pipeline.datasets.images import Images
from pipeline.errors import DataError
from pipeline.machine.files import link_or_copy
from pipeline.metrics import annotations as ground_truth
from pipeline.metrics import comparison, detections, results
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.evaluation import Compared
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.metrics.results import Means, Result
from pipeline.predict import started
from pipeline.predict.scoring import COLUMNS
from pipeline.report import folder, scenes
from pipeline.report.content import SIDE_BY_SIDE, SYNTHETIC, Content, Origin, Row, published_rows
from pipeline.store.artifact import Artifact
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.evaluation")

NO_MEMORY = (
    "No row of the training-free memory (ADA-CM): the pairs have no frozen features of regions; "
    "--set evaluation.memory=true has them computed (not with model.preset=released or seen.joint)"
)
"""The report's sentence where that row is missing."""
SCENES = "scenes.jpg"
AT_ONCE = 4
"""Variants that are evaluated side by side, the adapted model's among them, each with some 0.3 GB of its own at full size."""

USED = "Nothing was learned from a test picture (not transductive), and no example pair is remembered (not few-shot)"
"""The report's sentence about what the model may know of its test data."""


def run(work: Work) -> dict[str, Any]:
    """Evaluate; metrics are mAP in percent: full, seen, unseen (adapted), and with a prefix those of the other variants."""
    names = _names(work)
    with work.clock("read"):
        vocabulary = classes.vocabulary(work.inputs["vocabulary"])
        settings = classes.settings(work.inputs["vocabulary"])
        truth = ground_truth.of_artifact(
            work.inputs["annotations"], others=False, vocabulary=vocabulary, settings=settings
        )
    adapted = _checked(work, "adapted", _predictions(work), truth)
    for note in detections.unmeasured(truth):
        log.warning(note)
    compared = Compared(adapted.pairs, truth.pairs)
    found: dict[str, list[Means]] = {}
    with ThreadPoolExecutor(max(min(AT_ONCE, len(os.sched_getaffinity(0))) - 1, 1)) as pool:
        others = {v: pool.submit(_variant, work, v, adapted, compared, truth) for v in names if v != "adapted"}
        own = _evaluate(work, adapted, truth, compared=compared, modes=results.MODES)
        first = next(own)
        found["adapted"] = [first.means(), *(result.means() for result in own)]
        for variant, coming in others.items():
            found[variant] = coming.result()
            work.progress(len(found), len(names), variant)
    summaries = {variant: found[variant][0].summary for variant in names}
    with work.clock("write"):
        link_or_copy(work.inputs["predictions"].path("predictions.parquet"), work.out / "predictions.parquet")
        _write(work, names, found, first, adapted, truth)
        scenes.write(
            work.out / SCENES,
            annotations=work.inputs["annotations"],
            vocabulary=vocabulary,
            found=partial(_of_image, work),
            truth=work.inputs["annotations"].table("test-pairs.parquet"),
            root=work.config.data.root,
        )
    named = {f"{v}_{group}": x for v in names if v != "adapted" for group, x in summaries[v].items()}
    head = {} if work.config.model.head == "ezhoi" else {"head": work.config.model.head}
    return {**summaries["adapted"], **named, **head}


def _names(work: Work) -> dict[str, str]:
    """The name of each variant in a report, the weakest first."""
    names = {"detector_only": "boxes alone, all verbs alike"}
    if "untrained" in work.inputs:
        kind = work.inputs["untrained"].json("kind.json")
        names["untrained"] = f"untrained: frozen CLIP, plain phrases, {kind} of union boxes"
    if _remembered(work):
        names["memory"] = f"{KINDS['memory'].says}: frozen CLIP, training pairs of seen classes"
    head = work.config.model.head
    return names | {
        "seen_phrases": "before UTPL, without the phrases of unseen classes",
        "plain_phrases": "before UTPL, plain phrases for unseen classes",
        "before_utpl": "before UTPL",
        "adapted": "after UTPL" if head == "ezhoi" else f"{head}: {KINDS[head].says}",
    }


def _remembered(work: Work) -> bool:
    """Whether the predictions have the variant `memory`."""
    return "memory" in pq.read_schema(work.inputs["predictions"].path("scores.parquet")).names


def _predictions(work: Work) -> pd.DataFrame:
    """The adapted model's table."""
    with work.clock("read"):
        return work.inputs["predictions"].table("predictions.parquet")


def _of_image(work: Work, image_id: int) -> pd.DataFrame:
    """Those of one image; of the others' row groups nothing is read."""
    path = work.inputs["predictions"].path("predictions.parquet")
    return pq.read_table(path, filters=[("image_id", "=", image_id)]).to_pandas()


def _checked(work: Work, variant: str, rows: pd.DataFrame, truth: Annotations) -> Detections:
    with work.clock("compute"):
        return detections.check(rows, truth, name=f"stage evaluation, variant {variant}")


def _variant(work: Work, variant: str, adapted: Detections, compared: Compared, truth: Annotations) -> list[Means]:
    """The result of another variant, on the adapted model's pairs; `untrained` may have pairs of its own."""
    made = work.inputs["predictions"]
    if variant == "untrained" and not _same_pairs(made):
        own = _checked(work, variant, made.table("untrained.parquet"), truth)
        return [result.means() for result in _evaluate(work, own, truth)]
    file, column = ("untrained.parquet", "score") if variant == "untrained" else ("scores.parquet", variant)
    with work.clock("read"):
        scores = made.table(file, [column])[column].to_numpy(np.float64)
    other = detections.rescored(adapted, scores, name=f"stage evaluation, variant {variant}")
    return [result.means() for result in _evaluate(work, other, truth, compared=compared)]


def _same_pairs(made: Artifact) -> bool:
    """Whether the untrained baseline has the trained model's rows, in their order."""
    columns = (
        [made.table(f"{name}.parquet", [column])[column].to_numpy() for name in ("predictions", "untrained")]
        for column in COLUMNS
        if column != "score"
    )
    return all(np.array_equal(trained, untrained) for trained, untrained in columns)


def _evaluate(
    work: Work,
    found: Detections,
    truth: Annotations,
    *,
    modes: Sequence[results.Mode] = ("default",),
    compared: Compared | None = None,
) -> Iterator[Result]:
    """Evaluate under the configured protocol, then under those that reports show side by side."""
    names = dict.fromkeys([work.config.evaluation.protocol, *SIDE_BY_SIDE])
    with work.clock("compute"):
        yield from results.results(
            found,
            truth,
            protocols=[PROTOCOLS[name] for name in names],
            modes=modes,
            setting=work.config.setting,
            compared=compared,
        )


def _write(
    work: Work,
    names: Mapping[str, str],
    found: Mapping[str, list[Means]],
    first: Result,
    checked: Detections,
    truth: Annotations,
) -> None:
    """Write the table of classes and the report.

    Args:
        names: the name of each variant, the weakest first.
        found: the means of each variant by protocol and mode, the configured protocol's first.
        first: the adapted model's result under the configured protocol.
    """
    table = results.class_table(found["adapted"], truth, work.config.setting)
    per_class = table[["hoi_id", "name", "unseen", "train_pairs", "test_pairs"]].assign(
        **{f"ap_{variant}": found[variant][0].per_class["ap"].to_numpy() for variant in names}
    )
    per_class.to_parquet(work.out / "classes.parquet", index=False)
    content = Content(
        title="Zero-shot HOI detection",
        report=_report(work, names, found, checked, truth),
        classes=table,
        first=first,
        rows=_rows(work, names, found, truth),
        annotations=truth,
        detections=checked,
        origins=[
            Origin(name=name, digest=a.digest, link=f"../../{a.stage}/{a.fingerprint}/manifest.json")
            for name, a in work.inputs.items()
        ],
        warning=SYNTHETIC if work.config.data.source == "world" else None,
        leakage=_leakage(work, truth),
        open_image=_opener(work, truth),
        compared_with=names["before_utpl"],
        intervals=comparison.intervals(first.judged, table, rule=first.protocol.rule, images=max(len(truth.images), 1)),
        before={label.split(":")[0]: found[v][0].per_class for v, label in names.items() if v != "adapted"},
    )
    folder.write(work.out, content, pictures=[("Scenes and predictions", SCENES)])


def _rows(work: Work, names: Mapping[str, str], found: Mapping[str, list[Means]], truth: Annotations) -> list[Row]:
    """The lines of the table of means: the variants, the best first, then published numbers for HICO-DET's own classes."""
    rows = [
        Row(
            label=label,
            means={r.protocol.name: r.summary for r in found[v] if r.mode == "default"},
            reference=v == "detector_only",
        )
        for v, label in names.items()
    ]
    return [*rows[::-1], *(published_rows(work.config.setting) if truth.groups.hico else [])]


def _report(
    work: Work, names: Mapping[str, str], found: Mapping[str, list[Means]], checked: Detections, truth: Annotations
) -> dict[str, Any]:
    """The report as JSON: that of the adapted model, and what this run evaluated."""
    inputs = {name: artifact.digest for name, artifact in work.inputs.items()}
    report = results.report(
        found["adapted"], annotations=truth, detections=checked, setting=work.config.setting, digests=inputs
    )
    whose = work.inputs["pair_features"].json(detector_identity.FILE)
    about = {
        "source": work.config.data.source,
        "map": {variant: found[variant][0].summary for variant in names},
        "untrained": work.inputs["untrained"].json("kind.json") if "untrained" in names else "off",
        "detector": whose,
        "transductive": False,
        "examples": {},
        "notes": [
            *report["notes"],
            f"Boxes: {detector_identity.line(whose)}; they make {whose['pair_recall']} % of the annotated pairs",
            USED,
            *([] if "memory" in names else [NO_MEMORY]),
        ],
    }
    added = [truth.groups.vocabulary.hoi(h).name for h in sorted(truth.groups.added)]
    return report | about | ({"added": added} if added else {})


def _tested(found: Mapping[str, Any], truth: Annotations) -> Mapping[str, int]:
    """What the leakage reports say about the test images, which is the same in all; it is counted if there is no report."""
    counts: Mapping[str, int] | None = next((one["tested"] for one in found.values() if "tested" in one), None)
    return coco_split.tested(truth.images["file_name"], None) if counts is None else counts


def _leakage(work: Work, truth: Annotations) -> Any:
    """The leakage report of the setting; that of a user's own is made here, so that the annotations are not read again."""
    annotations, setting = work.inputs["annotations"], work.config.setting
    vocabulary, unseen = truth.groups.vocabulary, truth.groups.unseen[setting]
    found = annotations.json("leakage.json") if annotations.names("leakage.json") else {}
    if setting in found:
        report = found[setting]
    else:
        training = annotations.table("train-pairs.parquet")
        report = leakage.report(training, vocabulary=vocabulary, unseen=unseen, tested=_tested(found, truth))
    begun = started.read(work.inputs["seen"]) if "seen" in work.inputs else None
    if begun is None:
        return report
    return report | {"touches": [*report["touches"], started.touch(begun, vocabulary, unseen)]}


def _opener(work: Work, truth: Annotations) -> Callable[[int], Image | None]:
    images = Images(work.inputs["annotations"], split="test", root=work.config.data.root)
    ids = truth.images["image_id"].tolist()

    def opened(place: int) -> Image | None:
        try:
            return images.open(ids[place])
        except DataError:  # without the image files, boxes alone are drawn
            return None

    return opened
