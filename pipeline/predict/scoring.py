"""From pair features and text features to scored predictions: one row a pair and a valid class of its object."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.datasets.hico.vocabulary import verbs

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at unit length; rows of zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def phrase_logits(features: np.ndarray, text: np.ndarray, scale: float, *, cosine: bool = True) -> np.ndarray:
    """(P, C): what pair features (P, d_a) and text features (C, d_a) say of each phrase.

    Args:
        cosine: scaled cosines, `text` being of unit length (preset `paper`), or scaled dot products (`released`).
    """
    return scale * (unit(features) if cosine else features) @ text.T


def own_object(objects: np.ndarray, phrase_objects: np.ndarray) -> np.ndarray:
    """(P, C) bool: whether a pair shows the object of the phrase; objects (P,) and (C,)."""
    return objects[:, None] == phrase_objects[None]


def verb_probabilities(logits: np.ndarray, phrase_verbs: np.ndarray) -> np.ndarray:
    """(P, 117): sigmoid of each verb's mean phrase logit; 0 for a verb without phrase.

    Args:
        logits: (P, C); phrase_verbs: (C,) verb ids.
    """
    member = np.eye(len(verbs()), dtype=np.float32)[phrase_verbs]
    mean = logits @ (member / np.maximum(member.sum(axis=0), 1))
    return np.where(member.any(axis=0), np.exp(-np.logaddexp(0, -mean)), 0.0)


def class_probabilities(
    features: np.ndarray, text: np.ndarray, objects: np.ndarray, object_of: np.ndarray
) -> np.ndarray:
    """(P, C): the untrained CLIP's softmax over the classes of each pair's object; 0 for the other classes.

    Args:
        features: (P, d_a), text: (C, d_a), unit lengths; objects: (P,) object of each pair; object_of: (C,).
    """
    logits = 100 * features @ text.T
    logits = np.where(objects[:, None] == object_of[None], logits, -np.inf)
    top = logits.max(axis=1, keepdims=True, initial=-1e9)
    raised = np.exp(logits - top)
    return raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-12)


def predictions(
    pairs: dict[str, np.ndarray], probabilities: np.ndarray, hoi_of: np.ndarray, *, tau: float
) -> pd.DataFrame:
    """Rows image_id, hoi_id, score and boxes: score = prior^tau * probability, for every valid class.

    Args:
        pairs: columns of `pair_features`, P rows.
        probabilities: (P, K).
        hoi_of: (P, K), the class that each entry stands for, -1 where it stands for none.
    """
    pair, entry = np.nonzero(hoi_of >= 0)
    columns = {
        "image_id": pairs["image_id"][pair],
        "hoi_id": hoi_of[pair, entry],
        "score": (pairs["prior"].astype(np.float64) ** tau)[pair] * probabilities[pair, entry],
    }
    return pd.DataFrame(columns | {name: pairs[name][pair] for name in BOXES})
