"""V-COCO-SG's test files."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.vcoco import sg
from pipeline.errors import DataError
from pipeline.metrics.vcoco import people

SHARED = Path(__file__).parents[5] / "shared" / "data" / "vcoco" / "sg"
NAME = "COCO_val2014_000000000007.jpg"


def entry(*labels, **changed):
    """An image with a person, a cup and another person; labels are (subject, object, verb)."""
    boxes = [([0, 0, 10, 20], 1), ([5, 5, 9, 9], 47), ([50, 0, 60, 20], 1)]
    keys = ("subject_id", "object_id", "category_id")
    return {
        "file_name": NAME,
        "annotations": [{"bbox": box, "category_id": kind} for box, kind in boxes],
        "hoi_annotation": [dict(zip(keys, label, strict=True)) for label in labels],
    } | changed


def test_numbers_roles_and_persons(tmp_path):
    assert len(sg.NAMES) == 29 and len(sg.ROLES) == 25 and sg.NAMES[26] == "point instr" and sg.NAMES[18] == "run"
    path = tmp_path / "test_vcoco_sg1.json"
    path.write_text(json.dumps([entry((0, 1, sg.NAMES.index("hold obj")), (0, -1, sg.NAMES.index("sit instr")))]))
    found = people.read(path)
    assert found.image_ids.tolist() == [7] and found.ignored.tolist() == [False, True]
    assert [found.roles[role] for role in np.flatnonzero(found.does[0])] == ["hold obj", "sit instr"]
    assert found.box.tolist() == [[0, 0, 9, 19], [50, 0, 59, 19]]
    assert (
        found.role_box[0, 0].tolist() == [5, 5, 8, 8]
        and np.isnan(found.role_box[0, found.roles.index("sit instr")]).all()
    )
    assert "is V-COCO-SG's" in found.notes[0]


def test_an_action_without_a_role_labels_its_person():
    found = sg.parse([entry((2, -1, sg.NAMES.index("run")))], Path("sg.json"))
    assert found.labelled.tolist() == [False, True] and not found.does.any()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([entry((1, 0, 0))], "a label needs a person, one of 3 boxes or -1, and a verb"),
        ([entry((0, 3, 0))], "a label needs a person"),
        ([entry((0, 1, 29))], "a verb 0..28"),
        ([entry(annotations=[{"bbox": [9, 0, 1, 5], "category_id": 1}])], "needs finite x1 <= x2"),
        ([entry(file_name="x.jpg")], "file_name is not COCO_val2014"),
        ([entry(), entry()], "comes twice"),
        ([entry(), 3], "file_name is not"),
    ],
)
def test_faults_are_named(value, says):
    with pytest.raises(DataError, match=says):
        sg.parse(value, Path("sg.json"))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no V-COCO-SG under {SHARED}")
@pytest.mark.parametrize(
    ("number", "images", "with_object", "without"),
    [(1, 2_850, 3_157, 715), (2, 3_066, 3_297, 1_025), (3, 3_888, 5_187, 1_057)],
)
def test_the_published_files(number, images, with_object, without):
    path = SHARED / f"test_vcoco_sg{number}.json.gz"
    found = sg.parse(json.loads(gzip.decompress(path.read_bytes())), path)
    absent = int((found.does & np.isnan(found.role_box).all(axis=2)).sum())
    assert len(found.images) == images
    assert (int(found.does.sum()) - absent, absent) == (with_object, without)
