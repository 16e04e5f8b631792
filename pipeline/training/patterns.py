"""Where the spatial patterns start (`models/patterns.py`): at the centres of clusters of the annotated seen pairs' geometry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor

from models import geometry
from pipeline.boxes.instances import BOX
from pipeline.errors import DataError
from pipeline.learned.build import seed_of
from pipeline.work.work import Work


def centres(work: Work, *, hois: Sequence[int]) -> Tensor:
    """The centres (K, 36) for the annotated training pairs of the seen classes (ids); DataError if fewer than K differ."""
    annotations = work.inputs["annotations"]
    pairs = annotations.table("train-pairs.parquet")
    rows = encoded(pairs[pairs["hoi_id"].isin(list(hois))], annotations.table("train-images.parquet"))
    count = work.config.model.patterns
    try:
        found = clustered(rows, count, seed=seed_of(work.config.seed, "seen", "patterns"))
    except ValueError as error:
        raise DataError(f"model.patterns = {count}: {error}") from None
    return torch.from_numpy(found)


def encoded(pairs: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.float32]:
    """The geometry (n, 36) of annotated pairs, given the table of their images."""
    extents = images.set_index("image_id").loc[pairs["image_id"], ["width", "height"] * 2].to_numpy(np.float32)
    human, thing = (
        torch.from_numpy(pairs[[f"{side}{corner}" for corner in BOX]].to_numpy(np.float32) / extents) for side in "ho"
    )
    found: NDArray[np.float32] = geometry.encoding(human, thing).numpy()
    return found


def clustered(rows: NDArray[np.float32], count: int, *, seed: int) -> NDArray[np.float32]:
    """The centres (count, d) of rows (n, d) by k-means; columns have equal weight, however far their values spread.

    Raises:
        ValueError: fewer than `count` rows differ.
    """
    distinct = len(np.unique(rows, axis=0))
    if distinct < count:
        raise ValueError(f"only {distinct} annotated pairs of seen classes differ in where their boxes lie")
    spread = rows.std(axis=0)
    scaled = rows / np.where(spread > 0, spread, 1)
    middle, _ = kmeans2(scaled, count, minit="++", seed=np.random.default_rng(seed))
    return (middle * np.where(spread > 0, spread, 1)).astype(np.float32)
