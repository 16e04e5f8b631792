"""Exports read by others: pycocotools on COCO files, our own reader on the canonical Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layout_writers as written
import pyarrow.parquet as pq
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.config import loading
from pipeline.datasets import export
from pipeline.datasets.dataset import SPLITS
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import run
from pipeline.errors import DataError
from pipeline.metrics import annotations
from pipeline.store.artifact import Artifact

TRAIN, TEST = "HICO_train2015_00000007.jpg", "HICO_test2015_00000009.jpg"
HUMAN, HORSE = (1, 2, 20, 40), (5, 7, 64, 48)
DATA = written.canonical(
    [(TRAIN, 64, 48), (TEST, 64, 48), ("HICO_test2015_00000010.jpg", 30, 30)],
    [(TRAIN, HICO.find("ride horse").hoi_id, HUMAN, HORSE)]
    + [(TEST, HICO.find(name).hoi_id, HUMAN, HORSE) for name in ("ride horse", "hold horse")],
)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Artifact]:
    """Annotations of the tiny dataset, and its boxes as detections."""
    written.matlab(tmp_path / "anno_bbox.mat", DATA)
    settings = [f"data.root={tmp_path}", f"store.root={tmp_path / 'store'}", "detections.source=ground_truth"]
    configuration = loading.load(profile="hico-vitb", overrides=settings, environment={})
    return {name: o.artifact for name, o in run.run(configuration, targets=("detections",)).items()}


def test_coco_files_are_read_by_pycocotools(made: dict[str, Artifact], tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "coco"
    told = export.coco(made["annotations"], out, vocabulary=HICO, detections=made["detections"])
    assert told[out / "instances_test.json"] == "2 images, 2 annotations, 2 pairs"
    coco = COCO(out / "instances_test.json")
    assert coco.getCatIds(catNms=["horse"]) == [19] and len(coco.getCatIds()) == 80
    assert coco.loadImgs([100_009])[0] == {
        "id": 100_009,
        "file_name": f"images/test2015/{TEST}",
        "width": 64,
        "height": 48,
        "split": "test",
    }
    boxes = {a["category_id"]: a for a in coco.loadAnns(coco.getAnnIds(imgIds=[100_009]))}
    assert boxes[1]["bbox"] == [0, 1, 20, 39] and boxes[19]["bbox"] == [4, 6, 60, 42]  # 1-based inclusive, as widths
    assert boxes[19]["area"] == 60 * 42
    relations = coco.dataset["rel_annotations"]
    assert [(r["subject_id"], r["object_id"]) for r in relations] == [(boxes[1]["id"], boxes[19]["id"])] * 2
    verbs = {verb["id"]: verb["name"] for verb in coco.dataset["rel_categories"]}
    assert {verbs[r["predicate_id"]] for r in relations} == {"ride", "hold"}
    results = coco.loadRes(str(out / "detections_test.json"))
    scores = COCOeval(coco, results, "bbox")
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == pytest.approx(1), "annotated boxes as detections are perfect"


def test_a_person_as_object_keeps_both_boxes(tmp_path: Path) -> None:
    hug = HICO.find("hug person").hoi_id
    pairs = [(name, hug, HUMAN, HORSE) for name in (TRAIN, TEST)] + [(TEST, hug, HORSE, HUMAN)]
    written.matlab(tmp_path / "anno_bbox.mat", written.canonical([(TRAIN, 64, 48), (TEST, 64, 48)], pairs))
    settings = [f"data.root={tmp_path}", f"store.root={tmp_path / 'store'}"]
    configuration = loading.load(profile="hico-vitb", overrides=settings, environment={})
    artifact = run.run(configuration, targets=("annotations",))["annotations"].artifact
    told = export.coco(artifact, tmp_path, vocabulary=HICO)
    assert told[tmp_path / "instances_test.json"] == "1 images, 2 annotations, 2 pairs"
    pairs_out = COCO(tmp_path / "instances_test.json").dataset["rel_annotations"]
    assert [(p["subject_id"], p["object_id"]) for p in pairs_out] in ([(1, 2), (2, 1)], [(2, 1), (1, 2)])


def test_parquet_is_the_source_again(made: dict[str, Artifact], tmp_path: Path) -> None:
    export.parquet(made["annotations"], tmp_path / "p")
    rows = detect.read(tmp_path / "p" / "pairs.parquet")
    assert not isinstance(rows, detect.Labels)
    written.same(rows.tables(), DATA)


def test_exported_tables_are_evaluated_against(made: dict[str, Artifact], tmp_path: Path) -> None:
    """They hold both splits, and the list of images alone says which an image is of."""
    export.parquet(made["annotations"], tmp_path / "p")
    for split, images, pairs in (("test", 2, 2), ("train", 1, 1)):
        found = annotations.read(tmp_path / "p", split=split)
        stored = annotations.of_artifact(made["annotations"], split=split, others=False)
        assert found.complete and (len(found.images), len(found.pairs)) == (images, pairs)
        assert found.images["image_id"].tolist() == stored.images["image_id"].tolist()
        assert found.pairs.human.tolist() == stored.pairs.human.tolist()
        assert found.pairs.hoi.tolist() == stored.pairs.hoi.tolist()
    assert TRAIN in annotations.read(tmp_path / "p").elsewhere


def test_parquet_is_for_hico_alone(made: dict[str, Artifact], tmp_path: Path) -> None:
    settings = [f"store.root={tmp_path / 'world'}", "data.world.train_images=1", "data.world.test_images=1"]
    configuration = loading.load(overrides=settings, environment={})
    artifact = run.run(configuration, targets=("annotations",))["annotations"].artifact
    with pytest.raises(DataError, match="Use --format coco"):
        export.parquet(artifact, tmp_path / "p")
    export.coco(artifact, tmp_path / "c", vocabulary=HICO)
    training = len(artifact.table("train-pairs.parquet"))
    assert len(COCO(tmp_path / "c" / "instances_train.json").dataset["rel_annotations"]) == training
    assert artifact.json("leakage.json")["uo"]["labels"]["pairs"] == training
    of_splits = [f"{split}-{name}" for split in SPLITS for name in ("images", "pairs", "objects", "presence")]
    for name in (*of_splits, "classes", "test-counts"):
        schemas = [pq.read_schema(a.path(f"{name}.parquet")) for a in (artifact, made["annotations"])]
        assert schemas[0].equals(schemas[1]), f"{name}.parquet is not alike for both worlds"
        assert schemas[0].metadata[b"box_convention"] == b"continuous"
