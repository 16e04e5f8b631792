"""Predictions that name their classes."""

import json

import numpy as np
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.metrics import detections
from pipeline.metrics.formats import named

BOX, OTHER = [0, 0, 10, 10], [5, 5, 20, 20.5]
RIDE, NOTHING = (HICO.find(name).hoi_id for name in ("ride horse", "no_interaction airplane"))


def image(*names, **changed):
    count = len(names)
    lists = {"h_boxes": [BOX] * count, "o_boxes": [OTHER] * count, "ho_scores": [0.5] * count, "ao_names": list(names)}
    return lists | changed


def read(tmp_path, content):
    (tmp_path / "hola.json").write_text(json.dumps(content))
    return detections.read(tmp_path / "hola.json", HICO)


def test_names_with_either_article_blanks_and_underscores(tmp_path):
    names = ["ride a horse", "no_interaction an airplane", "no interaction a airplane", "ride horse", "RIDE A HORSE"]
    frame, notes = read(tmp_path, {"a.jpg": image(*names), "b.jpg": image()})
    assert frame["hoi_id"].tolist() == [RIDE, NOTHING, NOTHING, RIDE, RIDE]
    assert frame["file_name"].tolist() == ["a.jpg"] * 5
    assert frame.iloc[0, 2:].tolist() == [0.5, *BOX, *OTHER]
    assert notes == ["2 images, 5 rows, at most 5 an image, which 1 images have: not cut, it seems; 1 images are empty"]


def test_every_class_has_a_name(tmp_path):
    names = [f"{c.verb} {c.article} {c.object}" for c in HICO.classes]
    assert read(tmp_path, {"a.jpg": image(*names)})[0]["hoi_id"].tolist() == list(HICO.ids)


def test_a_cut_file_is_told(tmp_path):
    content = {f"{n}.jpg": image(*["ride a horse"] * min(3, n)) for n in range(1, 6)}
    assert "which 3 images have: cut to the best 3 an image, it seems" in read(tmp_path, content)[1][0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (image("ride a hors"), r"image 'b.jpg': no class of HICO-DET is called 'ride hors'; nearest: .*ride horse"),
        (image("ride a horse", ho_scores=[]), "image 'b.jpg': h_boxes, .* must be lists of equal length"),
        (image("ride a horse", h_boxes=[[1, 2, 3]]), "image 'b.jpg': a box needs four numbers, a score one"),
        (image("ride a horse", ho_scores=["much"]), "image 'b.jpg': a box needs four numbers, a score one"),
        (image("ride a horse", ho_scores=[True]), "image 'b.jpg': true and false are no numbers"),
        (image("ride a horse", o_boxes=[[0, False, 3, 4]]), "image 'b.jpg': true and false are no numbers"),
        (image(3), "image 'b.jpg': ao_names must be texts"),
        ({"h_boxes": []}, "image 'b.jpg': needs h_boxes, o_boxes, ho_scores, ao_names"),
        ([], "image 'b.jpg': needs h_boxes"),
    ],
)
def test_faults_name_the_image(tmp_path, content, says):
    with pytest.raises(DataError, match=says):
        read(tmp_path, {"a.jpg": image("ride a horse"), "b.jpg": content})


@pytest.mark.parametrize(
    "changed",
    [
        {"ho_scores": [0.5, None]},
        {"ho_scores": [0.5, float("nan")]},
        {"o_boxes": [OTHER, [None, 5, 20, 20]]},
        {"h_boxes": [BOX, BOX[::-1]]},
    ],
)
def test_a_row_that_compares_with_nothing_is_an_error_for_those_who_take_the_images_as_they_are(tmp_path, changed):
    """CrossHOI-Bench's questions compare scores and overlaps, which for such a row are false without a word."""
    (tmp_path / "hola.json").write_text(
        json.dumps({"a.jpg": image("ride a horse"), "b.jpg": image("x", "y", **changed)})
    )
    with pytest.raises(
        DataError, match=r"image 'b\.jpg', row 1: score .* a finite score and finite boxes x1, y1, x2, y2"
    ):
        named.by_image(tmp_path / "hola.json")


def test_boxes_in_fractions_are_an_error_there_too(tmp_path):
    content = {"a.jpg": image("ride a horse", h_boxes=[[0, 0, 0.5, 1]], o_boxes=[[0, 0, 1, 1]])}
    (tmp_path / "hola.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="fractions of their images"):
        named.by_image(tmp_path / "hola.json")


def test_a_file_of_empty_images_has_no_rows(tmp_path):
    frame, _ = read(tmp_path, {"a.jpg": image()})
    assert len(frame) == 0 and frame["score"].dtype == np.float64
