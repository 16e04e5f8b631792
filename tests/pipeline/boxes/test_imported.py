"""Another detector's boxes: what is taken, and how a wrong row is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.boxes import imported
from pipeline.config.detections import Detections
from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError, DataError

NAMES = ["images/train2015/a.jpg", "images/train2015/b.jpg", "images/test2015/c.jpg"]
IMAGES = pd.DataFrame({"image_id": [1, 2, 3], "file_name": NAMES, "width": 640, "height": 480})
BOXES = pd.DataFrame(
    [(1, 0, 0.5, 10, 10, 60, 150), (1, 17, 0.4, 50, 60, 200, 180), (2, 0, 0.3, 0, 0, 40, 100)],
    columns=imported.COLUMNS,
)
RESULT = {"image_id": 1, "category_id": 90, "bbox": [10.0, 20.0, 30.0, 5.5], "score": 0.25}


def parquet(tmp_path: Path, table: pd.DataFrame) -> pd.DataFrame:
    path = tmp_path / "boxes.parquet"
    table.to_parquet(path)
    return imported.read(Detections(source="parquet", path=path), IMAGES, HICO.objects)


def coco(tmp_path: Path, entries: Any) -> pd.DataFrame:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries))
    return imported.read(Detections(source="coco", path=path), IMAGES, HICO.objects)


def test_a_table_is_taken_as_it_is(tmp_path: Path) -> None:
    assert parquet(tmp_path, BOXES).equals(BOXES)


def test_images_are_found_by_name(tmp_path: Path) -> None:
    named = BOXES.drop(columns="image_id").assign(file_name=["c.jpg", NAMES[1], "a.jpg"])
    assert parquet(tmp_path, named)["image_id"].tolist() == [3, 2, 1]
    with pytest.raises(DataError, match=r"row 1: no annotated image is called 'd\.jpg'"):
        parquet(tmp_path, named.assign(file_name=["c.jpg", "d.jpg", "a.jpg"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.5}, "row 0"),
        ({"x2": 0}, "x2 > x1"),
        ({"y1": np.nan}, "finite corners"),
        ({"y2": np.inf}, "finite corners"),
        ({"object_id": 80}, r"object_id in 0\.\.79"),
        ({"image_id": 9}, "known image_id"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parquet(tmp_path, BOXES.assign(**change))


def test_missing_columns_and_missing_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"columns \['score'\] are missing"):
        parquet(tmp_path, BOXES.drop(columns="score"))
    with pytest.raises(ConfigError, match=r"needs detections\.path"):
        imported.read(Detections(source="parquet"), IMAGES, HICO.objects)
    (tmp_path / "no.parquet").write_text("text")
    with pytest.raises(DataError, match=r"no\.parquet: cannot be read as Parquet"):
        imported.read(Detections(source="parquet", path=tmp_path / "no.parquet"), IMAGES, HICO.objects)


def test_coco_results_become_corners_and_object_ids(tmp_path: Path) -> None:
    found = coco(tmp_path, [RESULT, RESULT | {"category_id": 1, "image_id": 3}])
    assert found.to_numpy().tolist() == [[1, 79, 0.25, 10, 20, 40, 25.5], [3, 0, 0.25, 10, 20, 40, 25.5]]
    with pytest.raises(DataError, match=r"results\.json: holds no box"):
        coco(tmp_path, [])
    with pytest.raises(DataError, match=r"boxes\.parquet: holds no box"):
        parquet(tmp_path, BOXES.iloc[:0])


def test_coco_results_by_file_name(tmp_path: Path) -> None:
    entry = {k: v for k, v in RESULT.items() if k != "image_id"} | {"file_name": "b.jpg"}
    assert coco(tmp_path, [entry])["image_id"].tolist() == [2]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([RESULT, RESULT | {"category_id": 12}], "entry 1: .*no object has category_id 12"),
        ([RESULT | {"bbox": [1, 2, 3]}], r"entry 0: .*bbox \[x, y, width, height\]"),
        ([{k: v for k, v in RESULT.items() if k != "score"}], "entry 0: .*'score' is missing"),
        ([RESULT | {"bbox": [1, 2, 0, 4]}], "row 0: .*needs x2 > x1"),
        ({"annotations": []}, "expected a list of results"),
    ],
)
def test_a_wrong_result_is_named(tmp_path: Path, entries: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        coco(tmp_path, entries)


def test_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("[{")
    with pytest.raises(DataError, match=r"r\.json: not valid JSON"):
        imported.read(Detections(source="coco", path=tmp_path / "r.json"), IMAGES, HICO.objects)


@pytest.mark.parametrize("index", ["image_id", "score", ["image_id", "object_id", "x1"]], ids=str)
def test_a_column_kept_as_index_is_read(tmp_path: Path, index: Any) -> None:
    BOXES.set_index(index).to_parquet(tmp_path / "boxes.parquet")
    assert imported.read(Detections(source="parquet", path=tmp_path / "boxes.parquet"), IMAGES, HICO.objects).equals(
        BOXES
    )


@pytest.mark.parametrize("kind", [str, "category", "Int64", "Float64", object])
def test_numbers_of_any_type_are_read(tmp_path: Path, kind: Any) -> None:
    whole, others = ["image_id", "object_id"], ["score", *CORNERS]
    for columns in (whole, others):
        if kind == "Int64" and columns == others:
            continue
        found = parquet(tmp_path, BOXES.assign(**{c: BOXES[c].astype(kind) for c in columns}))
        assert found.astype(float).equals(BOXES.astype(float))


@pytest.mark.parametrize("column", imported.COLUMNS)
@pytest.mark.parametrize("value", [None, "left", [1.0], "", float("nan")], ids=str)
def test_what_is_no_number_is_named(tmp_path: Path, column: str, value: Any) -> None:
    values = pd.Series([BOXES[column].tolist()[0], value, BOXES[column].tolist()[2]], dtype=object)
    if isinstance(value, str):
        values = values.map(str)
    elif isinstance(value, list):
        values = values.map(lambda v: v if isinstance(v, list) else [v])
    with pytest.raises(DataError, match=rf"boxes\.parquet, row {0 if isinstance(value, list) else 1}: "):
        parquet(tmp_path, BOXES.assign(**{column: values}))


@pytest.mark.parametrize("column", ["image_id", "object_id"])
def test_fractions_and_truths_are_no_ids(tmp_path: Path, column: str) -> None:
    for values in ([1, 0.5, 2], [True, True, False], pd.array([1, None, 2], dtype="Int64")):
        with pytest.raises(DataError, match=rf"boxes\.parquet, row [01]: {column} is .*, a whole number is needed"):
            parquet(tmp_path, BOXES.assign(**{column: values}))


@pytest.mark.parametrize(
    "change",
    [
        {"category_id": 1.5},
        {"category_id": True},
        {"category_id": None},
        {"score": None},
        {"score": True},
        {"bbox": [1, 2, "wide", 4]},
        {"bbox": 3},
    ],
    ids=str,
)
def test_wrong_types_in_results_are_named(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"results\.json, entry 1: "):
        coco(tmp_path, [RESULT, RESULT | change])
    for image_id in (1.5, True, None):
        with pytest.raises(DataError, match=r"results\.json, row 1: image_id is .*, a whole number is needed"):
            coco(tmp_path, [RESULT, RESULT | {"image_id": image_id}])


def test_a_name_may_have_windows_folders_or_be_missing(tmp_path: Path) -> None:
    named = BOXES.drop(columns="image_id").assign(file_name=["images\\c.jpg", NAMES[1], "a.jpg"])
    assert parquet(tmp_path, named)["image_id"].tolist() == [3, 2, 1]
    with pytest.raises(DataError, match="row 1: no annotated image is called"):
        parquet(tmp_path, named.assign(file_name=["a.jpg", None, "a.jpg"]))


def test_boxes_that_are_not_in_pixels_of_the_annotated_images_are_named(tmp_path: Path) -> None:
    scale = np.array([640, 480, 640, 480])
    with pytest.raises(DataError, match=r"boxes\.parquet, row 0: box .* they are fractions of their images"):
        parquet(tmp_path, BOXES.assign(**(BOXES[CORNERS] / scale)))
    with pytest.raises(DataError, match=r"boxes\.parquet, row 0: .*leaves its image of 640 x 480 pixels, as do 2 of 3"):
        parquet(tmp_path, BOXES.assign(**{c: BOXES[c] * 4 for c in CORNERS}))


def test_equal_names_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    images = IMAGES.assign(file_name=["kitchen/1.jpg", "garden/1.jpg", "garden/2.jpg"])
    path = tmp_path / "boxes.parquet"
    named = BOXES.drop(columns="image_id")
    named.assign(file_name=["garden\\1.jpg", "x/kitchen/1.jpg", "2.jpg"]).to_parquet(path)
    settings = Detections(source="parquet", path=path)
    assert imported.read(settings, images, HICO.objects)["image_id"].tolist() == [2, 1, 3]
    named.assign(file_name=["garden/1.jpg", "1.jpg", "2.jpg"]).to_parquet(path)
    with pytest.raises(DataError, match=r"'1\.jpg' may be 'kitchen/1\.jpg' or 'garden/1\.jpg'"):
        imported.read(settings, images, HICO.objects)


def test_a_name_and_an_id_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    both = BOXES.assign(file_name=["a.jpg", "x/a.jpg", "b.jpg"])
    assert parquet(tmp_path, both).equals(BOXES)
    message = r"row 2: image_id 2 is images/train2015/b\.jpg, not 'c\.jpg'"
    with pytest.raises(DataError, match=message):
        parquet(tmp_path, both.assign(file_name=["a.jpg", "a.jpg", "c.jpg"]))
    assert coco(tmp_path, [RESULT | {"file_name": "a.jpg"}])["image_id"].tolist() == [1]
    with pytest.raises(DataError, match=r"row 0: image_id 1 is images/train2015/a\.jpg, not 'c\.jpg'"):
        coco(tmp_path, [RESULT | {"file_name": "c.jpg"}])


def test_boxes_that_are_there_twice_are_taken_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(parquet(tmp_path, BOXES)) == 3 and not caplog.messages
    both = pd.concat([BOXES, BOXES.assign(score=0.1)], ignore_index=True)
    assert len(parquet(tmp_path, both)) == 6
    assert "3 of its 6 boxes repeat another one of their image" in caplog.messages[0]
