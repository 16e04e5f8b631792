"""What is behind an evaluation's result: curves, confusions, calibration, and the best and the worst images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics.evaluation import Judged
from pipeline.metrics.matching import Pairs, best_truth
from pipeline.tables.boxes import Floats, iou

OVERLAP = 0.5
ROWS = 500_000
"""Detections that are compared with the annotated pairs at once, whose boxes are copied for that."""


def precision_recall(judged: Judged, hoi_id: int) -> tuple[Floats, Floats]:
    """Recall and precision of a class after each of its detections, best score first; empty without annotations."""
    hits = judged.hit[judged.hoi == hoi_id]
    n_truth = int((judged.truth_hoi == hoi_id).sum())
    if n_truth == 0:
        return np.zeros(0), np.zeros(0)
    found = np.cumsum(hits)
    return found / n_truth, found / np.arange(1, len(hits) + 1)


def telling_classes(per_class: pd.DataFrame, *, count: int = 3) -> list[int]:
    """The ``hoi_id`` whose curves are drawn: the seen and the unseen classes with the most annotated pairs.

    Arguments:
        per_class: ``hoi_id``, ``unseen``, ``test_pairs``, as in the report.
    """
    annotated = per_class[per_class["test_pairs"] > 0]
    chosen: list[int] = []
    for unseen in (False, True):
        rows = annotated[annotated["unseen"] == unseen].nlargest(count, "test_pairs")
        chosen += rows["hoi_id"].tolist()
    return chosen


def calibration(judged: Judged, *, bins: int = 10) -> pd.DataFrame:
    """How often detections of a score are right: ``score`` (mean), ``precision``, ``count`` per bin of equal width.

    A calibrated score is the probability of being right; average precision does not ask for that. Bins run from 0 to 1,
    or from the lowest to the highest score where scores leave that range.
    """
    low, high = min(0.0, judged.score.min(initial=0.0)), max(1.0, judged.score.max(initial=1.0))
    place = np.minimum(((judged.score - low) / (high - low) * bins).astype(np.int64), bins - 1)
    frame = pd.DataFrame({"bin": place, "score": judged.score, "hit": judged.hit})
    grouped = frame.groupby("bin").agg(score=("score", "mean"), precision=("hit", "mean"), count=("hit", "size"))
    return grouped.reset_index(drop=True)


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: the mean distance of score and precision, bins weighted by their detections."""
    if table.empty:
        return float("nan")
    return float(np.average((table["score"] - table["precision"]).abs(), weights=table["count"]))


def confusions(found: Pairs, scores: Floats, truth: Pairs, *, object_of: NDArray[np.int64]) -> pd.DataFrame:
    """Which verb is taken for which, of the same object: for every annotated pair of people and things, the best-scored
    detection of that object on it (both overlaps at least 0.5), whatever its verb.

    Arguments:
        object_of: object of each class by its id (``Vocabulary.object_of``).

    Returns:
        ``hoi_id``, ``taken_for`` (-1: no detection lies there), ``count``, most frequent first. A pair annotated with
        several verbs is right if the detection names any of them, and counts once for each otherwise.
    """
    spots, spot_of = _spots(truth, object_of[truth.hoi])
    here = np.flatnonzero(np.isin(found.image, truth.image))
    spot, on = np.empty(0, np.int64), np.empty(0, np.int64)
    for part in np.array_split(here, 1 + len(here) // ROWS):
        best, overlap = best_truth(_as_objects(found.take(part), object_of), _as_objects(truth.take(spots), object_of))
        spot, on = np.append(spot, best[overlap >= OVERLAP]), np.append(on, part[overlap >= OVERLAP])
    # Written worst first, so that the best-scored detection of a spot stays.
    order = np.argsort(scores[on], kind="stable")
    named = np.full(len(spots), -1)
    named[spot[order]] = found.hoi[on[order]]
    labels = set(zip(spot_of.tolist(), truth.hoi.tolist(), strict=True))
    guess = named[spot_of]
    right = np.array([(s, g) in labels for s, g in zip(spot_of.tolist(), guess.tolist(), strict=True)], dtype=np.bool_)
    rows = pd.DataFrame({"hoi_id": truth.hoi, "taken_for": np.where(right, truth.hoi, guess)})
    counted = rows.value_counts(sort=False).rename("count").reset_index()
    return counted.sort_values(["count", "hoi_id", "taken_for"], ascending=[False, True, True], ignore_index=True)


def _as_objects(pairs: Pairs, object_of: NDArray[np.int64]) -> Pairs:
    return Pairs(image=pairs.image, hoi=object_of[pairs.hoi], human=pairs.human, object=pairs.object)


def _spots(truth: Pairs, things: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Annotated pairs of the same boxes, whatever their verb: the first row of each, and ``[m]`` to which each row belongs."""
    left = pd.DataFrame({"image": truth.image, "thing": things, "row": np.arange(len(truth))})
    joined = left.merge(left, on=["image", "thing"], suffixes=("", "_other"))
    joined = joined[joined["row_other"] <= joined["row"]]
    row, other = joined["row"].to_numpy(), joined["row_other"].to_numpy()
    close = (
        np.minimum(iou(truth.human[row], truth.human[other]), iou(truth.object[row], truth.object[other])) >= OVERLAP
    )
    # A row without area does not even overlap itself; it stays its own spot.
    first = np.arange(len(truth))
    np.minimum.at(first, row[close], other[close])
    while (first != first[first]).any():
        first = first[first]
    spots, spot_of = np.unique(first, return_inverse=True)
    return spots, spot_of.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """The score of an image: of its ``pairs`` best detections (as many as are annotated), ``right`` are right."""

    image: int
    pairs: int
    right: int
    rows: tuple[int, ...]
    """The rows of these detections in the predictions, best first."""
    hits: tuple[bool, ...]


def image_scores(judged: Judged) -> list[ImageScore]:
    """Every annotated image, best first: by the share that is right, then by the number of pairs (both ways round, so
    that the last are the worst crowded ones)."""
    annotated, pairs = np.unique(judged.truth_image, return_counts=True)
    order = np.lexsort((-judged.score, judged.image))
    images = judged.image[order]
    starts = np.searchsorted(images, annotated)
    ends = np.minimum(np.searchsorted(images, annotated, side="right"), starts + pairs)
    running = np.concatenate([[0], np.cumsum(judged.hit[order])])
    right = running[ends] - running[starts]
    share = right / pairs
    ranking = np.lexsort((annotated, np.where(share > 0.5, -pairs, pairs), -share))
    return [
        ImageScore(
            image=int(annotated[i]),
            pairs=int(pairs[i]),
            right=int(right[i]),
            rows=tuple(judged.row[order[starts[i] : ends[i]]].tolist()),
            hits=tuple(judged.hit[order[starts[i] : ends[i]]].tolist()),
        )
        for i in ranking
    ]
