"""A small FCOS of torchvision over a small ResNet of transformers: the detector that comes with the project.

FCOS: Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019. Losses, matching and what becomes of
the raw outputs are torchvision's; here are only the sizes.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image, Resampling
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.transforms.functional import pil_to_tensor
from transformers import ResNetBackbone, ResNetConfig

from models import digests, weight_files
from models.detector import Detection, Prepared
from models.transfer import to_device

STRIDES = (8, 16, 32)
"""Pixels between neighbouring places of each level of the pyramid."""
LARGEST = 4096
"""The largest size that a file may give."""
LEAST_SCORE = 0.02
"""Boxes with a lower score are dropped: a picture has thousands of places."""
LEAST_CHANCE = 0.01
"""Boxes that are less probably true are dropped, where that probability is known."""


@dataclass(frozen=True, kw_only=True)
class FcosSizes:
    """Sizes of the network and of the pictures that it is given."""

    hidden: tuple[int, int, int, int] = (16, 32, 64, 128)
    """Channels of the ResNet's four stages."""
    depths: tuple[int, int, int, int] = (1, 1, 2, 1)
    """Their residual blocks."""
    pyramid: int = 64
    """Channels of the pyramid and the heads, a multiple of 32."""
    head_convs: int = 2
    shorter: int = 192
    """Pixels of a picture's shorter side, to which the picture is resized."""
    longest: int = 352
    """The most pixels that its longer side may have then; a longer picture is made smaller."""


class _Pyramid(nn.Module):
    """Features (B, pyramid, H / s, W / s) at each of STRIDES s."""

    def __init__(self, sizes: FcosSizes) -> None:
        super().__init__()
        values: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"], "layer_type": "basic"}
        config = ResNetConfig(
            embedding_size=sizes.hidden[0], hidden_sizes=list(sizes.hidden), depths=list(sizes.depths), **values
        )
        self.body = ResNetBackbone(config)
        self.levels = FeaturePyramidNetwork(list(sizes.hidden[1:]), sizes.pyramid)
        self.out_channels = sizes.pyramid

    def forward(self, pixels: Tensor) -> OrderedDict[str, Tensor]:
        maps = self.body(pixels).feature_maps
        found: OrderedDict[str, Tensor] = self.levels(OrderedDict((str(i), level) for i, level in enumerate(maps)))
        return found


def build(sizes: FcosSizes, outputs: int) -> FCOS:
    """The network with random weights; `outputs` is the number of its labels."""
    return FCOS(
        _Pyramid(sizes),
        num_classes=outputs,
        min_size=sizes.shorter,
        max_size=sizes.longest,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.25, 0.25, 0.25],
        anchor_generator=AnchorGenerator(tuple((s,) for s in STRIDES), ((1.0,),) * len(STRIDES)),
        head=FCOSHead(sizes.pyramid, 1, outputs, sizes.head_convs),
        score_thresh=LEAST_SCORE,
    )


@dataclass(frozen=True)
class Trained:
    """A trained network with what its file says about it.

    Attributes:
        labels: the names of its outputs, in order.
        notes: `kind` and `trained_on`, as `pipeline/boxes/detector_identity.py` has them.
        calibration: slope a and offset b of Platt scaling: a box of score s is true with probability sigmoid(a s + b). None
            where they were not fitted. Without it false boxes score 0.2, an effect of the focal loss.
    """

    net: FCOS
    sizes: FcosSizes
    labels: tuple[str, ...]
    notes: Mapping[str, str]
    calibration: tuple[float, float] | None = None

    def about(self) -> dict[str, str]:
        """What the file's header holds beside the weights."""
        return {
            "sizes": json.dumps(asdict(self.sizes)),
            "labels": json.dumps(self.labels),
            "notes": json.dumps(dict(self.notes)),
            "calibration": json.dumps(self.calibration),
        }


class FcosDetector:
    """A `models.detector.Detector`: the network with the objects that its labels stand for.

    Args:
        serves: (L, O) bool, which label stands for which object.
    """

    def __init__(self, trained: Trained, serves: Tensor, device: str | torch.device = "cpu") -> None:
        self.net, self._sizes, self._serves = trained.net.to(device), trained.sizes, serves
        self.notes: Mapping[str, Any] = {"revision": None, **trained.notes}
        self._calibration = trained.calibration
        self._device = torch.device(device)

    @property
    def outputs(self) -> int:
        """How many labels it has; there is no no-object."""
        return len(self._serves)

    def prepare(self, image: Image) -> Prepared:
        """Prepare an RGB image: resize it to the size that the network was trained for."""
        scale = min(self._sizes.shorter / min(image.size), self._sizes.longest / max(image.size))
        width, height = (max(round(side * scale), 1) for side in image.size)
        seen = image if image.size == (width, height) else image.resize((width, height), Resampling.BILINEAR)
        return {"pixel_values": pil_to_tensor(seen)[None]}, image.size

    @torch.no_grad()
    def detect(self, images: Sequence[Prepared], *, noisy: bool = False) -> list[Detection]:
        """See `models.detector.Detector`. There is no dropout. Boxes of one label that overlap much are merged already.

        Scores are probabilities that a box is true, where the detector is calibrated.
        """
        pixels = [to_device(inputs["pixel_values"][0], self._device) / 255 for inputs, _ in images]
        found = []
        for (_, size), seen, one in zip(images, pixels, self.net(pixels), strict=True):
            boxes, scores, labels = (one[name].cpu() for name in ("boxes", "scores", "labels"))
            likely = torch.ones_like(labels, dtype=torch.bool)
            if self._calibration is not None:
                slope, offset = self._calibration
                scores = torch.sigmoid(slope * scores + offset)
                likely = scores >= LEAST_CHANCE
            row, thing = (self._serves[labels] & likely[:, None]).nonzero(as_tuple=True)
            scale = torch.tensor(size * 2) / torch.tensor([seen.shape[2], seen.shape[1]] * 2)
            found.append((boxes[row] * scale, scores[row], thing))
        return found

    def digest(self) -> str:
        """See `models.detector.Detector`."""
        return digests.of_weights(self.net)


def read(path: Path) -> Trained:
    """The detector of a safetensors file, frozen, in evaluation mode, fp32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds another model.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        sizes = _sizes(json.loads(about["sizes"]))
        labels, notes = (json.loads(about[name]) for name in ("labels", "notes"))
        trained = Trained(
            build(sizes, len(labels)), sizes, tuple(map(str, labels)), dict(notes), _calibration(about["calibration"])
        )
        trained.net.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        )
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(
            "is no detector that `ezhoi world detector` wrote, or is damaged; a detector of transformers is named by its "
            f"folder ({type(error).__name__})"
        ) from error
    if (broken := weight_files.broken(state)) is not None:
        raise ValueError(f"its {broken} has values that are no finite numbers")
    trained.net.eval().requires_grad_(False)
    return trained


def _calibration(text: str) -> tuple[float, float] | None:
    """The slope and offset that a header gives; ValueError or TypeError if it gives none that can be used."""
    value = json.loads(text)
    if value is None:
        return None
    slope, offset = map(float, value)
    if not (math.isfinite(slope) and math.isfinite(offset)):
        raise ValueError("no calibration")
    return slope, offset


def _sizes(value: Mapping[str, Any]) -> FcosSizes:
    """The sizes that a header gives; ValueError or TypeError if no network could be built of them."""
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
    found = FcosSizes(**given)
    numbers = (*found.hidden, *found.depths, found.pyramid, found.head_convs, found.shorter, found.longest)
    if not all(isinstance(n, int) and 0 < n <= LARGEST for n in numbers) or max(found.depths) > 64:
        raise ValueError("sizes out of bounds")
    return found
