"""The images that count for a class in HICO-DET's Known-Object setting: those that show its object.

The official code takes image-level labels for that (any class of the object is labelled positive in ``anno.mat``, its
boxes visible or not): 9,827 image-object pairs of test2015. ConsNet takes the annotated pairs: 9,709 of them.
"""

from collections.abc import Mapping

import pandas as pd


def known_object_images(*, presence: pd.DataFrame, object_of: Mapping[int, int]) -> dict[int, frozenset[int]]:
    """The images in which each class counts.

    Arguments:
        presence: columns ``image_id`` and ``object_id``, a row for every object seen in an image; more columns and
            repeated rows do no harm, so the annotated pairs themselves will do.
        object_of: ``object_id`` of every ``hoi_id``.

    Returns:
        For every class of ``object_of``, the ids of its images, to be passed to
        :func:`pipeline.metrics.evaluation.evaluate`.
    """
    images: dict[int, set[int]] = {}
    seen = presence[["object_id", "image_id"]].drop_duplicates()
    for thing, image in zip(seen["object_id"].tolist(), seen["image_id"].tolist(), strict=True):
        images.setdefault(int(thing), set()).add(int(image))
    by_object = {thing: frozenset(ids) for thing, ids in images.items()}
    return {hoi: by_object.get(thing, frozenset()) for hoi, thing in object_of.items()}
