"""From scores of pairs to rows of predictions: one row a pair and a valid class of its object."""

from __future__ import annotations

import numpy as np
import pandas as pd

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


def predictions(pairs: dict[str, np.ndarray], scores: np.ndarray, hoi_of: np.ndarray) -> pd.DataFrame:
    """Rows image_id, hoi_id, score and boxes, for every entry that stands for a class.

    Args:
        pairs: image_id and boxes of P pairs, as `pair_features` has them.
        scores: (P, K).
        hoi_of: (P, K), the class that each entry stands for, -1 where it stands for none.
    """
    pair, entry = np.nonzero(hoi_of >= 0)
    columns = {"image_id": pairs["image_id"][pair], "hoi_id": hoi_of[pair, entry], "score": scores[pair, entry]}
    return pd.DataFrame(columns | {name: pairs[name][pair] for name in BOXES})
