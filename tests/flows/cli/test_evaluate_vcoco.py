"""`ezhoi evaluate vcoco`, as its user gives it files."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
NAME = "COCO_val2014_000000000001.jpg"


def call(*words: Any) -> Any:
    result = CliRunner().invoke(app, list(map(str, ["evaluate", "vcoco", *words])), catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    row = pd.DataFrame([[0, 0, 9, 9, 5, 5, 20, 20]], columns=BOXES).assign(file_name=NAME, role="hold obj", score=0.5)
    row.to_parquet(tmp_path / "d.parquet")
    return tmp_path / "d.parquet"


@pytest.fixture
def labels(tmp_path: Path) -> list[Any]:
    """A person who holds something, and COCO's boxes of both."""
    hold = {"action_name": "hold", "role_name": ["agent", "obj"], "image_id": [1], "ann_id": [7], "label": [1]}
    boxes = [(7, 1, [0, 0, 10, 10]), (8, 44, [5, 5, 16, 16])]
    coco = {
        "images": [{"id": 1, "file_name": NAME, "width": 100, "height": 100}],
        "annotations": [{"id": i, "image_id": 1, "category_id": c, "bbox": box, "area": 9} for i, c, box in boxes],
    }
    (tmp_path / "vcoco_val.json").write_text(json.dumps([hold | {"role_object_id": [7, 8]}]))
    (tmp_path / "instances.json").write_text(json.dumps(coco))
    return ["-a", tmp_path / "vcoco_val.json", "--coco", tmp_path / "instances.json"]


def test_a_pair_file_says_what_it_lacks(tmp_path: Path, detections: Path) -> None:
    entry = {"file_name": NAME, "boxes_h": [[0, 0, 9, 9]], "boxes_o": [[5, 5, 20, 20]], "actions": [0], "objects": [42]}
    content = {"annotations": [entry], "classes": ["hold obj", "look obj"], "action_to_object": []}
    (tmp_path / "v.json").write_text(json.dumps(content))
    result = call("-d", detections, "-a", tmp_path / "v.json")
    assert result.stdout.splitlines()[-1].split() == ["mean", "100.00", "100.00"]
    assert "is a pair file" in result.stderr and "not the published number" in result.stderr
    report = json.loads(call("-d", detections, "-a", tmp_path / "v.json", "--json").stdout)
    assert report["scenario_2"]["roles"] == {"hold obj": 100, "look obj": None} and "agent" not in report


def test_labels_and_coco_and_the_official_list(tmp_path: Path, detections: Path, labels: list[Any]) -> None:
    agents = pd.read_parquet(detections)[["file_name", "score", *BOXES[:4]]].assign(action="hold")
    agents.to_parquet(tmp_path / "a.parquet")
    out = tmp_path / "official.json"
    words = ["--agents", tmp_path / "a.parquet", "--absent", "nan", "--mean", "all", "--ties", "worst", "--export", out]
    report = json.loads(call("-d", detections, *labels, *words, "--json").stdout)
    assert report["scenario_1"] == {"mean": 100, "roles": {"hold obj": 100}}
    assert report["agent"] == {"mean": 100, "actions": {"hold": 100}}
    assert report["rules"] == {"absent": "nan", "mean": "all", "ties": "worst"}
    assert json.loads(out.read_text())[0]["hold_obj"] == [5, 5, 20, 20, 0.5]
    lines = call("-d", out, *labels).stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("mean")] == [
        ["mean", "100.00", "100.00"],
        ["mean", "100.00"],
    ]
    with pytest.raises(DataError, match="these labels have no boxes"):
        call("-d", detections, *labels[:2])


def test_a_model_of_hico_det_is_evaluated(tmp_path: Path, detections: Path, labels: list[Any]) -> None:
    hold = pd.read_parquet(detections).drop(columns="role").assign(hoi_id=HICO.find("hold bottle").hoi_id)
    hold.to_parquet(tmp_path / "h.parquet")
    result = call("-d", tmp_path / "h.parquet", *labels, "--classes", "hico")
    assert result.stdout.splitlines()[-1].split() == ["mean", "100.00", "100.00"]
    assert "1 detections of 1 of 24 roles were made of 1 of HICO-DET's classes" in result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.iloc[:0], "there is no detection: every AP is 0"),
        (lambda d: pd.concat([d, d]), "1 detections repeat another one exactly: each is a false positive"),
        (lambda d: pd.concat([d, d.assign(hx1=1)]), "every score is 0.5: nothing ranks the detections"),
        (lambda d: d.assign(score=7.5), "scores range from 7.5 to 7.5: only their order counts"),
        (lambda d: d.assign(**{c: 2 * d[c] + 40 for c in BOXES}), "only 0 of 1 annotated pairs are found at any score"),
    ],
)
def test_detections_that_hardly_mean_what_they_say_are_remarked_on(
    detections: Path, labels: list[Any], change: Any, said: str
) -> None:
    change(pd.read_parquet(detections)).to_parquet(detections)
    assert f"note: {said}" in call("-d", detections, *labels).stderr
    report = json.loads(call("-d", detections, *labels, "--json").stdout)
    assert any(note.startswith(said) for note in report["notes"])


def test_images_without_a_detection_are_counted(tmp_path: Path, detections: Path) -> None:
    names = [NAME, NAME.replace("1.jpg", "2.jpg")]
    entry = {"boxes_h": [[0, 0, 9, 9]], "boxes_o": [[5, 5, 20, 20]], "actions": [0], "objects": [42]}
    content = {"annotations": [entry | {"file_name": name} for name in names], "classes": ["hold obj"]}
    (tmp_path / "v.json").write_text(json.dumps(content | {"action_to_object": []}))
    result = call("-d", detections, "-a", tmp_path / "v.json")
    assert "1 of 2 images with annotated pairs have no detection: all their pairs count as missed" in result.stderr
