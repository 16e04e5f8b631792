"""Annotated persons from the labels with COCO's boxes."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics.vcoco import people


def test_labels_and_boxes_tell_every_person(files):
    found = people.read(*files())
    assert found.image_ids.tolist() == [1, 2] and found.images[0].endswith("01.jpg")
    assert (found.roles, found.actions) == (("eat obj", "eat instr"), ("eat", "stand"))
    # in the file's order: the bystander (clipped to the image's last pixel), 11, 13; 15 is marked ignore
    assert found.box.tolist() == [[60, 0, 99, 19], [0, 0, 9, 19], [1, 1, 30, 30]]
    assert found.image.tolist() == [1, 1, 0] and found.ignored.tolist() == [True, False, False]
    assert found.does.tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert found.acts.tolist() == [[False, False], [True, False], [False, True]]
    assert found.role_box[1, 0].tolist() == [5, 5, 8, 8] and np.isnan(found.role_box).all(axis=2).sum() == 5
    assert found.notes == ()


def test_an_annotation_without_a_usable_box_is_dropped(files):
    def change(labels, coco):
        coco["annotations"][2]["bbox"] = [5, 5, 1, 4]  # one pixel wide: x2 = x1
        coco["annotations"][3]["area"] = 0

    found = people.read(*files(change))
    assert len(found.box) == 2 and np.isnan(found.role_box).all()
    assert found.notes == (
        "1 labelled persons have no usable box and are left out",
        "1 role objects have no usable box and count as out of sight",
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda labels, coco: coco["images"].pop(0), "lacks 1 of 2 labelled images, such as 2: it is of another split"),
        (
            lambda labels, coco: coco["annotations"].pop(2),
            "lacks 1 annotations that the labels name, such as 12 of image 2",
        ),
        (
            lambda labels, coco: coco["annotations"][2].update(image_id=1),
            "annotation 12 is of image 1, in the labels of 2",
        ),
        (lambda labels, coco: coco["annotations"][1].update(category_id=2), "annotation 11 is a labelled person"),
        (lambda labels, coco: coco["annotations"][1].update(bbox=[1, 2, 3]), "annotation 11: bbox"),
        (lambda labels, coco: coco["annotations"][1].pop("area"), "annotation 11: 'area' is missing"),
        (lambda labels, coco: coco["annotations"].append(coco["annotations"][1]), "annotation 11 comes twice"),
        (lambda labels, coco: coco["images"][0].update(width=0), "image 2: file_name is a text"),
        (lambda labels, coco: coco.pop("images"), "not COCO's instances file"),
        (lambda labels, coco: labels[1].update(ann_id=[11, 12]), "its persons .* are not those of eat"),
        (lambda labels, coco: labels[0]["role_object_id"].pop(), "2 persons need as many labels"),
        (lambda labels, coco: labels[0].update(label=[1, 2]), "2 persons need as many labels of 0 or 1"),
        (lambda labels, coco: labels[0].update(label=[1, 0.5]), "label is a list of whole numbers"),
        (lambda labels, coco: labels[1].update(role_name=["obj"]), "the first of role_name is agent"),
        (lambda labels, coco: labels[1].pop("label"), "action 1: needs action_name"),
    ],
)
def test_faults_of_either_file_are_named(files, change, says):
    with pytest.raises(DataError, match=says):
        people.read(*files(change))


def test_labels_have_no_boxes_of_their_own(files):
    with pytest.raises(DataError, match=r"these labels have no boxes\. Give COCO's instances file too"):
        people.read(files()[0])
