"""Files of boxes by picture: names and numbers, labels and ids, what is unknown, what is no box."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.predict import boxes_file
from tests.pipeline.predict.bundles import VOCABULARY

PICTURES = ["a/000000000007.jpg", "b/000000000009.jpg", "b/none.jpg"]
ROWS: dict[str, Any] = {"score": [0.5, 0.25, 0.75], "x1": [1, 2, 3], "y1": [1, 2, 3], "x2": [9, 8, 7], "y2": [9, 8, 7]}

FRACTIONS = (("x1", 0.1), ("y1", 0.2), ("x2", 0.5), ("y2", 0.9))


def written(folder: Path, **columns: Any) -> Path:
    path = folder / "boxes.parquet"
    pd.DataFrame(ROWS | columns).to_parquet(path)
    return path


@pytest.mark.parametrize(
    "columns",
    [
        {"file_name": ["000000000009.jpg", "a/000000000007.jpg", "b/000000000009.jpg"], "object_id": [1, 0, 2]},
        {"image_id": [9, 7, 9], "label": ["Horse", "person", "dog"]},
    ],
)
def test_a_table_by_name_or_number(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = boxes_file.read(written(tmp_path, **columns), PICTURES, VOCABULARY)
    assert found.of(0).objects.tolist() == [0] and found.of(0).corners.tolist() == [[2, 2, 8, 8]]
    assert found.of(1).objects.tolist() == [1, 2] and found.of(1).scores.tolist() == [0.5, 0.75]
    assert len(found.of(2)) == 0 and found.without == 1


def test_results_of_coco(tmp_path: Path) -> None:
    entries = [
        {"image_id": 7, "category_id": 19, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 12345, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries))
    found = boxes_file.read(path, PICTURES, VOCABULARY).of(0)
    assert found.objects.tolist() == [1] and found.corners.tolist() == [[1, 2, 4, 6]]
    assert found.left_out == {"category 90": 1}, "the other detector knows more"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"image_id": [7, 7, 7]}, "has no column label or object_id"),
        ({"label": ["dog"] * 3}, "has no column file_name or image_id"),
        ({"image_id": [7, 7, 7], "object_id": [0, 4, 0]}, "row 1: object_id 4 is none of 0 to 3"),
        ({"image_id": [7, 7, 7], "label": ["dog"] * 3, "score": [0.5, 2, 0.5]}, "row 1: .*a score in 0 to 1"),
        ({"image_id": [7, 7, 7], "label": ["dog", None, "dog"]}, "row 1: label is (None|nan), a text is needed"),
        ({"image_id": [7, 7, 7], "label": [True] * 3}, "row 0: label is True, a text is needed"),
        (
            {"image_id": [7, 7, 7], "label": ["cart"] * 3},
            "the model knows none of the objects .*'cart'.* it knows person",
        ),
        (
            {"image_id": [7, 7, 7], "label": [["dog"]] * 3},
            "row 0: label is of the type list<.*, and one number or text a row",
        ),
        ({"file_name": [["7.jpg"]] * 3, "label": ["dog"] * 3}, "row 0: file_name is of the type list<"),
        ({"image_id": [7, 7, 7], "label": ["dog"] * 3, "x2": [9, 1e300, 9]}, "row 1: box .* is in no picture"),
        ({"image_id": [1, 2, 3], "label": ["dog"] * 3}, "has no box of any of the 3 pictures"),
        ({"image_id": [7, 7, 7], "label": ["dog"] * 3, "x2": [9, None, 9]}, "row 1: .*finite corners"),
        (
            {"image_id": [7] * 3, "label": ["dog"] * 3} | {c: [v] * 3 for c, v in FRACTIONS},
            "row 0: .*they are fractions",
        ),
    ],
)
def test_what_cannot_be_meant_is_an_error(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        boxes_file.read(written(tmp_path, **columns), PICTURES, VOCABULARY)


def test_two_pictures_of_one_number_need_names(tmp_path: Path) -> None:
    path = written(tmp_path, image_id=[7, 7, 7], label=["dog"] * 3)
    with pytest.raises(DataError, match=r"has no file names, and 'a/7\.jpg' and 'b/7\.jpg' both end in 7"):
        boxes_file.read(path, ["a/7.jpg", "b/7.jpg"], VOCABULARY)


def test_boxes_that_are_there_twice_are_counted(tmp_path: Path) -> None:
    """Of the same object in the same picture; an object that the model does not know counts nowhere."""
    twice = {c: [v, v, v] for c, v in (("x1", 1), ("y1", 1), ("x2", 9), ("y2", 9))} | {"score": [0.5, 0.25, 0.75]}
    for columns, says in (
        ({"image_id": [7, 7, 9], "label": ["dog"] * 3}, "1 of its 3 boxes repeat another one of their image"),
        ({"image_id": [7, 7, 9], "label": ["dog", "horse", "dog"]}, ""),
        ({"image_id": [7, 7, 9], "label": ["cart", "kite", "dog"]}, ""),
    ):
        found = boxes_file.read(written(tmp_path, **twice, **columns), PICTURES, VOCABULARY).repeated
        assert found.startswith(says) and bool(found) is bool(says)


def test_boxes_of_resized_pictures_are_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, image_id=[7, 9, 9], object_id=[0, 0, 1])
    assert len(boxes_file.read(path, PICTURES, VOCABULARY, size=lambda place: (9, 9)).scores) == 3
    assert len(boxes_file.read(path, PICTURES, VOCABULARY, size=lambda place: None).scores) == 3, (
        "an unreadable one waits"
    )
    many = tmp_path / "many.parquet"
    pd.concat([pd.read_parquet(path)] * 10).to_parquet(many)
    with pytest.raises(
        DataError, match=r"row 1: box \[2.0, 2.0, 8.0, 8.0\] leaves its image of 5 x 5 .* 20 of 20: they"
    ):
        boxes_file.read(many, PICTURES, VOCABULARY, size=lambda place: (5, 5) if place else None)


@pytest.mark.parametrize(("right", "says"), [(690, "x 480 pixels, as do 1 of 3: are they of resized"), (9000, "")])
def test_one_box_of_a_few_that_is_wrong_is_no_error(
    right: int, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, image_id=[7, 7, 7], object_id=[0, 0, 1], x2=[right, 600, 500], y2=[400, 300, 200])
    found = boxes_file.read(path, PICTURES, VOCABULARY, size=lambda place: (640, 480))
    assert len(found.scores) == 3 and says in caplog.text and len(caplog.messages) == bool(says)
    assert len(found.of(0).inside((640, 480)).scores) == (3 if says else 2)


def test_far_larger_boxes_say_nothing_of_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, image_id=[7, 7, 7], object_id=[0, 0, 1], x2=[9000, 600, 500], y2=[400, 300, 200])
    many = tmp_path / "many.parquet"
    pd.concat([pd.read_parquet(path)] * 10).to_parquet(many)
    assert len(boxes_file.read(many, PICTURES, VOCABULARY, size=lambda place: (640, 480)).scores) == 30
