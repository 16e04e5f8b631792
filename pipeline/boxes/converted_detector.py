"""Checkpoints of the original DETR code, made into model folders of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import DataError
from pipeline.store import digest
from pipeline.vocabulary.coco import COCO

if TYPE_CHECKING:
    from models.detr_checkpoint import Converted

ObjectOrder = Literal["coco80", "alphabetical"]
COCO_OUTPUTS, HICO_OUTPUTS = 92, 81
CATEGORIES: dict[int | None, str] = {number: name.replace(" ", "_") for name, number in COCO.items()}
"""COCO's categories by id, in the order of COCO-80: the meaning of its detectors' outputs."""


def convert(path: Path, *, order: ObjectOrder) -> tuple[Converted, list[str], dict[str, Any]]:
    """Convert a checkpoint of the original DETR code: its weights, the labels of its head, and the notes to store with it.

    `order` is the object order of an 81-class head (80 objects and no-object): the public fine-tuning code of UPT turns
    HICO's own, alphabetical order into COCO's before it trains, so its heads are `coco80`. A 92-class head is COCO's.
    """
    from models import detr_checkpoint

    try:
        checkpoint = detr_checkpoint.read(path)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(str(error)) from error
    try:
        converted = detr_checkpoint.convert(detr_checkpoint.unwrap(checkpoint))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    if "dc5" in path.name.lower():
        raise DataError(
            f"{path}: a DC5 checkpoint has the keys of a plain one but dilates its last stage; not supported"
        )
    notes: dict[str, Any] = {"converted_from": digest.of_file(path)}
    if converted.outputs == COCO_OUTPUTS:
        return converted, [CATEGORIES.get(i, f"N/A {i}") for i in range(COCO_OUTPUTS - 1)], notes | {"kind": "coco"}
    if converted.outputs != HICO_OUTPUTS:
        raise DataError(
            f"{path}: its class head has {converted.outputs} outputs; known are {HICO_OUTPUTS} (fine-tuned on HICO-DET) and"
            f" {COCO_OUTPUTS} (COCO)"
        )
    labels = list(CATEGORIES.values()) if order == "coco80" else sorted(CATEGORIES.values())
    notes |= {"kind": "hico", "object_order": order}
    return converted, labels, notes


def save(converted: Converted, folder: Path, *, labels: list[str], notes: dict[str, Any]) -> None:
    """Write the model folder and load it again: DataError if a weight of the architecture did not arrive."""
    from models import hub_detector
    from pipeline.tables.tensors import refused_as_usual

    with refused_as_usual(folder):
        hub_detector.save(converted, folder, labels=labels, notes=notes)
    try:
        hub_detector.read(str(folder))
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from error
