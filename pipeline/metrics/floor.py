"""The detector-only floor: the result of the boxes alone, with equal scores for all verbs of an object.

A model whose mAP is near it has learned nothing about interactions.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.matching import Pairs
from pipeline.tables.boxes import Floats


def detector_only(detections: Detections, prior: Floats, annotations: Annotations) -> Detections:
    """Every pair of boxes, once for each class of its object, scored by its ``prior`` ``[n]`` (the detector's own score)."""
    object_of = annotations.groups.vocabulary.object_of
    pairs = detections.pairs
    things = object_of[pairs.hoi]
    keys = np.column_stack([pairs.image, things, pairs.human, pairs.object])
    _, first = np.unique(keys, axis=0, return_index=True)
    classes = np.array(annotations.groups.classes)
    of_object = [classes[object_of[classes] == thing] for thing in range(int(object_of.max()) + 1)]
    counts = np.array([len(hois) for hois in of_object])[things[first]]
    rows = np.repeat(first, counts)
    hoi = np.concatenate([of_object[thing] for thing in things[first]]) if len(first) else pairs.hoi[:0]
    floor = Pairs(image=pairs.image[rows], hoi=hoi, human=pairs.human[rows], object=pairs.object[rows])
    return dataclasses.replace(detections, pairs=floor, scores=prior[rows], prior=None, notes=())
