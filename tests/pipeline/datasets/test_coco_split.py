"""Which test images a detector of COCO's train2017 has learned: those called as COCO's are that are not in val2017."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.datasets import coco_split
from pipeline.errors import DataError

NAMES = ["val2014/COCO_val2014_000000000001.jpg", "COCO_train2014_000000000002.jpg", "test/000001.png", None]


def test_images_of_coco_are_counted_with_and_without_val2017(tmp_path: Path) -> None:
    files = pd.Series([*NAMES, "COCO_val2014_000000581929.jpg"], dtype=object)
    assert coco_split.tested(files, None) == {"of_coco": 3}
    listed = tmp_path / "instances_val2017.json"
    listed.write_text(json.dumps({"images": [{"id": 581929}, {"id": 7}], "annotations": []}))
    assert coco_split.tested(files, listed) == {"of_coco": 3, "of_train2017": 2}
    lines = tmp_path / "val2017.txt"
    lines.write_text("000000000001\n\n581929\n")
    assert coco_split.ids(lines) == {1, 581929}
    assert coco_split.tested(pd.Series(["HICO_test2015_00000001.jpg"]), lines) == {"of_coco": 0, "of_train2017": 0}


def test_names_of_2017_count_with_their_folder(tmp_path: Path) -> None:
    listed = tmp_path / "val2017.txt"
    listed.write_text("139\n")
    names = ["val2017/000000000139.jpg", "coco/train2017/000000000009.jpg", "train2017/000000000025.jpg"]
    others = ["000000000139.jpg", "myval2017/000000000139.jpg", "val2017/139.jpg", "val2017/x/000000000139.jpg"]
    assert coco_split.tested(pd.Series(names + others), listed) == {"of_coco": 3, "of_train2017": 2}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("v.json", "[]", "has no images; expected COCO's instances_val2017.json"),
        ("v.json", '{"images": 3}', "images is 3; expected a list"),
        ("v.json", '{"images": [{"id": 1}, {"id": "x"}]}', "images, entry 2 is 'x'; expected an image's id"),
        ("v.json", '{"images": []}', "has no image"),
        ("v.txt", "1\nimages/000000000139.jpg", "line 2 is 'images/000000000139.jpg'; expected an image's id"),
        ("v.txt", "\n", "has no image"),
    ],
)
def test_a_file_that_lists_no_ids_is_one_error(name: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        coco_split.ids(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
