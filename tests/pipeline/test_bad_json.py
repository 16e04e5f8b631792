"""Files of others with a wrong value at any place: an error of ours, or it is taken for what it means."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bad_json import changed

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.own import annotated
from pipeline.errors import EzhoiError
from pipeline.metrics import annotations, comparison, detections, evaluated
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.crosshoi import questions
from pipeline.metrics.formats import named
from pipeline.metrics.matching import Pairs
from pipeline.metrics.vcoco import detections as placing
from pipeline.metrics.vcoco import exchange, people

OWN = Path(__file__).parent / "datasets" / "own" / "data"
NAME = "COCO_val2014_000000000001.jpg"
BOX = [0, 0, 9, 9]
PAIR_FILE = {
    "annotations": [{"file_name": NAME, "boxes_h": [BOX], "boxes_o": [BOX], "actions": [0], "objects": [42]}],
    "classes": ["hold obj", "look obj"],
    "action_to_object": [],
}
SG = {
    "file_name": NAME,
    "annotations": [{"bbox": BOX, "category_id": 1}],
    "hoi_annotation": [{"subject_id": 0, "object_id": -1, "category_id": 5}],
}
LABELS = {"action_name": "hold", "role_name": ["agent", "obj"], "image_id": [1], "ann_id": [7], "label": [1]}
COCO = {
    "images": [{"id": 1, "file_name": NAME, "width": 100, "height": 100}],
    "annotations": [{"id": i, "image_id": 1, "category_id": 1, "bbox": BOX, "area": 9} for i in (7, 8)],
}
OFFICIAL = {"image_id": 1, "person_box": BOX, "hold_agent": 0.5, "hold_obj": [*BOX, 0.5]}
RESULT = {"image_id": 1, "file_name": "a.jpg", "category_id": 3, "score": 0.5, "human_bbox": BOX, "object_bbox": BOX}
QPIC = {
    "file_name": "a.jpg",
    "predictions": [{"bbox": BOX, "category_id": 1}, {"bbox": BOX, "category_id": 4}],
    "hoi_prediction": [{"subject_id": 0, "object_id": 1, "category_id": 5, "score": 0.5}],
}
NAMED = {"h_boxes": [BOX], "o_boxes": [BOX], "ho_scores": [0.5], "ao_names": ["ride a horse"]}
BOXES = {"human": BOX, "object": BOX, "object_class": "horse"}
QUESTION = {"gt_choices": ["ride a horse"], "wrong_choices": ["feed a horse"], "boxes": BOXES}
PPDM = SG | {"file_name": "a.jpg", "width": 9, "height": 9}
RELATION = {"type": "relation", "from_id": "ab", "to_id": "ab", "direction": "right", "labels": ["hold"]}
REPORT = {
    "protocol": "official",
    "mode": "default",
    "setting": "default",
    "results": [{"switches": {"rule": "exact"}}],
    "per_class": [{"hoi_id": 0, "name": "ride horse", "unseen": False, "rare": False, "test_pairs": 1}],
    "counts": {"images": 1},
    "notes": ["a note"],
    "detector": {"name": "detr"},
}


def _region(name: str) -> dict[str, Any]:
    """A box of Label Studio."""
    value = {"x": 1, "y": 2, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["person"]}
    sizes = {"original_width": 100, "original_height": 100, "image_rotation": 0}
    return {"id": name, "type": "rectanglelabels", "value": value, **sizes}


def _task(*result: dict[str, Any]) -> dict[str, Any]:
    """A task of Label Studio with one annotation."""
    return {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 1, "completed_by": 1, "result": list(result)}]}


def _people(path: Path) -> None:
    people.read(path, path.with_name("coco.json"))


def _coco(path: Path) -> None:
    people.read(path.with_name("labels.json"), path)


def _official(path: Path) -> None:
    truth = people.read(path.with_name("pairs.json"))
    roles, _ = exchange.read(path)
    placing.place(roles, truth)


def _detections(path: Path) -> None:
    import numpy as np

    one = np.array([[0.0, 0, 9, 9]])
    pairs = Pairs(image=np.array([0]), hoi=np.array([2]), human=one, object=one)
    images = pd.DataFrame({"file_name": ["a.jpg"], "image_id": [1]})
    detections.check(detections.read(path, HICO)[0], Annotations(pairs=pairs, images=images, complete=True))


def _compared(path: Path) -> None:
    shutil.copy(path, path.with_name(evaluated.REPORT))
    found = evaluated.load(path.parent)
    comparison.compare(found, found, resamples=10)


def _own(path: Path) -> None:
    annotated.read(path).problems.stop_if_any()


@pytest.mark.parametrize(
    ("document", "door"),
    [
        pytest.param(PAIR_FILE, _people, id="V-COCO's pairs"),
        pytest.param([SG], _people, id="V-COCO-SG"),
        pytest.param([LABELS | {"role_object_id": [7, 8]}], _people, id="V-COCO's labels"),
        pytest.param(COCO, _coco, id="COCO's instances"),
        pytest.param([OFFICIAL], _official, id="V-COCO's official list"),
        pytest.param([RESULT], _detections, id="COCO's results"),
        pytest.param([QPIC], _detections, id="QPIC"),
        pytest.param({"preds": [QPIC]}, _detections, id="GEN-VLKT"),
        pytest.param({"a.jpg": NAMED}, _detections, id="named classes"),
        pytest.param({"a.jpg": NAMED}, named.by_image, id="CrossHOI-Bench's answers"),
        pytest.param({"a.jpg": QUESTION}, questions.read, id="CrossHOI-Bench's questions"),
        pytest.param([SG], annotations.read, id="PPDM's annotations"),
        pytest.param(REPORT, _compared, id="the report of an evaluation"),
        pytest.param([_task(_region("ab"), RELATION)], _own, id="Label Studio"),
        pytest.param([_task(RELATION, _region("ab"))], _own, id="Label Studio's relations"),
        pytest.param([PPDM], _own, id="PPDM"),
    ],
)
def test_a_wrong_value_at_any_place_is_no_fault_of_ours(
    document: Any, door: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "coco.json").write_text(json.dumps(COCO))
    (tmp_path / "labels.json").write_text(json.dumps([LABELS | {"role_object_id": [7, 8]}]))
    (tmp_path / "pairs.json").write_text(json.dumps(PAIR_FILE))
    rows = pd.DataFrame({"image": [0], "hoi_id": [0], "score": [0.5], "hit": [True]})
    rows.to_parquet(tmp_path / evaluated.JUDGED)
    rows.to_parquet(tmp_path / evaluated.ANNOTATED)
    for name in ("vocabulary.yaml", "ppdm/ids.yaml"):
        shutil.copy(OWN / name, tmp_path)
    path = tmp_path / "given.json"
    for place, value in changed(document):
        path.write_text(json.dumps(value))
        try:
            door(path)
        except EzhoiError:
            pass
        except Exception as error:
            raise AssertionError(f"{place}: {str(value)[:300]}") from error
