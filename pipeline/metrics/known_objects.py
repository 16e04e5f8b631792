"""The images that count for a class in HICO-DET's Known-Object setting: those that show its object.

The official code takes image-level labels for that (any class of the object is labelled positive in ``anno.mat``, its
boxes visible or not): 9,827 image-object pairs of test2015. ConsNet takes the annotated pairs: 9,709 of them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import DataError


def known_object_images(*, presence: pd.DataFrame, object_of: Mapping[int, int]) -> dict[int, frozenset[int]]:
    """The images in which each class counts.

    Arguments:
        presence: columns ``image_id`` and ``object_id``, a row for every object seen in an image; more columns and
            repeated rows do no harm, so the annotated pairs themselves will do.
        object_of: ``object_id`` of every ``hoi_id``.

    Returns:
        For every class of ``object_of``, the ids of its images, to be passed to :func:`pipeline.metrics.evaluate`.
    """
    images: dict[int, set[int]] = {}
    seen = presence[["object_id", "image_id"]].drop_duplicates()
    for thing, image in zip(seen["object_id"].tolist(), seen["image_id"].tolist(), strict=True):
        images.setdefault(int(thing), set()).add(int(image))
    by_object = {thing: frozenset(ids) for thing, ids in images.items()}
    return {hoi: by_object.get(thing, frozenset()) for hoi, thing in object_of.items()}


def read_image_labels(path: Path, *, object_of: Mapping[int, int]) -> pd.DataFrame:
    """The official image-level labels of test2015, ``anno.mat``, as ``file_name`` and ``object_id`` of every object seen.

    Raises:
        DataError: the file is no MATLAB file, or lacks ``anno_test`` ``[600, n]`` or ``list_test`` ``[n]``.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["anno_test", "list_test"])
    except (OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error})") from error
    if "anno_test" not in content or "list_test" not in content:
        raise DataError(f"{path}: no anno_test and list_test in it; HICO's anno.mat is needed")
    labels = np.asarray(content["anno_test"], dtype=np.float64)
    names = np.array([str(np.ravel(cell)[0]) for cell in content["list_test"].ravel()])
    if labels.shape != (len(object_of), len(names)):
        raise DataError(f"{path}: anno_test is {labels.shape}, ({len(object_of)}, {len(names)}) is needed")
    # 1 is positive, 0 ambiguous, -1 negative, nan unknown.
    hoi, image = np.nonzero(labels == 1)
    things = np.array([object_of[h] for h in range(len(object_of))])
    return pd.DataFrame({"file_name": names[image], "object_id": things[hoi]}).drop_duplicates(ignore_index=True)
