"""Mean average precision of human-object interaction detections, class by class.

One million predicted pairs take a few CPU-seconds: detections of all classes are ranked and matched together, and only
the last step, a cumulative sum, goes class by class.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics.average_precision import Rule, average_precision
from pipeline.metrics.matching import Pairs, Unranked, best_truth, reorder_ties, true_positives
from pipeline.metrics.protocols import Boxes, Protocol, Ties, protocol_named
from pipeline.metrics.selection import best_of_each_image, without_duplicates
from pipeline.metrics.tables import class_ids, read_pairs, read_scores
from pipeline.tables.boxes import Floats

# What is added to (x1, y1, x2, y2) of continuous detections and annotations, see pipeline.metrics.protocols.
_MOVED = {"qpic": ((0, 0, 1, 1), (1, 1, 1, 1)), "raw": ((0, 0, 0, 0), (1, 1, 0, 0))}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The ``[k]`` detections that counted, ranked: by class, then best score first."""

    row: NDArray[np.int64]
    """Their rows in the predictions."""
    image: NDArray[np.int64]
    hoi: NDArray[np.int64]
    score: Floats
    hit: NDArray[np.bool_]
    """Whether it is a true positive."""
    truth_image: NDArray[np.int64]
    """``[m]`` images of the annotated pairs."""
    truth_hoi: NDArray[np.int64]
    """``[m]`` classes of the annotated pairs."""


def evaluate(
    *,
    predictions: pd.DataFrame,
    pairs: pd.DataFrame,
    protocol: Protocol | str,
    classes: Sequence[int],
    known_images: Mapping[int, Collection[int]] | None = None,
) -> pd.DataFrame:
    """Average precision of every class.

    Arguments:
        predictions: a row for each detected pair: image_id, hoi_id, score, hx1 .. hy2, ox1 .. oy2 in continuous pixels.
        pairs: a row for each annotated pair of the evaluated split: image_id, hoi_id and the boxes.
        protocol: a :class:`Protocol` or the name of one, see :mod:`pipeline.metrics.protocols`.
        classes: every ``hoi_id`` there is, each once; the result keeps their order.
        known_images: for the Known-Object setting, the images in which each class's detections count, see
            :func:`known_object_images`. None is the Default setting: all images count.

    Returns:
        A row for each class: ``hoi_id``; ``ap`` in [0, 1], 0 without detections, nan without annotations; ``max_recall``,
        the share of annotated pairs found at any score; ``n_gt``; ``n_pred``, the detections that counted.

    Raises:
        ValueError: a column is missing, a score is not finite, a box is malformed, or a class is not in ``classes``
            (the message names the row); the annotations mix splits; or the protocol's name is unknown.
    """
    rules = protocol_named(protocol) if isinstance(protocol, str) else protocol
    ids = class_ids(classes)
    _refuse_mixed_splits(pairs)
    truth = read_pairs(pairs, ids, table="pairs")
    detections = read_pairs(predictions, ids, table="predictions")
    scores = read_scores(predictions, detections, table="predictions")
    judged = judge(Compared(detections, truth), scores=scores, rules=rules, known_images=known_images)
    return per_class(judged, classes=ids, rule=rules.rule)


class Compared:
    """Detections beside the annotated pairs that they overlap best, and by class: what no score changes, and so is found once.

    Several evaluations of the same boxes, under other scores, protocols or modes, share it.
    """

    def __init__(self, detections: Pairs, truth: Pairs) -> None:
        self.detections, self.truth = detections, truth
        self._best: dict[tuple[tuple[int, ...], ...], tuple[NDArray[np.int64], Floats]] = {}
        self._unranked: dict[Ties, Unranked] = {}
        self._lock = Lock()

    def best(self, boxes: Boxes) -> tuple[NDArray[np.int64], Floats]:
        """``[n]`` the annotation that each detection overlaps best, and the overlap, as a protocol takes the boxes."""
        moved = _MOVED.get(boxes, ((0, 0, 0, 0), (0, 0, 0, 0)))
        with self._lock:
            if moved not in self._best:
                self._best[moved] = best_truth(_moved(self.detections, moved[0]), _moved(self.truth, moved[1]))
            return self._best[moved]

    def rank(self, scores: Floats, ties: Ties) -> NDArray[np.int64]:
        """See :func:`pipeline.metrics.matching.rank`."""
        with self._lock:
            if ties not in self._unranked:
                self._unranked[ties] = Unranked(self.detections, ties)
        return self._unranked[ties].rank(scores)


def judge(
    compared: Compared,
    *,
    scores: Floats,
    rules: Protocol,
    known_images: Mapping[int, Collection[int]] | None = None,
    order: NDArray[np.int64] | None = None,
) -> Judged:
    """Judge which detections count, and which of them are true positives; the arguments are those of :func:`evaluate`, read.

    Arguments:
        order: what :meth:`Compared.rank` says of them under the protocol's rule of ties, if it is known.
    """
    detections, truth = compared.detections, compared.truth
    counted = np.ones(len(detections), dtype=np.bool_)
    if rules.drop_empty_images:
        counted &= np.isin(detections.image, truth.image)
    if known_images is not None:
        counted &= _in_known_images(detections, known_images)
    if rules.top_k is not None:
        rows = np.flatnonzero(counted)
        counted[rows] = best_of_each_image(detections.take(rows), scores[rows], rules.top_k)
    if rules.nms is not None:
        rows = np.flatnonzero(counted)
        moved = _moved(detections, _MOVED[rules.boxes][0]) if rules.boxes in _MOVED else detections
        counted[rows] = without_duplicates(moved.take(rows), scores[rows], rules.nms)
    order = compared.rank(scores, rules.ties) if order is None else order
    order = order[counted[order]]
    best, overlap = compared.best(rules.boxes)
    image, hoi, score = detections.image[order], detections.hoi[order], scores[order]
    hit = true_positives(best[order], overlap[order], len(truth), threshold=rules.threshold, strict=rules.strict)
    if rules.ties in ("best", "worst"):
        hit = reorder_ties(hit, hoi, score, best=rules.ties == "best")
    return Judged(row=order, image=image, hoi=hoi, score=score, hit=hit, truth_image=truth.image, truth_hoi=truth.hoi)


def per_class(judged: Judged, *, classes: NDArray[np.int64], rule: Rule) -> pd.DataFrame:
    """The table that :func:`evaluate` returns."""
    starts = np.searchsorted(judged.hoi, classes, side="left")
    ends = np.searchsorted(judged.hoi, classes, side="right")
    annotated = np.sort(judged.truth_hoi)
    n_gt = np.searchsorted(annotated, classes, side="right") - np.searchsorted(annotated, classes, side="left")
    runs = [judged.hit[start:end] for start, end in zip(starts, ends, strict=True)]
    found = np.array([run.sum() for run in runs], dtype=np.int64)
    ap: Floats = np.array(
        [average_precision(run, int(n), rule=rule) for run, n in zip(runs, n_gt, strict=True)], dtype=np.float64
    )
    recall = np.full(len(classes), np.nan)
    np.divide(found, n_gt, out=recall, where=n_gt > 0)
    return pd.DataFrame({"hoi_id": classes, "ap": ap, "max_recall": recall, "n_gt": n_gt, "n_pred": ends - starts})


def _moved(pairs: Pairs, corners: tuple[int, ...]) -> Pairs:
    by = np.asarray(corners, dtype=np.float64)
    return Pairs(image=pairs.image, hoi=pairs.hoi, human=pairs.human + by, object=pairs.object + by)


def _in_known_images(detections: Pairs, known_images: Mapping[int, Collection[int]]) -> NDArray[np.bool_]:
    """``[n]`` whether a detection is in an image that counts for its class; a class that is not listed has no image."""
    images = np.unique(detections.image)
    known = np.zeros((int(detections.hoi.max(initial=-1)) + 1, len(images)), dtype=np.bool_)
    for hoi, listed in known_images.items():
        if 0 <= hoi < len(known):
            known[hoi] = np.isin(images, np.fromiter(listed, dtype=np.int64))
    return known[detections.hoi, np.searchsorted(images, detections.image)]


def _refuse_mixed_splits(pairs: pd.DataFrame) -> None:
    """ValueError for annotations of several splits, which would multiply the ground truth unnoticed."""
    splits = sorted(map(str, pairs["split"].unique())) if "split" in pairs else []
    if len(splits) > 1:
        raise ValueError(f"pairs: rows of several splits ({', '.join(splits)}); pass those of the evaluated one only")
