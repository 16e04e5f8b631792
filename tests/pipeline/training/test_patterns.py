"""Where spatial patterns start: centres of clusters of the seen training pairs, the same in every process."""

import numpy as np
import pandas as pd
import pytest
import torch

from models.geometry import encoding
from pipeline.training.patterns import clustered, encoded

SIDES = [f"{side}{corner}" for side in "ho" for corner in ("x1", "y1", "x2", "y2")]


def test_boxes_are_read_in_fractions_of_their_own_image() -> None:
    images = pd.DataFrame({"image_id": [4, 9], "width": [100, 10], "height": [50, 20]})
    pairs = pd.DataFrame([[10, 5, 50, 50, 0, 0, 100, 25], [1, 2, 5, 20, 0, 0, 10, 10]], columns=SIDES)
    found = encoded(pairs.assign(image_id=[4, 9]), images)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    by_hand = encoding(torch.tensor([[0.1, 0.1, 0.5, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 0.5]]))[0].numpy()
    np.testing.assert_allclose(found[0], by_hand, rtol=1e-4, atol=1e-5)


def blobs(count: int, each: int = 30) -> np.ndarray:
    """Around (0, 0), (1, 1000), (2, 2000), ...: one column is a thousand times as wide as the other."""
    rng = np.random.default_rng(0)
    centres = np.arange(count)[:, None] * np.array([1.0, 1000.0])
    noise = rng.normal(size=(count, each, 2)) * np.array([0.05, 50.0])
    rows: np.ndarray = (centres[:, None] + noise).reshape(-1, 2).astype(np.float32)
    return rows


def test_the_centres_are_those_of_the_clusters() -> None:
    found = clustered(blobs(3), 3, seed=1)
    found = found[found[:, 0].argsort()]
    np.testing.assert_allclose(found, [[0, 0], [1, 1000], [2, 2000]], atol=50)
    np.testing.assert_allclose(found[:, 0], [0, 1, 2], atol=0.05)


def test_the_same_seed_makes_the_same_centres() -> None:
    rows = blobs(7)
    np.testing.assert_array_equal(clustered(rows, 4, seed=1), clustered(rows, 4, seed=1))
    assert not np.array_equal(clustered(rows, 4, seed=1), clustered(rows, 4, seed=2))


def test_a_column_that_never_varies_is_kept() -> None:
    rows = np.column_stack([blobs(2), np.full(60, 5.0)]).astype(np.float32)
    np.testing.assert_allclose(clustered(rows, 2, seed=0)[:, 2], 5)


def test_more_patterns_than_different_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="only 2 annotated pairs of seen classes differ in where their boxes lie"):
        clustered(np.array([[0, 1], [2, 3], [0, 1]], np.float32), 3, seed=0)
