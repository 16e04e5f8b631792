"""What a detector is, whoever made it: pictures in; boxes, scores and object ids out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from PIL.Image import Image
from torch import Tensor, nn

Detection = tuple[Tensor, Tensor, Tensor]
"""Of one image: boxes (Q, 4) as x1, y1, x2, y2 in pixels, scores (Q,), object ids (Q,)."""
Prepared = tuple[Mapping[str, Tensor], tuple[int, int]]
"""An image as the net wants it, each tensor with a first dimension of 1, and its own width and height."""
MOST = 100
"""Boxes of an image that are told, the surest: as many as DETR has queries and as COCO's evaluation takes."""


class Detector(Protocol):
    """What looks at images and finds objects."""

    notes: Mapping[str, Any]
    """What is known of it besides its weights; `pipeline/boxes/detector_identity.py` says what."""

    @property
    def outputs(self) -> int:
        """How many outputs its class head has, a no-object included; of one that is asked, how many objects it is asked for."""

    def prepare(self, image: Image) -> Prepared:
        """An RGB image as the net wants it."""

    def detect(self, images: Sequence[Prepared], *, noisy: bool = False) -> list[Detection]:
        """What is in each prepared image, at most `MOST` boxes; with `noisy`, dropout is on, where the net has any."""

    def digest(self) -> str:
        """Digest of the weights: equal weights have equal digests, wherever they came from."""


def digest_of(net: nn.Module) -> str:
    """Digest of a module's weights under their names."""
    state = hashlib.blake2b(digest_size=16)
    for name, value in sorted(net.state_dict().items()):
        state.update(name.encode())
        state.update(value.cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
