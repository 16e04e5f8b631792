"""How far two trained models are apart."""

from pathlib import Path

import torch

from pipeline.learned.checkpoint import load_weights


def weights_apart(first: Path, second: Path) -> float:
    """The length of the difference of all weights of two files, as a share of the length of the first one's weights.

    The largest difference of a single weight says too little: AdamW divides a gradient by its own size, so that a weight whose
    gradient is nothing but rounding moves as far as any other.
    """
    one, other = (load_weights(path)[0] for path in (first, second))
    assert one.keys() == other.keys()
    flat, compared = (torch.cat([weights[name].flatten().double() for name in one]) for weights in (one, other))
    return float((flat - compared).norm() / flat.norm())
