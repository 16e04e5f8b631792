"""Intersection over union of axis-aligned boxes.

A box is ``[x1, y1, x2, y2]`` in pixels, continuous coordinates: its area is ``(x2 - x1) * (y2 - y1)``, with none of the
``+ 1`` of inclusive pixel indices. Everything is computed in float64, because thresholds are compared exactly.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def iou(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """IoU of boxes matched row by row, or by any other broadcasting of the leading axes.

    Arguments:
        first: ``[..., 4]`` boxes with x2 >= x1 and y2 >= y1; one without area overlaps nothing.
        second: ``[..., 4]`` boxes, broadcast against ``first``.

    Returns:
        ``[...]`` IoU in [0, 1].
    """
    a = np.asarray(first, dtype=np.float64)
    b = np.asarray(second, dtype=np.float64)
    # Column by column: one pass over [n] arrays is about twice as fast as the same arithmetic on [n, 2] ones.
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = _area(a) + _area(b) - overlap
    # Two boxes without area have no union: they overlap nothing.
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(union), where=union > 0), dtype=np.float64)


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), dtype=np.float64)
