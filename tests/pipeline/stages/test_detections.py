"""The tables of boxes, and a true DETR with random weights through the real loading code on real photographs."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import words
from PIL import Image
from split_tables import one_a_split
from transformers import DetrImageProcessor

from pipeline.boxes import converted_detector
from pipeline.config.loading import load
from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import graph
from pipeline.engine.stage import source_digest
from pipeline.errors import ConfigError, DataError
from pipeline.stages import detections
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work
from tests.models.original_detr import build

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "images"
IMAGES = pd.DataFrame({"image_id": [1, 2, 3], "width": 256, "height": 192, "split": "train"})
BOXES = pd.DataFrame(
    [(1, 0, 10, 10, 60, 150), (1, 17, 50, 60, 200, 180), (2, 0, 0, 0, 40, 100)],
    columns=["image_id", "object_id", "x1", "y1", "x2", "y2"],
)


def test_false_boxes_have_the_objects_of_the_datasets_classes(tmp_path: Path, artifact: Callable) -> None:
    """People, although every class names another object; and objects that no image shows."""
    pairs = pd.DataFrame(columns=["image_id", "hoi_id", "object_id", *(f"{s}{c}" for s in "ho" for c in CORNERS)])
    pairs = pairs.astype("float64").assign(split="test")
    images = IMAGES.assign(file_name="none.jpg", split=["train", "train", "test"])
    made = artifact(tmp_path / "a", **one_a_split(images=images, objects=BOXES.assign(split="train"), pairs=pairs))
    settings = ("detections.source=noisy_truth", "detections.false_boxes=30", "detections.miss=0.99")
    hois = [hoi.hoi_id for hoi in HICO.classes if hoi.object_id in (17, 56)]
    work = work_in(tmp_path, made, *settings, vocabulary=HICO.subset(hois))
    detections.run(work)
    assert set(pd.read_parquet(work.out / "train.parquet")["object_id"]) == {0, 17, 56}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DETR of the true architecture, random weights, saved as the fine-tuning code does and converted."""
    folder = tmp_path_factory.mktemp("detr")
    torch.save({"model_state_dict": build().state_dict(), "epoch": 29}, folder / "detr-r50-hicodet.pth")
    converted, labels, notes = converted_detector.convert(folder / "detr-r50-hicodet.pth", order="coco80")
    converted_detector.save(converted, folder / "model", labels=labels, notes=notes)
    small = DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})  # as a model folder may have it
    small.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture
def photographs(tmp_path: Path, artifact: Callable) -> Artifact:
    """Annotations of the real photographs: one in the test split, with its real pair; the others in train."""
    paths = sorted(PHOTOGRAPHS.rglob("*.jpg"))
    if not paths:
        pytest.skip(f"{PHOTOGRAPHS} is not there: no photographs to look at")
    rows = [(i, "test" if "HICO" in p.name else "train", str(p), *Image.open(p).size) for i, p in enumerate(paths)]
    test_id = next(i for i, split, *_ in rows if split == "test")
    (known,) = json.loads((PHOTOGRAPHS / "hico" / "annotations.json").read_text()).values()
    human, thing = known["annotation"]["boxes_h"][0], known["annotation"]["boxes_o"][0]
    corners = ["x1", "y1", "x2", "y2"]
    boxes = pd.DataFrame([(test_id, 0, *human), (test_id, 56, *thing)], columns=["image_id", "object_id", *corners])
    pairs = pd.DataFrame(
        [(test_id, "test", 89, 56, *human, *thing)],
        columns=["image_id", "split", "hoi_id", "object_id", *(f"{s}{c}" for s in "ho" for c in corners)],
    )
    images = pd.DataFrame(rows, columns=["image_id", "split", "file_name", "width", "height"])
    boxes["split"] = "test"
    return artifact(tmp_path / "annotations", **one_a_split(images=images, objects=boxes, pairs=pairs))


def work_in(folder: Path, annotations: Artifact, *more: str, vocabulary: Vocabulary = HICO) -> Work:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = load(overrides=["device=cpu", "detections.source=hub", *more], environment={})
    inputs = {"annotations": annotations, "vocabulary": words.artifact(folder / "vocabulary", vocabulary)}
    return Work(stage="detections", config=config, inputs=inputs, out=folder / "out", scratch=folder / "scratch")


def test_every_query_of_every_photograph_is_kept_raw(tmp_path: Path, photographs: Artifact, folder: Path) -> None:
    work = work_in(tmp_path, photographs, f"detections.weights={folder}")
    metrics = detections.run(work)
    assert (metrics["train_boxes"], metrics["test_boxes"], metrics["left_out"]) == (90, 10, [])
    assert sorted(p.name for p in work.out.iterdir()) == [
        "detector.json",
        "report.json",
        "test.parquet",
        "train.parquet",
    ]
    found = pd.read_parquet(work.out / "train.parquet")
    assert found["object_id"].between(0, 79).all() and found["score"].between(0, 1).all()
    assert (found["x2"] > found["x1"]).all() and (found["y2"] > found["y1"]).all()
    sizes = photographs.table("train-images.parquet").set_index("image_id")
    centre = (found["x1"] + found["x2"]) / 2
    assert centre.between(0, sizes.loc[found["image_id"], "width"].to_numpy()).all()
    whose = json.loads((work.out / "detector.json").read_text())
    assert whose["trained_on"] == "COCO, then HICO-DET with all 80 objects" and whose["outputs"] == 81
    assert whose["digest"][:12] in metrics["detector"]
    report = json.loads((work.out / "report.json").read_text())
    assert (report["boxes"]["annotated"], report["pairs"]["annotated"]) == (2, 1)


def test_boxes_do_not_depend_on_where_the_weights_lie(tmp_path: Path, photographs: Artifact, folder: Path) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(folder)
    runs = [
        (work_in(tmp_path / name, photographs, f"detections.weights={path}"), path)
        for name, path in (("a", folder), ("b", moved))
    ]
    digests = []
    for work, _ in runs:
        detections.run(work)
        digests.append(json.loads((work.out / "detector.json").read_text())["digest"])
    assert digests[0] == digests[1]
    assert (runs[0][0].out / "test.parquet").read_bytes() == (runs[1][0].out / "test.parquet").read_bytes()


def test_thresholds_change_without_detecting_anew() -> None:
    stage = graph.stage("detections")
    settings = [load(overrides=[f"pairing.score_threshold={t}"], environment={}) for t in (0.1, 0.3)]
    assert stage.config_subset(settings[0]) == stage.config_subset(settings[1])
    assert not any("pairing" in key for key in stage.declared())


def test_other_weights_under_the_same_path_are_other_boxes(tmp_path: Path) -> None:
    config = load(overrides=["detections.source=hub", f"detections.weights={tmp_path}"], environment={})
    (tmp_path / "model.safetensors").write_bytes(b"one")
    weights = graph.stage("detections").sources(config)["detections.weights"]
    first = source_digest(weights)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights.path == tmp_path and source_digest(weights) != first


def test_what_is_no_detector_is_named(tmp_path: Path, photographs: Artifact) -> None:
    with pytest.raises(DataError, match=r"detections\.weights = .*nowhere: cannot be loaded"):
        detections.run(work_in(tmp_path, photographs, f"detections.weights={tmp_path / 'nowhere'}"))
    with pytest.raises(ConfigError, match=r"ezhoi detector convert detr\.pth"):
        detections.run(work_in(tmp_path, photographs, "detections.weights=detr.pth"))


def test_ground_truth_and_simulated_boxes_say_that_no_detector_was_run(tmp_path: Path, photographs: Artifact) -> None:
    exact = detections.run(work_in(tmp_path / "a", photographs, "detections.source=ground_truth"))
    assert exact["detector"] == "annotated boxes; no detector was run"
    assert (exact["ap"], exact["pair_recall_ceiling"]) == (100, 100)
    noisy = detections.run(work_in(tmp_path / "b", photographs, "detections.source=noisy_truth"))
    assert noisy["detector"] == "annotated boxes with simulated errors; no detector was run"
