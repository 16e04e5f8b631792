"""The configured detector, its identity, and checkpoints of other code made into model folders.

`detector.json` of the `detections` artifact says whose boxes they are; later stages pass it on to the report:

    source       hub, parquet, coco, ground_truth or noisy_truth
    name         of the model or the file
    digest       of its weights, or of the imported file
    kind         coco, hico, world or annotation, as `leakage.json` tells them apart; null if not known
    trained_on   the same in words: a detector that has seen the unseen objects makes another experiment
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.boxes import labels as naming
from pipeline.errors import ConfigError, DataError
from pipeline.store import digest
from pipeline.vocabulary.coco import COCO
from pipeline.vocabulary.vocabulary import PERSON, Object, Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.detector import Detection, Detector, Network
    from models.detr_checkpoint import Converted
    from pipeline.config.sources import Source
    from pipeline.config.tree import Config

ObjectOrder = Literal["coco80", "alphabetical"]
COCO_OUTPUTS, HICO_OUTPUTS = 92, 81
CATEGORIES: dict[int | None, str] = {number: name.replace(" ", "_") for name, number in COCO.items()}
"""COCO's categories by id, in the order of COCO-80: what the heads of its detectors mean."""
FILE = "detector.json"
TRAINED_ON = {"coco": "COCO", "hico": "COCO, then HICO-DET with all 80 objects", None: "data not known"}


class OpenDetector:
    """A detector that looks at pictures outside of any stage.

    Attributes:
        identity: whose boxes they are, as `detector.json` has it.
    """

    def __init__(self, net: Detector, identity: Mapping[str, Any]) -> None:
        self._net, self.identity = net, identity

    def detect(self, pictures: Sequence[Image]) -> list[Detection]:
        """Of each RGB picture boxes (n, 4) as x1, y1, x2, y2 in its pixels, scores (n,) and the vocabulary's object ids (n,).

        No threshold is applied; at most `models.detector.MOST` boxes a picture, the surest.
        """
        return self._net.detect([self._net.prepare(picture) for picture in pictures])


def open_detector(config: Config, vocabulary: Vocabulary, *, called: str | None = None) -> OpenDetector:
    """The detector that `detections.weights` names, for the objects that the vocabulary's classes name, on `device`.

    Args:
        called: as of `load`.

    Raises:
        ConfigError: `detections.source` names no detector that could look at a picture.
        DataError: the detector cannot be loaded, or does not know an object.
    """
    if config.detections.source != "hub":
        raise ConfigError(
            f"detections.source = {config.detections.source} looks at no picture; set detections.source=hub and "
            "detections.weights to a detector's name on the hub or to its folder"
        )
    net = load(config, vocabulary.objects, {PERSON, *(hoi.object_id for hoi in vocabulary.classes)}, called=called)
    return OpenDetector(net, identity(config, net))


def load(
    config: Config, objects: Sequence[Object], wanted: Collection[int] | None = None, *, called: str | None = None
) -> Detector:
    """The configured detector on the configured device; DataError or ConfigError saying what is wrong with it.

    Args:
        objects: the vocabulary's, position = object id.
        wanted: ids of the objects that it has to know, and that it is asked for if it is asked; None: all.
        called: what messages call the choice of the detector, where no key of a configuration makes it.
    """
    from pipeline.work.torch_device import device

    weights = config.detections.weights
    where = called or f"detections.weights = {weights}"
    if weights.path is not None and weights.path.suffix in (".pth", ".pt"):
        raise ConfigError(
            f"{where} is a checkpoint of the original code. Make a model folder of it first:"
            f" `ezhoi detector convert {weights} --out FOLDER`, then name FOLDER in its place"
        )
    try:
        if weights.path is not None and weights.path.suffix == ".safetensors":
            return _of_file(weights.path, objects, wanted, device(config))
        return _loaded(weights.text, config.detections.revision or "main", objects, wanted, device(config))
    except OSError as error:
        raise DataError(f"{where}: cannot be loaded ({str(error).splitlines()[0]})") from error
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _of_file(path: Path, objects: Sequence[Object], wanted: Collection[int] | None, device: Any) -> Detector:
    """The project's own kind of detector; OSError or ValueError saying what is wrong with it."""
    import torch

    from models import fcos

    trained = fcos.read(path)
    serves = naming.serving(dict(enumerate(trained.labels)), objects, wanted)
    return fcos.FcosDetector(trained, torch.from_numpy(serves), device)


def _loaded(
    name: str, revision: str, objects: Sequence[Object], wanted: Collection[int] | None, device: Any
) -> Detector:
    """The detector of that name; OSError or ValueError saying what is wrong with it."""
    import torch

    from models import detector, questions

    network = detector.read(name, revision=revision)
    if network.labels is None:
        asked = sorted(range(len(objects)) if wanted is None else wanted)
        found = questions.of_names(network, {i: objects[i].noun for i in asked}, len(objects))
    else:
        found = questions.of_labels(torch.from_numpy(naming.serving(network.labels, objects, wanted)))
    return detector.HubDetector(network, found, notes=_notes(network), device=device)


def _notes(network: Network) -> dict[str, Any]:
    """What is known of a detector of transformers: the revision, and what it was trained on, as `identity` has it."""
    kept = network.net.config
    kind = (getattr(kept, "ezhoi", None) or {}).get("kind")
    words = TRAINED_ON[None]
    if network.labels is None:
        words += "; asked for objects by name"
    elif kind is None:
        names = {i: naming.key(label) for i, label in network.labels.items()}
        if all(names.get(number) == naming.key(name) for number, name in naming.CATEGORIES.items() if number):
            kind = "coco"  # COCO's own numbers with their gaps, which nothing trained on other data has
        elif set(names.values()) == {naming.key(name) for name in COCO}:
            words += "; its labels are COCO's"
    revision = getattr(kept, "_commit_hash", None)
    return {"revision": revision, "kind": kind, "trained_on": TRAINED_ON[kind] if kind else words}


def identity(config: Config, loaded: Detector | None = None) -> dict[str, Any]:
    """What `detector.json` says; `loaded` is the detector where one was run."""
    settings = config.detections
    found: dict[str, Any] = {"source": settings.source}
    if loaded is not None:
        notes = loaded.notes
        found |= {
            "name": _name(settings.weights),
            "revision": settings.revision or notes["revision"],
            "digest": loaded.digest(),
            "outputs": loaded.outputs,
            "kind": notes["kind"],
            "trained_on": settings.trained_on or notes["trained_on"],
        }
    elif settings.source in ("parquet", "coco") and settings.path is not None:
        found |= {"name": settings.path.name, "digest": digest.of_path(settings.path)}
        found |= {"kind": None, "trained_on": settings.trained_on or TRAINED_ON[None]}
    else:
        errors = " with simulated errors" if settings.source == "noisy_truth" else ""
        found |= {
            "name": settings.source,
            "kind": "annotation",
            "note": f"annotated boxes{errors}; no detector was run",
        }
    return found


def _name(weights: Source) -> str:
    """The name that the project or a hub has for a detector, or that of its file or folder."""
    return weights.path.name if weights.path is not None and not weights.packaged else weights.text


def line(found: dict[str, Any]) -> str:
    """The identity as a report's one line."""
    if "digest" not in found:
        return str(found["note"])
    return f"{found['name']} ({found['source']}, {found['digest'][:12]}; trained on {found['trained_on']})"


def convert(path: Path, *, order: ObjectOrder) -> tuple[Converted, list[str], dict[str, Any]]:
    """A checkpoint of the original DETR code, the labels of its head and what is to be noted of it.

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
    from models import detector
    from pipeline.tables.tensors import refused_as_usual

    with refused_as_usual(folder):
        detector.save(converted, folder, labels=labels, notes=notes)
    try:
        detector.read(str(folder))
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from error
