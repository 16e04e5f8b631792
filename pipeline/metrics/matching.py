"""Which detections are true positives, by the rule all HICO-DET evaluators share.

Inside one class and one image, the overlap of a detected pair with an annotated pair is the smaller of the human IoU
and the object IoU. A detection is compared with the annotation it overlaps best and with no other (the first one when
two overlap equally): if a better-ranked detection already has that annotation, it is a false positive, even when a
second annotation would fit. So no sequential loop is needed: the true positive of an annotation is the first detection
in rank order whose best annotation it is and whose overlap passes the threshold.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.protocols import Ties
from pipeline.tables.boxes import Floats, iou

_CANDIDATES_AT_ONCE = 100_000
"""How many detection-annotation candidates are compared at once: few enough for the cache, a third faster than millions."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Human-object pairs, detected or annotated, with a row each."""

    image: NDArray[np.int64]
    """``[n]`` image ids."""
    hoi: NDArray[np.int64]
    """``[n]`` class ids."""
    human: Floats
    """``[n, 4]`` human boxes."""
    object: Floats
    """``[n, 4]`` object boxes."""

    def __len__(self) -> int:
        return len(self.hoi)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Pairs":
        """The chosen rows, in the chosen order."""
        return Pairs(image=self.image[rows], hoi=self.hoi[rows], human=self.human[rows], object=self.object[rows])


class Unranked:
    """Detections by class, and within a class in the order of equal scores: what no score changes, and so is sorted once."""

    def __init__(self, detections: Pairs, ties: Ties = "image") -> None:
        hoi = detections.hoi
        if ties == "row_reversed":
            self._row = np.lexsort((-np.arange(len(hoi)), hoi))
        else:
            self._row = np.argsort(hoi, kind="stable") if ties == "row" else np.lexsort((detections.image, hoi))
        self._starts = np.concatenate([[0], np.flatnonzero(np.diff(hoi[self._row])) + 1, [len(hoi)]])

    def rank(self, scores: Floats) -> NDArray[np.int64]:
        """``[n]`` row numbers, ordered by class, then by falling score, then by ``ties``: a total order."""
        ranked = np.empty_like(self._row)
        for start, end in pairwise(self._starts.tolist()):
            rows = self._row[start:end]
            ranked[start:end] = rows[np.argsort(-scores[rows], kind="stable")]
        return ranked


def rank(detections: Pairs, scores: Floats, ties: Ties = "image") -> NDArray[np.int64]:
    """``[n]`` row numbers, ordered by class, then by falling score, then by ``ties``: a total order."""
    return Unranked(detections, ties).rank(scores)


def reorder_ties(hits: NDArray[np.bool_], hoi: NDArray[np.int64], scores: Floats, *, best: bool) -> NDArray[np.bool_]:
    """``[n]`` flags of ranked detections, true ones moved to the front (or the back) of every group of equal scores.

    Matching gives a group as many true positives as any order of it would, so these are the extremes of all orders.
    """
    starts = np.ones(len(hits), dtype=np.bool_)
    starts[1:] = (hoi[1:] != hoi[:-1]) | (scores[1:] != scores[:-1])
    return np.asarray(hits[np.lexsort((~hits if best else hits, np.cumsum(starts)))], dtype=np.bool_)


def match(detections: Pairs, truth: Pairs, *, threshold: float, strict: bool) -> NDArray[np.bool_]:
    """True positives among ``detections``, which must come in the order of :func:`rank`.

    Arguments:
        detections: ``[n]`` ranked detections of any classes and images.
        truth: ``[m]`` annotations; their order decides between equal overlaps.
        threshold: the overlap a true positive needs.
        strict: whether the overlap must exceed the threshold (``>``) or may equal it (``>=``).

    Returns:
        ``[n]`` flags.
    """
    return true_positives(*best_truth(detections, truth), len(truth), threshold=threshold, strict=strict)


def true_positives(
    best: NDArray[np.int64], overlap: Floats, annotations: int, *, threshold: float, strict: bool
) -> NDArray[np.bool_]:
    """The same, if :func:`best_truth` of the ranked detections is known; ``annotations`` is the number of annotated pairs."""
    passed = np.flatnonzero((best >= 0) & ((overlap > threshold) if strict else (overlap >= threshold)))
    # Written backwards, so that the best-ranked detection of an annotation is the one that stays.
    winner = np.full(annotations, -1, dtype=np.int64)
    winner[best[passed[::-1]]] = passed[::-1]
    hits = np.zeros(len(best), dtype=np.bool_)
    hits[winner[winner >= 0]] = True
    return hits


def best_truth(detections: Pairs, truth: Pairs) -> tuple[NDArray[np.int64], Floats]:
    """The annotation of the same class and image that each detection overlaps best.

    Returns:
        ``[n]`` row numbers in ``truth`` (-1 where the image has no annotation of the class) and ``[n]`` overlaps.
    """
    order, first, count = _candidates(detections, truth)
    best = np.full(len(detections), -1, dtype=np.int64)
    overlap = np.zeros(len(detections), dtype=np.float64)
    rows = np.flatnonzero(count)
    ends = np.cumsum(count[rows])
    begin = 0
    while begin < len(rows):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CANDIDATES_AT_ONCE, side="right")))
        chunk = rows[begin:end]
        best[chunk], overlap[chunk] = _best_of_chunk(detections, truth, chunk, order, first[chunk], count[chunk])
        begin = end
    return best, overlap


def _candidates(detections: Pairs, truth: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """``truth`` rows sorted by (class, image), and for each detection where its candidates start and how many."""
    # Image ids may be any integers, so they are renumbered before class and image are packed into one key.
    images = np.unique(truth.image)
    stride = np.int64(len(images) + 1)
    key = truth.hoi * stride + np.searchsorted(images, truth.image)
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    place = np.searchsorted(images, detections.image)
    known = place < len(images)
    known[known] = images[place[known]] == detections.image[known]
    wanted = detections.hoi * stride + np.where(known, place, len(images))
    first = np.searchsorted(sorted_key, wanted, side="left")
    count = np.searchsorted(sorted_key, wanted, side="right") - first
    return order, first, count


def _best_of_chunk(
    detections: Pairs,
    truth: Pairs,
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Floats]:
    """Best annotation and overlap for some detections; candidates of one detection lie side by side."""
    starts = np.cumsum(count) - count
    owner = np.repeat(np.arange(len(rows)), count)
    candidate = order[np.arange(int(count.sum())) - np.repeat(starts - first, count)]
    detection = rows[owner]
    overlap = np.minimum(
        iou(detections.human[detection], truth.human[candidate]),
        iou(detections.object[detection], truth.object[candidate]),
    )
    highest = np.maximum.reduceat(overlap, starts)
    is_best = np.flatnonzero(overlap == highest[owner])
    # The first of several equal candidates wins; written backwards for that.
    best = np.empty(len(rows), dtype=np.int64)
    best[owner[is_best[::-1]]] = candidate[is_best[::-1]]
    return best, highest
