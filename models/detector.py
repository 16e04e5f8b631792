"""What a detector is, whoever made it: it takes pictures and gives boxes, scores and object ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from PIL.Image import Image
from torch import Tensor

Detection = tuple[Tensor, Tensor, Tensor]
"""What was found in one image: boxes (Q, 4) as x1, y1, x2, y2 in pixels, scores (Q,) and object ids (Q,)."""
Prepared = tuple[Mapping[str, Tensor], tuple[int, int]]
"""An image prepared for the network, each tensor with a first dimension of 1; and the image's width and height in pixels."""
MOST = 100
"""The most boxes of an image, those with the highest scores: as many as DETR has queries and as COCO's evaluation takes."""


class Detector(Protocol):
    """A detector finds objects in images."""

    notes: Mapping[str, Any]
    """What is known of the detector besides its weights; `pipeline/boxes/detector_identity.py` lists it."""

    @property
    def outputs(self) -> int:
        """How many outputs the class head has, no-object included; of a detector that is asked, for how many objects."""

    def prepare(self, image: Image) -> Prepared:
        """Prepare an RGB image for the network."""

    def detect(self, images: Sequence[Prepared], *, noisy: bool = False) -> list[Detection]:
        """Find at most `MOST` objects in each prepared image; with `noisy`, dropout is on, where the network has any."""

    def digest(self) -> str:
        """The digest of the weights (`models.digests`): equal weights have equal digests, wherever they came from."""
