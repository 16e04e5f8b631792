"""Whether one evaluation is better than another or the difference is noise, by a paired bootstrap over images.

Both are evaluated on the same resampled images, a thousand times; the interval of the difference covers what another draw
of test images would have given. It says nothing about another training run: that takes several seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.metrics import means
from pipeline.metrics.average_precision import Rule
from pipeline.metrics.evaluated import Evaluated
from pipeline.metrics.evaluation import Judged
from pipeline.metrics.resampling import Resampled
from pipeline.metrics.table_metadata import whose
from pipeline.tables.boxes import Floats

WORK = 100_000_000
"""How many ranked detections all draws of a bootstrap go through together: a second or two."""
DRAWS = (100, 1_000)
"""The fewest and the most draws."""


def compare(
    a: Evaluated,
    b: Evaluated,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    names: tuple[str, str] = ("A", "B"),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Compare two evaluations: differences B - A in points of AP with bootstrap intervals; `names` are their names in notes.

    Returns:
        ``groups``: per group of classes ``a``, ``b``, ``difference``, ``low``, ``high`` and ``share_better`` (of the
        resamples, in how many B is ahead); ``per_class``: the same for every class, best gain first; ``notes``: sentences
        about what else differs; and how it was done.

    Raises:
        DataError: the two were not made on the same annotations by the same protocol and mode.
    """
    _refuse_unlike(a, b)
    there = {row["hoi_id"] for row in b.report["per_class"]}
    table = pd.DataFrame([row for row in a.report["per_class"] if row["hoi_id"] in there])
    classes = table["hoi_id"].to_numpy(dtype=np.int64)
    rule = a.report["results"][0]["switches"]["rule"]
    first, second = (Resampled(x.judged, classes=classes, rule=rule) for x in (a, b))
    images = np.unique(np.concatenate([first.image, second.image, first.truth_image]))
    count = max(int(images.max(initial=-1)) + 1, a.report["counts"]["images"] or 0)
    # Without the list of all images, those that nobody mentions cannot be drawn; they would change nothing but the count.
    drawn = np.arange(count) if a.report["counts"]["images"] else images
    generator = np.random.default_rng(seed)
    sampled = np.empty((2, resamples, len(classes)))
    for i in range(resamples):
        weights = np.zeros(count, dtype=np.int64)
        weights[drawn] = generator.multinomial(len(drawn), np.full(len(drawn), 1 / len(drawn)))
        sampled[0, i], sampled[1, i] = first.average_precision(weights), second.average_precision(weights)
        progress(i + 1, resamples)
    whole = np.ones(count, dtype=np.int64)
    exact = np.stack([first.average_precision(whole), second.average_precision(whole)])
    return {
        "a": str(a.folder),
        "b": str(b.folder),
        "protocol": a.report["protocol"],
        "mode": a.report["mode"],
        "setting": a.report["setting"],
        "images": len(drawn),
        "resamples": resamples,
        "level": level,
        "seed": seed,
        "notes": _notes(a.report, b.report, names),
        "groups": _groups(table, exact, sampled, level),
        "per_class": _per_class(table, exact, sampled, level),
    }


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The mAP of one evaluation on draws of its test images; draws of evaluations with one `question` correspond."""

    question: str
    """The digest of annotations, protocol, mode and setting: only evaluations with an equal one can be compared."""
    groups: Mapping[str, Floats]
    """{group of classes: ``[draws]`` mAP in percent, nan where a draw has none of its annotated pairs}"""


def draw(evaluated: Evaluated, *, seed: int = 0) -> Drawn:
    """Evaluate again on draws of the test images, the same that :func:`compare` has with this seed.

    So each of many evaluations has to be drawn only once for all their differences.

    Raises:
        DataError: the rule has no weighted meaning, or the evaluation does not know how many images there were.
    """
    report, judged = evaluated.report, evaluated.judged
    images, rule = report["counts"]["images"], report["results"][0]["switches"]["rule"]
    if not images or rule in ("auc", "int"):
        raise DataError(f"{evaluated.folder}: cannot be drawn anew (protocol {report['protocol']}, images {images})")
    table = pd.DataFrame(report["per_class"])
    resampled = Resampled(judged, classes=table["hoi_id"].to_numpy(dtype=np.int64), rule=rule)
    generator = np.random.default_rng(seed)
    even = np.full(images, 1 / images)
    sampled = np.stack(
        [
            resampled.average_precision(generator.multinomial(images, even).astype(np.int64))
            for _ in range(resamples_for(2 * len(judged.row)))
        ]
    )
    annotated = ~np.isnan(resampled.average_precision(np.ones(images, dtype=np.int64)))
    groups = {}
    for name, rows in members(table).items():
        rows = rows & annotated
        if rows.any():
            some = ~np.isnan(sampled[:, rows]).all(axis=1)
            groups[name] = np.full(len(sampled), np.nan)
            groups[name][some] = 100 * np.nanmean(sampled[some][:, rows], axis=1)
    return Drawn(question=_question(evaluated), groups=groups)


def _question(evaluated: Evaluated) -> str:
    report, judged = evaluated.report, evaluated.judged
    state = hashlib.blake2b(digest_size=16)
    classes = [[row["hoi_id"], bool(row["unseen"])] for row in _measured(report)]
    about = [report["protocol"], report["mode"], report["setting"], report["counts"]["images"], classes]
    state.update(json.dumps(about).encode())
    state.update(judged.truth_image.tobytes())
    state.update(judged.truth_hoi.tobytes())
    return state.hexdigest()


def intervals(
    judged: Judged, table: pd.DataFrame, *, rule: Rule, images: int, level: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The bootstrap interval of each group's mAP in percent, over test images: {group: (low, high)}.

    Args:
        table: the report's ``per_class``, with a row for each class in order of ``hoi_id``.
        images: how many images could have been drawn; those without pairs and detections come last.

    It is the spread of the draws around their mean, put around the mAP itself: an image that is drawn twice brings its true
    positives twice, which lifts the AP of classes with few annotated pairs in every draw.

    It is empty where the rule has no weighted meaning (:class:`pipeline.metrics.resampling.Resampled`).
    """
    if rule in ("auc", "int"):
        return {}
    resampled = Resampled(judged, classes=table["hoi_id"].to_numpy(dtype=np.int64), rule=rule)
    generator = np.random.default_rng(seed)
    draws = resamples_for(len(judged.row))
    sampled = np.stack(
        [
            resampled.average_precision(generator.multinomial(images, np.full(images, 1 / images)).astype(np.int64))
            for _ in range(draws)
        ]
    )
    exact = resampled.average_precision(np.ones(images, dtype=np.int64))
    found = {}
    for name, rows in members(table).items():
        rows = rows & ~np.isnan(exact)
        drawn = sampled[:, rows][~np.isnan(sampled[:, rows]).all(axis=1)] if rows.any() else sampled[:0]
        if len(drawn):
            means = np.nanmean(drawn, axis=1)
            ends = np.percentile(means, [50 * (1 - level), 50 * (1 + level)]) - means.mean() + exact[rows].mean()
            low, high = 100 * np.clip(ends, 0.0, 1.0)
            found[name] = (float(low), float(high))
    return found


def resamples_for(rows: int) -> int:
    """How many draws a bootstrap over so many ranked detections has: 1,000, or fewer where these would take minutes."""
    return min(DRAWS[1], max(DRAWS[0], WORK // max(rows, 1)))


def members(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Which rows of a report's ``per_class`` belong to each group."""
    return means.members(unseen=table["unseen"].to_numpy(dtype=np.bool_), rare=table["rare"].to_numpy(dtype=np.bool_))


def _groups(table: pd.DataFrame, exact: Floats, sampled: Floats, level: float) -> dict[str, Any]:
    found = {}
    for name, rows in members(table).items():
        rows = rows & ~np.isnan(exact[0])
        if rows.any():
            # A small group may lose every annotation in a draw, which then says nothing of it.
            drawn = ~np.isnan(sampled[0][:, rows]).all(axis=1)
            means = np.nanmean(sampled[:, drawn][:, :, rows], axis=2)
            found[name] = _interval(100 * exact[:, rows].mean(axis=1), 100 * (means[1] - means[0]), level)
    return found


def _per_class(table: pd.DataFrame, exact: Floats, sampled: Floats, level: float) -> list[dict[str, Any]]:
    rows = []
    for place, row in enumerate(table.to_dict("records")):
        if np.isnan(exact[0, place]):
            continue
        differences = 100 * (sampled[1, :, place] - sampled[0, :, place])
        about = {key: row[key] for key in ("hoi_id", "name", "unseen", "rare", "test_pairs")}
        rows.append(about | _interval(100 * exact[:, place], differences[~np.isnan(differences)], level))
    return sorted(rows, key=lambda row: -row["difference"])


def _interval(ap: Floats, differences: Floats, level: float) -> dict[str, float | None]:
    tail = 50 * (1 - level)
    low, high = np.percentile(differences, [tail, 100 - tail]) if len(differences) else (None, None)
    # A resample without any difference is for neither side.
    ahead = float((differences > 0).mean() + (differences == 0).mean() / 2) if len(differences) else None
    values = {"a": float(ap[0]), "b": float(ap[1]), "difference": float(ap[1] - ap[0])}
    ends = {name: None if end is None else float(end) for name, end in (("low", low), ("high", high))}
    return values | ends | {"share_better": ahead}


def _measured(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The classes of a report that have annotated pairs; one that was added without any changes no mean by itself."""
    return [row for row in report["per_class"] if row["test_pairs"]]


def _notes(a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    """Sentences about the respects in which the two are not comparable, as far as both reports tell."""
    notes = []
    for what, having in (
        ("remembers example pairs (few-shot)", [_remembers(report) for report in (a, b)]),
        ("learned from test pictures (transductive)", [bool(report.get("transductive")) for report in (a, b)]),
    ):
        if having[0] != having[1]:
            notes.append(f"{names[0] if having[0] else names[1]} {what}, and the other does not")
    # Classes that were added to either take the next free ids, so an id alone does not tell what it stands for. Those that are
    # measured are the annotations', which are the same for both.
    first, second = (
        {row["hoi_id"]: row["name"] for row in report["per_class"] if not row["test_pairs"]} for report in (a, b)
    )
    for name, one, other in ((names[0], first, second), (names[1], second, first)):
        if more := [called for number, called in one.items() if other.get(number) != called]:
            shown = ", ".join(more[:8]) + (f" and {len(more) - 8} more" if len(more) > 8 else "")
            notes.append(f"{name} tells {shown} apart too, which may move the other classes of their verbs")
    here, there = (report.get("detector") for report in (a, b))
    if not here or not there or all(here.get(key) == there.get(key) for key in ("name", "digest")):
        return notes
    return [
        *notes,
        f"the boxes are not of one detector, which may make all of the difference: {names[0]} {whose(here)}; "
        f"{names[1]} {whose(there)}",
    ]


def _remembers(report: Mapping[str, Any]) -> bool:
    """Whether the evaluated model remembers example pairs, by its report or by the evaluated table."""
    return bool(report.get("examples")) or any("Few-shot:" in str(note) for note in report.get("notes", ()))


def _refuse_unlike(a: Evaluated, b: Evaluated) -> None:
    for key in ("protocol", "mode", "setting"):
        if a.report[key] != b.report[key]:
            raise DataError(f"{a.folder} has {key} {a.report[key]}, {b.folder} {b.report[key]}: no comparison of both")
    same = all(
        np.array_equal(getattr(a.judged, name), getattr(b.judged, name)) for name in ("truth_image", "truth_hoi")
    )
    measured = ([row["hoi_id"] for row in _measured(one.report)] for one in (a, b))
    if not same or next(measured) != next(measured):
        raise DataError(f"{a.folder} and {b.folder} were evaluated on different annotations: no comparison of both")
