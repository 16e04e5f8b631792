"""The configured detector: opened for pictures, and what is said of it."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.boxes import configured_detector, detector_identity
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError, DataError
from pipeline.vocabulary.coco import COCO
from tests.models.small_detectors import asked, labelled

RIDE = HICO.subset([HICO.find("ride horse").hoi_id])
"""A vocabulary of one class; its objects are HICO-DET's 80."""
WITH_GAPS = [next((name for name, number in COCO.items() if number == i), "N/A") for i in range(91)]


def config(folder: Path, *more: str) -> Config:
    return load(
        overrides=["device=cpu", "detections.source=hub", f"detections.weights={folder}", *more], environment={}
    )


def test_a_detector_is_opened_for_pictures(tmp_path: Path) -> None:
    folder = labelled("rt_detr", ["horse", "person", "lamp"], tmp_path / "ours")
    found = configured_detector.open_detector(config(folder), RIDE)
    (boxes, scores, objects), _ = found.detect([Image.new("RGB", (90, 60)), Image.new("RGB", (50, 80))])
    assert boxes.shape == (len(scores), 4) and set(objects.tolist()) <= {0, HICO.object_names.index("horse")}
    assert {k: found.identity[k] for k in ("source", "name", "outputs", "kind", "trained_on")} == {
        "source": "hub",
        "name": "ours",
        "outputs": 3,
        "kind": None,
        "trained_on": "data not known",
    }


def test_a_detector_is_asked_for_the_objects_of_the_classes(tmp_path: Path) -> None:
    found = configured_detector.open_detector(config(asked("owlv2", tmp_path)), RIDE)
    ((_, _, objects),) = found.detect([Image.new("RGB", (90, 60))])
    assert set(objects.tolist()) <= {0, HICO.object_names.index("horse")}
    assert found.identity["outputs"] == 2 and "asked for objects by name" in found.identity["trained_on"]


def test_what_it_was_trained_on_is_told_by_labels_by_notes_or_by_the_user(tmp_path: Path) -> None:
    gaps = labelled("yolos", WITH_GAPS, tmp_path / "gaps")
    assert configured_detector.open_detector(config(gaps), HICO).identity["kind"] == "coco"
    plain = labelled("yolos", list(COCO), tmp_path / "plain")
    said = configured_detector.open_detector(config(plain), HICO).identity
    assert (said["kind"], said["trained_on"]) == (None, "data not known; its labels are COCO's")
    told = configured_detector.open_detector(
        config(plain, "detections.trained_on=Objects365, then COCO"), HICO
    ).identity
    assert told["trained_on"] == "Objects365, then COCO"
    assert detector_identity.line(told).endswith("trained on Objects365, then COCO)")


def test_what_cannot_look_or_lacks_an_object_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"noisy_truth is no detector that can be run; set detections\.source=hub"):
        configured_detector.open_detector(load(environment={}), RIDE)
    folder = labelled("yolos", ["person", "lamp"], tmp_path)
    with pytest.raises(DataError, match=r"detections\.weights = .*: its labels lack 1 of the 2 objects: 'horse'"):
        configured_detector.open_detector(config(folder), RIDE)
