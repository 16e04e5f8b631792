"""Frozen object detectors of transformers.

Two kinds: detectors with labels of their own (DETR, Deformable DETR, RT-DETR, D-FINE, YOLOS, ...), and detectors that are asked
for objects by name (`models/questions.py`). Every one prepares pictures and reads its raw outputs with its own processor.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_OBJECT_DETECTION_MAPPING,
    MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForObjectDetection,
    AutoModelForZeroShotObjectDetection,
    AutoTokenizer,
    DetrConfig,
    DetrImageProcessor,
    ResNetConfig,
)
from transformers.utils.logging import disable_progress_bar

from models import digests, weight_files
from models.detector import MOST, Detection, Prepared
from models.detr_checkpoint import Converted
from models.transfer import to_device


@dataclass(frozen=True)
class Network:
    """A detector as it was loaded, before it is known which objects it shall find.

    `labels` are the names of its outputs; None for one that is asked, which has a `tokenizer` instead.
    """

    net: Any
    processor: Any
    labels: Mapping[int, str] | None
    tokenizer: Any = None

    @property
    def architecture(self) -> str:
        """The architecture's name in transformers, such as "rt_detr"."""
        return str(self.net.config.model_type)


@dataclass(frozen=True)
class Question:
    """What a network is asked in one forward pass, and which objects its L answers stand for.

    Attributes:
        serves: (L, O) bool: which answer stands for which object; an answer may stand for none or for several.
        inputs: further inputs of the net, (n, T) each, repeated for every image; none for a detector with labels.
        spans: first and last token (exclusive) of each answer among the net's logits, where these are tokens.
    """

    serves: Tensor
    inputs: Mapping[str, Tensor]
    spans: tuple[tuple[int, int], ...] = ()

    def answers(self, logits: Tensor) -> Tensor:
        """The answers' logits (B, Q, L or L + 1), from the network's (B, Q, ...): the largest over an answer's tokens.

        An answer that stands for no object gets -inf. Outputs beyond the labels (no-object) stay as they are, so that a softmax
        runs over the objects and no-object.
        """
        if self.spans:
            logits = torch.stack([logits[..., first:last].amax(-1) for first, last in self.spans], dim=-1)
        hidden = torch.zeros(logits.shape[-1], dtype=torch.bool)
        hidden[: len(self.serves)] = ~self.serves.any(dim=1)
        return logits.masked_fill(hidden.to(logits.device), -torch.inf)


class HubDetector:
    """A detector of transformers with the questions that it is asked, one for a detector with labels."""

    def __init__(
        self,
        network: Network,
        questions: Sequence[Question],
        *,
        notes: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.net = network.net.to(device)
        self.processor = network.processor
        self.questions = tuple(questions)
        self.notes = notes or {}
        self._device = torch.device(device)
        self._asked = network.labels is None
        # YOLOS's processor makes a mask that its net does not take: padded, its boxes would be of the canvas.
        takes = inspect.signature(self.net.forward).parameters
        self._inputs = [name for name in ("pixel_values", "pixel_mask") if name in takes]

    @property
    def outputs(self) -> int:
        """See `models.detector.Detector`."""
        if self._asked:
            return sum(len(question.serves) for question in self.questions)
        classifier = getattr(self.net, "class_labels_classifier", None)
        return getattr(classifier, "out_features", len(self.questions[0].serves))

    def prepare(self, image: Image) -> Prepared:
        """See `models.detector.Detector`."""
        found = self.processor(images=image, return_tensors="pt")
        return {name: found[name] for name in self._inputs if name in found}, image.size

    @torch.no_grad()
    def detect(self, images: Sequence[Prepared], *, noisy: bool = False) -> list[Detection]:
        """See `models.detector.Detector`.

        Where the net takes no mask of padded pixels, only images of one size share a batch.
        """
        self.net.train(noisy)
        for module in self.net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()  # its statistics are frozen like the weights
        found: dict[int, Detection] = {}
        for places in _groups(images):
            inputs = _together([images[i][0] for i in places])
            sizes = [images[i][1] for i in places]
            answers = [self._asked_once(inputs, sizes, question) for question in self.questions]
            found |= {i: _surest([each[n] for each in answers]) for n, i in enumerate(places)}
        return [found[i] for i in range(len(images))]

    def _asked_once(
        self, inputs: Mapping[str, Tensor], sizes: Sequence[tuple[int, int]], question: Question
    ) -> list[Detection]:
        """The answers to one question about the images of one batch, whose widths and heights are `sizes`."""
        texts = {name: value.repeat(len(sizes), 1) for name, value in question.inputs.items()}
        out = self.net(**{name: to_device(value, self._device) for name, value in {**inputs, **texts}.items()})
        out.logits = question.answers(out.logits)
        targets = torch.tensor([(height, width) for width, height in sizes], device=self._device)
        kept = self.processor.post_process_object_detection(out, threshold=-1.0, target_sizes=targets)
        found = []
        for one in kept:
            row, thing = question.serves[one["labels"].cpu()].nonzero(as_tuple=True)
            found.append((one["boxes"].cpu()[row], one["scores"].cpu()[row], thing))
        return found

    def digest(self) -> str:
        """See `models.detector.Detector`."""
        return digests.of_weights(self.net)


def _groups(images: Sequence[Prepared]) -> list[list[int]]:
    """The places of the images that may share a batch, group by group."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, (inputs, _) in enumerate(images):
        shape = () if "pixel_mask" in inputs else tuple(inputs["pixel_values"].shape)
        groups.setdefault(shape, []).append(place)
    return list(groups.values())


def _together(images: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The inputs of one batch. Images with masks lie at the top left of one canvas; the masks tell them from the padding."""
    height, width = (max(image["pixel_values"].shape[axis] for image in images) for axis in (2, 3))
    joined: dict[str, list[Tensor]] = {}
    for image in images:
        for name, value in image.items():
            margin = (0, width - value.shape[-1], 0, height - value.shape[-2])
            joined.setdefault(name, []).append(nn.functional.pad(value, margin))
    return {name: torch.cat(values) for name, values in joined.items()}


def _surest(parts: Sequence[Detection]) -> Detection:
    """The answers to all questions about an image, of which the `MOST` with the highest scores stay, in their order."""
    boxes, scores, things = (torch.cat(values) for values in zip(*parts, strict=True))
    if len(scores) > MOST:
        kept = scores.topk(MOST).indices.sort().values
        boxes, scores, things = boxes[kept], scores[kept], things[kept]
    return boxes, scores, things


def read(name: str, *, revision: str = "main") -> Network:
    """A detector of transformers, frozen, in evaluation mode, fp32. Safetensors alone are read, and no code of a model's.

    Args:
        name: a model's name on the hub, or a folder in transformers' format.

    Raises:
        OSError: no such model or folder.
        ValueError: it is no object detector, weights are missing, or nothing says how its pictures are prepared.
    """
    disable_progress_bar()
    where: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(name, **where)
        asked = type(config) in MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING
        kind: Any = AutoModelForZeroShotObjectDetection if asked else AutoModelForObjectDetection
        if not asked and type(config) not in MODEL_FOR_OBJECT_DETECTION_MAPPING:
            raise ValueError(f"is a {config.model_type} of transformers, which is no object detector")
        net, info = kind.from_pretrained(name, use_safetensors=True, output_loading_info=True, **where)
    except (OSError, ValueError):
        raise
    except Exception as error:  # a foreign configuration or damaged weights make transformers raise nearly anything
        raise ValueError(f"cannot be read as a detector of transformers ({type(error).__name__})") from error
    if faults := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise ValueError(
            f"{len(faults)} weights are missing or of another shape, such as {sorted(map(str, faults))[0]}"
        )
    if (broken := weight_files.broken(net.state_dict())) is not None:
        raise ValueError(f"its {broken} has values that are no finite numbers")
    processor = _processor(name, config.model_type, where)
    labels = None if asked else {int(i): str(label) for i, label in config.id2label.items()}
    tokenizer = AutoTokenizer.from_pretrained(name, **where) if asked else None
    return Network(net.float().eval().requires_grad_(False), processor, labels, tokenizer)


def _processor(name: str, architecture: str, where: Mapping[str, Any]) -> Any:
    """The processor that prepares pictures for a detector; ValueError if there is none."""
    try:
        found = AutoImageProcessor.from_pretrained(name, **where)
    except (OSError, ValueError) as error:
        if architecture == "detr":  # a folder with weights alone: DETR's own preparation
            return DetrImageProcessor()
        raise ValueError(
            "has no image processor, so nothing says how it wants its pictures; add the preprocessor_config.json of the "
            "model that it was trained from"
        ) from error
    if not hasattr(found, "post_process_object_detection"):
        raise ValueError(
            f"its image processor, {type(found).__name__}, is none of a detector; use that of its architecture"
        )
    return found


def save(converted: Converted, folder: Path, *, labels: Sequence[str], notes: dict[str, Any]) -> None:
    """Write converted weights as a model folder of transformers.

    Args:
        labels: names of the head's outputs but the last (no-object), in order.
        notes: kept in the configuration under `ezhoi`.
    """
    from safetensors.torch import save_file

    names = dict(enumerate(labels))
    values: dict[str, Any] = converted.sizes | {
        "use_timm_backbone": False,
        "use_pretrained_backbone": False,
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
        "architectures": ["DetrForObjectDetection"],
        "ezhoi": notes,
    }
    backbone: dict[str, Any] = values.pop("backbone") | {"out_features": ["stage4"]}
    config = DetrConfig(backbone_config=ResNetConfig(**backbone), **values)
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    DetrImageProcessor().save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in converted.weights.items()}, folder / "model.safetensors", {"format": "pt"})
