"""Labels of two persons and a bystander, with COCO's boxes."""

import json

import pytest

NAMES = {1: "COCO_val2014_000000000001.jpg", 2: "COCO_val2014_000000000002.jpg"}


def labels():
    """Person 11 of image 2 eats (object 12) with something out of sight; person 13 of image 1 stands."""
    persons = {"image_id": [2, 1], "ann_id": [11, 13]}
    eat = {"action_name": "eat", "role_name": ["agent", "obj", "instr"], "label": [1, 0]}
    stand = {"action_name": "stand", "role_name": ["agent"], "label": [0, 1], "role_object_id": [11, 13]}
    return [{**persons, **eat, "role_object_id": [11, 13, 12, 0, 0, 0]}, {**persons, **stand}]


def coco():
    """Image 2 has a bystander (14) before person 11."""

    def annotation(number, image, category, *box, **marks):
        return {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": 50, "iscrowd": 0} | marks

    return {
        "images": [{"id": n, "file_name": NAMES[n], "width": 100, "height": 50} for n in (2, 1)],
        "annotations": [
            annotation(14, 2, 1, 60, 0, 45, 20, segmentation={"counts": [1], "size": [50, 100]}),
            annotation(11, 2, 1, 0, 0, 10, 20, segmentation=[[1.0, 2, 3, 4]]),
            annotation(12, 2, 52, 5, 5, 4, 4),
            annotation(13, 1, 1, 1, 1, 30, 30),
            annotation(15, 1, 1, 50, 1, 30, 30, ignore=1),
            annotation(99, 3, 1, 0, 0, 1, 1),
        ],
    }


@pytest.fixture
def files(tmp_path):
    """Writes labels and COCO's file, as changed by a function; gives both paths."""

    def made(change=lambda labels, coco: None):
        told, boxes = labels(), coco()
        change(told, boxes)
        (tmp_path / "vcoco_val.json").write_text(json.dumps(told))
        (tmp_path / "instances.json").write_text(json.dumps(boxes))
        return tmp_path / "vcoco_val.json", tmp_path / "instances.json"

    return made
