"""Which detections count before any is judged: the best of each image, and no near-duplicate pairs."""

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.matching import Pairs
from pipeline.metrics.protocols import PairNms
from pipeline.tables.boxes import Floats, iou


def best_of_each_image(detections: Pairs, scores: Floats, top_k: int) -> NDArray[np.bool_]:
    """``[n]`` whether a detection is among the ``top_k`` of its image, over all classes; of equal scores the first rows are."""
    order = np.lexsort((-scores, detections.image))
    image = detections.image[order]
    place = np.arange(len(order)) - np.searchsorted(image, image, side="left")
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order[place < top_k]] = True
    return kept


def without_duplicates(detections: Pairs, scores: Floats, nms: PairNms) -> NDArray[np.bool_]:
    """``[n]`` whether a detection remains after greedy suppression inside each class and image, best score first.

    All groups advance together: in each round the best remaining pair of every group is kept and suppresses others, so
    there are as many rounds as the largest group keeps pairs.
    """
    remaining = np.lexsort((-scores, detections.image, detections.hoi))
    kept = np.zeros(len(detections), dtype=np.bool_)
    while len(remaining):
        hoi, image = detections.hoi[remaining], detections.image[remaining]
        first = np.ones(len(remaining), dtype=np.bool_)
        first[1:] = (hoi[1:] != hoi[:-1]) | (image[1:] != image[:-1])
        heads = remaining[first]
        kept[heads] = True
        head_of = heads[np.cumsum(first) - 1]
        overlap = (
            iou(detections.human[head_of], detections.human[remaining]) ** nms.human_power
            * iou(detections.object[head_of], detections.object[remaining]) ** nms.object_power
        )
        remaining = remaining[~first & (overlap <= nms.threshold)]
    return kept
