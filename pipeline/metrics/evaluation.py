"""Mean average precision of human-object interaction detections, class by class.

One million predicted pairs take a few CPU-seconds: detections of all classes are ranked and matched together, and only
the last step, a cumulative sum, goes class by class.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics.average_precision import average_precision
from pipeline.metrics.boxes import Floats
from pipeline.metrics.matching import Pairs, match, rank
from pipeline.metrics.protocols import Protocol, protocol_named
from pipeline.metrics.tables import class_ids, read_pairs, read_scores


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
        predictions: one row a detected pair: image_id, hoi_id, score, hx1 .. hy2, ox1 .. oy2.
        pairs: one row an annotated pair of the evaluated split: image_id, hoi_id and the boxes.
        protocol: a :class:`Protocol` or the name of one (``official``, ``upt``, ``exact``, ``area``).
        classes: every ``hoi_id`` there is, each once; the result keeps their order.
        known_images: for the Known-Object setting, the images in which each class's detections count, see
            :func:`known_object_images`. None is the Default setting: all images count.

    Returns:
        One row a class: ``hoi_id``; ``ap`` in [0, 1], 0 without detections, nan without annotations; ``max_recall``,
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

    counted = np.ones(len(detections), dtype=np.bool_)
    if rules.drop_empty_images:
        counted &= np.isin(detections.image, truth.image)
    if known_images is not None:
        counted &= _in_known_images(detections, known_images)
    # One gather orders and filters: the arrays are large.
    order = rank(detections, scores)
    ranked = detections.take(order[counted[order]])
    hits = match(ranked, truth, threshold=rules.threshold, strict=rules.strict)
    return _per_class(ids, ranked.hoi, hits, truth.hoi, rules)


def summarise(per_class: pd.DataFrame, *, unseen: Collection[int], rare: Collection[int]) -> dict[str, float]:
    """Mean AP in percent over the groups of classes that papers report.

    Arguments:
        per_class: the result of :func:`evaluate`.
        unseen: ``hoi_id`` without training labels; ids that were not evaluated are ignored.
        rare: ``hoi_id`` with fewer than ten training pairs.

    Returns:
        ``full``, ``seen``, ``unseen``, ``rare``, ``non_rare`` and ``harmonic_mean`` (of seen and unseen). Classes
        without annotations count nowhere; a group without any other class is left out, and so is its harmonic mean.
    """
    hoi = per_class["hoi_id"].to_numpy(dtype=np.int64)
    ap = per_class["ap"].to_numpy(dtype=np.float64)
    is_unseen = np.isin(hoi, np.fromiter(unseen, dtype=np.int64, count=len(unseen)))
    is_rare = np.isin(hoi, np.fromiter(rare, dtype=np.int64, count=len(rare)))
    groups = {
        "full": np.ones(len(hoi), dtype=np.bool_),
        "seen": ~is_unseen,
        "unseen": is_unseen,
        "rare": is_rare,
        "non_rare": ~is_rare,
    }
    annotated = ~np.isnan(ap)
    means = {
        name: 100.0 * float(ap[members & annotated].mean())
        for name, members in groups.items()
        if (members & annotated).any()
    }
    if "seen" in means and "unseen" in means:
        total = means["seen"] + means["unseen"]
        means["harmonic_mean"] = 2.0 * means["seen"] * means["unseen"] / total if total > 0 else 0.0
    return means


def known_object_images(*, presence: pd.DataFrame, object_of: Mapping[int, int]) -> dict[int, frozenset[int]]:
    """The images in which each class counts in HICO-DET's Known-Object setting: those that show its object.

    The official code takes image-level labels for that (any class of the object is labelled positive, its boxes visible
    or not); annotated pairs give nearly the same (9,709 of 9,827 image-object pairs of test2015). Either table does.

    Arguments:
        presence: columns ``image_id`` and ``object_id``, a row for every object seen in an image; more columns and
            repeated rows do no harm, so the annotated pairs themselves will do.
        object_of: ``object_id`` of every ``hoi_id``.

    Returns:
        For every class of ``object_of``, the ids of its images, to be passed to :func:`evaluate`.
    """
    images: dict[int, set[int]] = {}
    seen = presence[["object_id", "image_id"]].drop_duplicates()
    for thing, image in zip(seen["object_id"].tolist(), seen["image_id"].tolist(), strict=True):
        images.setdefault(int(thing), set()).add(int(image))
    by_object = {thing: frozenset(ids) for thing, ids in images.items()}
    return {hoi: by_object.get(thing, frozenset()) for hoi, thing in object_of.items()}


def _in_known_images(detections: Pairs, known_images: Mapping[int, Collection[int]]) -> NDArray[np.bool_]:
    """``[n]`` whether a detection lies in an image that counts for its class; an unlisted class has none."""
    inside = np.zeros(len(detections), dtype=np.bool_)
    order = np.argsort(detections.hoi, kind="stable")
    present, starts = np.unique(detections.hoi[order], return_index=True)
    for hoi, rows in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
        images = np.fromiter(known_images.get(hoi, ()), dtype=np.int64)
        inside[rows] = np.isin(detections.image[rows], images)
    return inside


def _per_class(
    ids: NDArray[np.int64],
    hoi: NDArray[np.int64],
    hits: NDArray[np.bool_],
    truth_hoi: NDArray[np.int64],
    rules: Protocol,
) -> pd.DataFrame:
    """The result table; ``hoi`` and ``hits`` ``[n]`` are ranked, so each class is one run of rows."""
    starts = np.searchsorted(hoi, ids, side="left")
    ends = np.searchsorted(hoi, ids, side="right")
    annotated = np.sort(truth_hoi)
    n_gt = np.searchsorted(annotated, ids, side="right") - np.searchsorted(annotated, ids, side="left")
    runs = [hits[start:end] for start, end in zip(starts, ends, strict=True)]
    found = np.array([run.sum() for run in runs], dtype=np.int64)
    ap: Floats = np.array(
        [average_precision(run, int(n), rule=rules.rule) for run, n in zip(runs, n_gt, strict=True)], dtype=np.float64
    )
    recall = np.full(len(ids), np.nan)
    np.divide(found, n_gt, out=recall, where=n_gt > 0)
    return pd.DataFrame({"hoi_id": ids, "ap": ap, "max_recall": recall, "n_gt": n_gt, "n_pred": ends - starts})


def _refuse_mixed_splits(pairs: pd.DataFrame) -> None:
    """Annotations of two splits would double the ground truth without any other sign of it."""
    splits = sorted(map(str, pairs["split"].unique())) if "split" in pairs else []
    if len(splits) > 1:
        raise ValueError(f"pairs: rows of several splits ({', '.join(splits)}); pass those of the evaluated one only")
