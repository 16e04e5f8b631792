"""The configured detector, opened to find objects in pictures, in a stage or outside of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.boxes import labels as naming
from pipeline.boxes.detector_identity import TRAINED_ON, identity
from pipeline.errors import ConfigError, DataError
from pipeline.vocabulary.coco import COCO
from pipeline.vocabulary.vocabulary import PERSON, Object, Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

    from models.detector import Detection, Detector
    from models.hub_detector import Network
    from pipeline.config.tree import Config


class OpenDetector:
    """A detector that finds objects in pictures outside of any stage.

    Attributes:
        identity: whose boxes they are, as `detector.json` has it.
    """

    def __init__(self, net: Detector, identity: Mapping[str, Any]) -> None:
        self._net, self.identity = net, identity

    def detect(self, pictures: Sequence[Image]) -> list[Detection]:
        """Find the objects of each RGB picture: boxes (n, 4) as x1, y1, x2, y2 in its pixels, scores (n,), object ids (n,).

        Ids are the vocabulary's. No threshold is applied; a picture has at most `models.detector.MOST` boxes, those with the
        highest scores.
        """
        return self._net.detect([self._net.prepare(picture) for picture in pictures])


def open_detector(config: Config, vocabulary: Vocabulary, *, called: str | None = None) -> OpenDetector:
    """The detector that `detections.weights` names, for the objects that the vocabulary's classes name, on `device`.

    Args:
        called: see `load`.

    Raises:
        ConfigError: `detections.source` names no detector that could be given a picture.
        DataError: the detector cannot be loaded, or does not know an object.
    """
    if config.detections.source != "hub":
        raise ConfigError(
            f"detections.source = {config.detections.source} is no detector that can be run; set detections.source=hub and "
            "detections.weights to a detector's name on the hub or to its folder"
        )
    net = load(config, vocabulary.objects, {PERSON, *(hoi.object_id for hoi in vocabulary.classes)}, called=called)
    return OpenDetector(net, identity(config, net))


def load(
    config: Config, objects: Sequence[Object], wanted: Collection[int] | None = None, *, called: str | None = None
) -> Detector:
    """Load the configured detector on the configured device; DataError or ConfigError saying what is wrong with it.

    Args:
        objects: the vocabulary's objects; position = object id.
        wanted: ids of the objects that the detector has to know or, if it takes texts, is asked for; None: all.
        called: how messages name the choice of the detector where it was not made by a key of a configuration.
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

    from models import hub_detector, questions

    network = hub_detector.read(name, revision=revision)
    if network.labels is None:
        asked = sorted(range(len(objects)) if wanted is None else wanted)
        found = questions.of_names(network, {i: objects[i].noun for i in asked}, len(objects))
    else:
        found = questions.of_labels(torch.from_numpy(naming.serving(network.labels, objects, wanted)))
    return hub_detector.HubDetector(network, found, notes=_notes(network), device=device)


def _notes(network: Network) -> dict[str, Any]:
    """What is known of a detector of transformers: the revision, and what it was trained on, as `detector.json` has it."""
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
