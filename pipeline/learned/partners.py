"""Each unseen class's nearest seen class (Eq. 4), and the sentences that say how it differs, from stage `disparities`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.sizes import Sizes
from models.unseen import UnseenPrompts
from pipeline.learned import phrases
from pipeline.learned.phrases import Classes
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays


@dataclass(frozen=True)
class Partners:
    """The partners of U unseen classes, and their disparity sentences (U, m, d_a), padding True in `absent` (U, m)."""

    classes: Classes
    disparities: Tensor
    absent: Tensor


def read(disparities: Artifact, *, unseen: Sequence[int], seen: Classes, joint_width: int) -> Partners:
    """The partners of the classes `unseen` (HOI ids) among all `seen` ones, on the device of their descriptions."""
    data = arrays.read(disparities.path("embeddings.parquet"))
    row = {int(h): i for i, h in enumerate(data["hoi_id"])}
    position = {h: i for i, h in enumerate(seen.hois)}
    order = [row[h] for h in unseen]
    sentences = [torch.from_numpy(data["sentences"][i].astype(np.float32)) for i in order]
    padded, absent = phrases.pad(sentences, joint_width)
    device = seen.descriptions.device
    classes = seen.take([position[int(data["seen_hoi_id"][i])] for i in order])
    return Partners(classes, padded.to(device), absent.to(device))


def unseen_prompts(shared: Tensor, *, count: int, joint_width: int, sizes: Sizes) -> UnseenPrompts:
    """The module that learns the prompts of `count` unseen classes, which start as the `shared` ones (N, p, d_t)."""
    module = UnseenPrompts(
        shared=shared,
        count=count,
        joint_width=joint_width,
        bottleneck=sizes.bottleneck,
        heads=sizes.heads,
    )
    return module.to(shared.device)
