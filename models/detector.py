"""The frozen DETR, through transformers: images to all its queries' boxes, scores and object ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig
from transformers.utils.logging import disable_progress_bar

from models.detr_checkpoint import Converted

Detection = tuple[Tensor, Tensor, Tensor]
"""Of one image: boxes (Q, 4) as x1, y1, x2, y2 in pixels, scores (Q,), object ids (Q,); nothing is filtered."""
Prepared = tuple[Tensor, tuple[int, int]]
"""An image as the net wants it, (3, h, w), and its own width and height."""


@dataclass(frozen=True)
class Detector:
    """A DETR whose head knows all the objects.

    `columns` (K,) are the outputs of its class head that stand for objects 0 .. K - 1.
    """

    net: DetrForObjectDetection
    processor: DetrImageProcessor
    columns: Tensor

    @property
    def outputs(self) -> int:
        """Outputs of the class head, no-object included."""
        return self.net.class_labels_classifier.out_features

    def prepare(self, image: Image) -> Prepared:
        """An RGB image as the net wants it."""
        return self.processor(images=image, return_tensors="pt", do_pad=False)["pixel_values"][0], image.size

    @torch.no_grad()
    def detect(self, images: Sequence[Prepared], *, noisy: bool = False) -> list[Detection]:
        """All queries of each prepared image; with `noisy`, its dropout is on (as the released HOI code trains).

        The score is the largest softmax probability over the objects and no-object; other outputs of the head are left
        out before the softmax.
        """
        pixels, mask = _padded([pixels for pixels, _ in images])
        self.net.train(noisy)
        found = self.net(pixel_values=pixels.to(self.net.device), pixel_mask=mask.to(self.net.device))
        kept = torch.cat([self.columns, self.columns.new_tensor([self.outputs - 1])])
        scores, labels = found.logits[..., kept.to(self.net.device)].softmax(-1)[..., :-1].max(-1)
        centre, size = found.pred_boxes[..., :2], found.pred_boxes[..., 2:]
        boxes = torch.cat([centre - size / 2, centre + size / 2], dim=-1).cpu()
        scale = torch.tensor([size * 2 for _, size in images], dtype=torch.float32)
        boxes = boxes * scale[:, None]
        return list(zip(boxes, scores.cpu(), labels.cpu(), strict=True))

    def digest(self) -> str:
        """Digest of the weights: equal weights have equal digests, wherever they came from."""
        state = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.net.state_dict().items()):
            state.update(name.encode())
            state.update(value.cpu().contiguous().numpy().tobytes())
        return state.hexdigest()


def _padded(images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Images on one canvas, at its top left: pixels (B, 3, H, W) and mask (B, H, W), 1 where an image is."""
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    pixels, mask = torch.zeros(len(images), 3, height, width), torch.zeros(len(images), height, width, dtype=torch.long)
    for i, image in enumerate(images):
        pixels[i, :, : image.shape[1], : image.shape[2]] = image
        mask[i, : image.shape[1], : image.shape[2]] = 1
    return pixels, mask


def load(name: str, *, objects: Sequence[str], revision: str = "main", device: str | torch.device = "cpu") -> Detector:
    """A frozen DETR in evaluation mode, fp32.

    Args:
        name: a model's name on the hub, or a folder in transformers' format.
        objects: the objects' names; the labels of the head are found by them.

    Raises:
        OSError: no such model or folder.
        ValueError: it is no DETR, weights are missing, or its head lacks an object.
    """
    disable_progress_bar()
    try:
        loaded: Any = DetrForObjectDetection.from_pretrained(name, revision=revision, output_loading_info=True)
    except (OSError, ValueError):
        raise
    except Exception as error:  # a foreign configuration or damaged weights make transformers raise nearly anything
        raise ValueError(f"cannot be read as a DETR of transformers ({type(error).__name__})") from error
    net, info = loaded
    if faults := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise ValueError(f"{len(faults)} weights are missing or of another shape, such as {faults[0]}")
    labels = {_plain(label): int(i) for i, label in net.config.id2label.items()}
    if lacking := [o for o in objects if _plain(o) not in labels]:
        raise ValueError(f"its labels lack {len(lacking)} of the {len(objects)} objects, such as {lacking[0]!r}")
    columns = torch.tensor([labels[_plain(o)] for o in objects])
    processor: Any
    try:
        processor = DetrImageProcessor.from_pretrained(name, revision=revision)
    except OSError:  # a folder with weights alone: DETR's own preparation
        processor = DetrImageProcessor()
    return Detector(net.eval().requires_grad_(False).to(device), processor, columns)


def _plain(name: str) -> str:
    return name.replace("_", " ").lower()


def save(converted: Converted, folder: Path, *, labels: Sequence[str], notes: dict[str, Any]) -> None:
    """Write converted weights as a model folder of transformers.

    Args:
        labels: names of the head's outputs but the last (no-object), in order.
        notes: kept in the configuration under `ezhoi`.
    """
    from safetensors.torch import save_file

    names = dict(enumerate(labels))
    settings: dict[str, Any] = converted.sizes | {
        "use_timm_backbone": False,
        "use_pretrained_backbone": False,
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
        "architectures": ["DetrForObjectDetection"],
        "ezhoi": notes,
    }
    backbone: dict[str, Any] = settings.pop("backbone") | {"out_features": ["stage4"]}
    config = DetrConfig(backbone_config=ResNetConfig(**backbone), **settings)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    DetrImageProcessor().save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in converted.weights.items()}, folder / "model.safetensors", {"format": "pt"})
