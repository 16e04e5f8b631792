"""The table of several methods' detections of the same images: their mAP under each protocol, intervals, and the gaps.

Each protocol and mode has its own bootstrap over test images: all methods are evaluated on the same resampled images, so
the interval of a gap is a paired one, as `pipeline.metrics.comparison` makes it. It covers another draw of test images, not
another training.

A method's own interval is the spread of the draws around their mean, put around its value. The draws themselves lie higher
than the value: an image that is drawn twice brings its true positives twice, and a class that no drawn image shows is left
out, which lifts classes of few pairs. In a gap both terms have this bias.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.annotations import Annotations
from pipeline.metrics.comparison import members, resamples_for
from pipeline.metrics.detections import Detections
from pipeline.metrics.protocols import Protocol
from pipeline.metrics.resampling import Resampled
from pipeline.metrics.results import Mode, Result, doubt, results
from pipeline.tables.boxes import Floats

LEVEL = 0.95
UNWEIGHTED = ("auc", "int")
"""Rules of AP that have no weighted meaning, and so no interval."""


def compare(
    methods: Mapping[str, Detections],
    annotations: Annotations,
    *,
    protocols: Sequence[Protocol],
    modes: Sequence[Mode],
    setting: str,
    resamples: int | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield a block for each protocol and mode, made one after the other.

    A block has `protocol`, `mode`, `resamples`; `methods`, best first: `name`, `notes` (`results.doubt`) and, per group of
    classes, `value`, `low` and `high` in percent; and `gaps` between every two of them: `better`, `worse`, `group`,
    `difference`, `low`, `high`, and `noise`, whether the interval spans 0. Intervals are None where the rule has none.
    """
    streams = [
        results(found, annotations, protocols=protocols, modes=modes, setting=setting) for found in methods.values()
    ]
    for evaluated in zip(*streams, strict=True):
        yield _block(dict(zip(methods, evaluated, strict=True)), annotations, setting, resamples, seed)


def _block(
    evaluated: Mapping[str, Result], annotations: Annotations, setting: str, resamples: int | None, seed: int
) -> dict[str, Any]:
    first = next(iter(evaluated.values()))
    groups = annotations.groups
    table = pd.DataFrame({"hoi_id": list(groups.classes)})
    table = table.assign(
        unseen=table["hoi_id"].isin(list(groups.unseen[setting])), rare=table["hoi_id"].isin(list(groups.rare))
    )
    annotated = ~first.per_class["ap"].isna().to_numpy()
    exact = np.stack([result.per_class["ap"].to_numpy(dtype=np.float64) for result in evaluated.values()])
    rows = sum(len(result.judged.row) for result in evaluated.values())
    draws = 0 if first.protocol.rule in UNWEIGHTED else resamples or resamples_for(rows)
    sampled = _sampled(list(evaluated.values()), annotations, draws, seed)
    values = {
        group: (100 * exact[:, kept].mean(axis=1), 100 * _means(sampled[:, :, kept]))
        for group, in_group in members(table).items()
        if (kept := in_group & annotated).any() and not (group == "seen" and not table["unseen"].any())
    }
    names = list(evaluated)
    order = np.argsort(-values["full"][0], kind="stable").tolist()
    return {
        "protocol": first.protocol.name,
        "mode": first.mode,
        "resamples": draws,
        "level": LEVEL,
        "methods": [
            {"name": names[m], "notes": doubt([evaluated[names[m]]])}
            | {g: {"value": float(v[m]), **_ends(drawn[m], around=float(v[m]))} for g, (v, drawn) in values.items()}
            for m in order
        ],
        "gaps": [
            {"better": names[a], "worse": names[b], "group": g, "difference": float(v[a] - v[b])}
            | _gap(drawn[a] - drawn[b])
            for a, b in itertools.combinations(order, 2)
            for g, (v, drawn) in values.items()
        ],
    }


def _sampled(evaluated: Sequence[Result], annotations: Annotations, draws: int, seed: int) -> Floats:
    """`[m, draws, c]` AP of every method and class on the same draws of images."""
    classes = np.array(annotations.groups.classes)
    found = np.empty((len(evaluated), draws, len(classes)))
    if not draws:
        return found
    resampled = [Resampled(r.judged, classes=classes, rule=r.protocol.rule) for r in evaluated]
    places = [values for r in evaluated for values in (r.judged.image, r.judged.truth_image)]
    count = max(len(annotations.images), *(int(values.max(initial=-1)) + 1 for values in places))
    generator = np.random.default_rng(seed)
    for draw in range(draws):
        weights = generator.multinomial(count, np.full(count, 1 / count)).astype(np.int64)
        for m, one in enumerate(resampled):
            found[m, draw] = one.average_precision(weights)
    return found


def _means(sampled: Floats) -> Floats:
    """`[m, draws]` means over classes; a draw that leaves a group without annotations is left out."""
    drawn = ~np.isnan(sampled[0]).all(axis=1)
    return np.asarray(np.nanmean(sampled[:, drawn], axis=2)) if drawn.any() else np.empty((len(sampled), 0))


def _ends(drawn: Floats, *, around: float | None = None) -> dict[str, float | None]:
    """The ends of the interval of draws, moved so that the mean of the draws is `around`. None without draws."""
    if not len(drawn):
        return {"low": None, "high": None}
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    if around is not None:
        low, high = np.clip(np.array([low, high]) + around - drawn.mean(), 0.0, 100.0)
    return {"low": float(low), "high": float(high)}


def _gap(drawn: Floats) -> dict[str, Any]:
    ends = _ends(drawn)
    low, high = ends["low"], ends["high"]
    return ends | {"noise": None if low is None or high is None else not (low > 0 or high < 0)}
