"""The cached frozen image tokens of a split (f_vis of Eq. 3), by image id."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline import arrays
from pipeline.store.artifact import Artifact


class FrozenTokens:
    """Read from the `image_embeddings` artifact."""

    def __init__(self, embeddings: Artifact, split: str) -> None:
        self._row: dict[int, tuple[int, int]] = {}
        self._shards: list[np.ndarray] = []
        for name in embeddings.names(f"{split}-*"):
            data = arrays.read(embeddings.path(name))
            self._row |= {int(i): (len(self._shards), row) for row, i in enumerate(data["image_id"])}
            self._shards.append(data["tokens"])

    def of(self, image_ids: list[int]) -> Tensor:
        """(B, 1 + D, d_a) as float32."""
        found = [self._shards[s][r] for s, r in (self._row[i] for i in image_ids)]
        return torch.from_numpy(np.stack(found).astype(np.float32))
