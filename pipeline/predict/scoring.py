"""From scores of pairs to rows of predictions: one row for each pair and valid class of its object."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.datasets.dataset import BOXES

COLUMNS = ["image_id", "hoi_id", "score", *BOXES]
"""The columns of a table of predictions (`pipeline/metrics/formats/table.py`)."""


def predictions(pairs: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray], hoi_of: np.ndarray) -> pd.DataFrame:
    """The rows image_id, hoi_id, scores under their names, and boxes, for every entry that stands for a class.

    Args:
        pairs: image_id and boxes of P pairs, as `pair_features` has them.
        scores: (P, K) each.
        hoi_of: (P, K), the class for which each entry stands; -1 where it stands for none.
    """
    pair, entry = np.nonzero(hoi_of >= 0)
    columns = {"image_id": pairs["image_id"][pair], "hoi_id": hoi_of[pair, entry]}
    columns |= {name: values[pair, entry] for name, values in scores.items()}
    return pd.DataFrame(columns | {name: pairs[name][pair] for name in BOXES})
