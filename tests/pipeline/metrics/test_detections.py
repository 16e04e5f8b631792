"""Reading and checking anybody's detections: each rule of the module's table."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.metrics import detections, results
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.matching import Pairs
from pipeline.metrics.protocols import EXACT

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
BOX = [0.0, 0, 9, 9, 4, 4, 8, 8]


def truth(*, complete=True):
    """Three listed images, a.jpg and b.jpg with a pair each of classes 0 and 1; train.jpg is of another split."""
    boxes = np.array([BOX, BOX])
    return Annotations(
        pairs=Pairs(image=np.array([0, 1]), hoi=np.array([0, 1]), human=boxes[:, :4], object=boxes[:, 4:]),
        images=pd.DataFrame({"file_name": ["a.jpg", "b.jpg", "c.jpg"], "image_id": [10, 20, 30]}),
        complete=complete,
        elsewhere=frozenset({"train.jpg", 99}),
    )


def rows(names, hoi=None, score=None):
    frame = pd.DataFrame([BOX] * len(names), columns=BOXES)
    hoi, score = hoi or [0] * len(names), score or list(np.linspace(0.9, 0.1, len(names)))
    return frame.assign(file_name=names, hoi_id=hoi, score=score)


def check(frame, **options):
    return detections.check(frame, truth(**options), name="d")


def test_places_by_name_folder_and_number():
    assert check(rows(["b.jpg", "a.jpg", "c.jpg"])).pairs.image.tolist() == [1, 0, 2]
    assert check(rows(["test/b.jpg", "x\\a.jpg"])).pairs.image.tolist() == [1, 0]
    numbered = rows(["", ""]).drop(columns="file_name")
    assert check(numbered.assign(image_id=[30, 10])).pairs.image.tolist() == [2, 0]
    assert check(numbered.assign(image_index=[2, 0])).pairs.image.tolist() == [2, 0]


def test_images_of_another_split_are_left_out_with_a_note():
    found = check(rows(["a.jpg", "train.jpg", "b.jpg", "train.jpg"], hoi=[0, 0, 1, 0]))
    assert found.pairs.image.tolist() == [0, 1] and len(found.scores) == 2
    assert found.notes == ("2 detections lie in 1 images of another split: left out",)
    numbered = rows(["", ""], hoi=[0, 1]).drop(columns="file_name").assign(image_id=[99, 20])
    assert check(numbered).pairs.image.tolist() == [1]


def test_unknown_images():
    with pytest.raises(DataError, match=r"d row 1: image 'z.jpg' is not in the annotations' list of images \(2 such"):
        check(rows(["a.jpg", "z.jpg", "z.jpg"]))
    found = check(rows(["a.jpg", "z.jpg", "y.jpg"], hoi=[0, 1, 1]), complete=False)
    assert len(set(found.pairs.image.tolist()) - {0}) == 2
    assert "2 detections lie in 2 images without annotation" in found.notes[0]
    with pytest.raises(DataError, match=r"'z.jpg' has no annotation, nor has any other"):
        check(rows(["z.jpg"]), complete=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [0.5, np.nan]}, "d row 1, hoi_id 0: score is nan"),
        ({"score": [-np.inf, 0.5]}, "d row 0, hoi_id 0: score is -inf"),
        ({"hoi_id": [0, 600]}, "d row 1, hoi_id 600: unknown class, known are 600 classes from 0 to 599"),
        ({"hx2": [-1.0, 9]}, "d row 0, hoi_id 0: human box .*x1 <= x2 and y1 <= y2 are needed"),
        ({"oy2": [9.0, 3]}, "d row 1, hoi_id 0: object box"),
        ({"ox1": [np.nan, 3]}, "d row 0, hoi_id 0: object box"),
        ({"file_name": ["a.jpg", None]}, "d row 1: no image is named"),
        ({"prior": [0.5, np.inf]}, "d row 1: prior is not finite"),
    ],
)
def test_errors_name_the_row(change, message):
    with pytest.raises(DataError, match=message):
        check(rows(["a.jpg", "b.jpg"]).assign(**change))


def test_notes():
    frame = rows(["a.jpg", "a.jpg", "b.jpg"], score=[1.5, 1.5, -2.0])
    frame.loc[2, "hx2"] = 0.0
    assert check(frame).notes == (
        "scores range from -2 to 1.5: only their order counts",
        "1 detections repeat another one exactly: each is a false positive",
        "1 detections have a box without area: they match nothing",
        "1 of 2 annotated classes have no detection: their AP is 0",
    )


def test_what_no_score_ranks_and_images_that_are_left_out_are_noted():
    found = check(rows(["a.jpg", "a.jpg"], hoi=[0, 1], score=[0.5, 0.5])).notes
    assert found[0] == "every score is 0.5: nothing ranks the detections but the order of images and rows"
    assert found[1].startswith("1 of 2 images with annotated pairs have no detection")
    assert check(rows(["a.jpg", "b.jpg"], hoi=[0, 1])).notes == ()


def doubt(frame):
    return results.doubt(
        list(results.results(check(frame), truth(), protocols=[EXACT], modes=["default"], setting="default"))
    )


def test_where_nothing_is_found_boxes_or_numbers_are_doubted():
    frame = rows(["a.jpg", "b.jpg"], hoi=[0, 1])
    swapped = frame.rename(
        columns=lambda name: {"h": "o", "o": "h"}.get(name[0], name[0]) + name[1:] if name in BOXES else name
    )
    assert doubt(frame) == [] and doubt(frame.iloc[:0]) == []
    assert doubt(swapped)[0].startswith("only 0 of 2 annotated pairs are found at any score: are the boxes")
    assert doubt(frame.assign(hoi_id=[1, 0])), "classes that are numbered otherwise"


def evaluated(frame):
    (result,) = results.results(check(frame), truth(), protocols=[EXACT], modes=["default"], setting="default")
    return result.per_class["ap"]


def test_no_detection_at_all_is_zero_everywhere():
    frame = rows(["a.jpg"]).iloc[:0]
    assert check(frame).notes == ("there is no detection: every AP is 0",)
    assert evaluated(frame)[:2].tolist() == [0, 0]


def test_a_repeated_row_is_a_false_positive_and_a_class_without_detections_counts_zero():
    frame = rows(["a.jpg", "a.jpg", "b.jpg"], score=[0.9, 0.9, 0.1])
    assert evaluated(frame)[:2].tolist() == [1, 0]
    # The copy is ranked above the second pair's only detection.
    two = rows(["a.jpg", "a.jpg", "b.jpg"], hoi=[1, 1, 1], score=[0.9, 0.9, 0.1])
    assert evaluated(two)[1] == pytest.approx(1 / 3)


def test_unreadable_files(tmp_path):
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    (tmp_path / "d.csv").write_text("a")
    (tmp_path / "d.json").write_text(json.dumps({"a": 1}))
    rows(["a"]).drop(columns=["score", "ox1"]).to_parquet(tmp_path / "short.parquet")
    rows(["a"]).drop(columns="file_name").to_parquet(tmp_path / "nameless.parquet")
    for name, message in {
        "none.parquet": "no such file",
        "empty.parquet": r"the file is empty \(0 bytes\)",
        "bad.parquet": "cannot be read as Parquet",
        "d.csv": "detections are .parquet",
        "d.json": r"a list of images \(QPIC\) or of results \(COCO\) is needed, not dict",
        "short.parquet": "no column score, ox1; columns are hx1",
        "nameless.parquet": r"no column file_name \(or image, image_id\)",
    }.items():
        with pytest.raises(DataError, match=message):
            detections.read(tmp_path / name)


def hico(elsewhere=()):
    """The images 1 and 2 of HICO-DET's test split, sizes told; `elsewhere` are ids of training images."""
    boxes = np.array([BOX, BOX])
    images = {"file_name": ["HICO_test2015_00000001.jpg", "HICO_test2015_00000002.jpg"], "image_id": [100_001, 100_002]}
    return Annotations(
        pairs=Pairs(image=np.array([0, 1]), hoi=np.array([0, 1]), human=boxes[:, :4], object=boxes[:, 4:]),
        images=pd.DataFrame(images | {"width": 64, "height": 48}),
        complete=True,
        elsewhere=frozenset(elsewhere),
    )


def numbered(*ids):
    return rows([""] * len(ids)).drop(columns="file_name").assign(image_id=list(ids))


def test_numbers_of_test_images_are_understood_where_they_can_mean_nothing_else():
    found = detections.check(numbered(2, 1), hico(), name="d")
    assert found.pairs.image.tolist() == [1, 0] and found.notes[0].startswith("image_id is the number in the name of a")
    assert detections.check(numbered(100_002, 100_001), hico(), name="d").pairs.image.tolist() == [1, 0]
    assert detections.check(numbered("2", "1"), hico(), name="d").pairs.image.tolist() == [1, 0]


@pytest.mark.parametrize(("ids", "elsewhere"), [([2, 1], [1]), ([2, 1], [1, 2]), ([1, 3], [])])
def test_numbers_of_test_images_that_may_mean_others_are_an_error_that_says_how_images_are_numbered(ids, elsewhere):
    with pytest.raises(
        DataError, match=r"d: no image_id is of this split, such as \d\. .* have the ids 100,001, 100,002"
    ):
        detections.check(numbered(*ids), hico(elsewhere), name="d")


def test_no_image_of_the_split_at_all_is_an_error():
    for frame in (rows(["train.jpg", "x/train.jpg"]), numbered(99, 99)):
        with pytest.raises(DataError, match="d: no image lies in this split of 3 images"):
            check(frame)


def test_an_image_id_may_be_the_name_of_the_file():
    assert check(numbered("x/b.jpg", "a.jpg")).pairs.image.tolist() == [1, 0]


def test_equal_names_in_two_folders_are_told_apart():
    two = truth()
    two.images["file_name"] = ["kitchen/1.jpg", "garden/1.jpg", "c.jpg"]
    found = detections.check(rows(["garden\\1.jpg", "/data/kitchen/1.jpg", "c.jpg"]), two, name="d")
    assert found.pairs.image.tolist() == [1, 0, 2]
    with pytest.raises(DataError, match=r"d: '1\.jpg' may be 'kitchen/1\.jpg' or 'garden/1\.jpg'"):
        detections.check(rows(["1.jpg"]), two, name="d")
    with pytest.raises(DataError, match=r"d: 'cellar/c\.jpg' and 'roof/c\.jpg' would both be 'c\.jpg'"):
        detections.check(rows(["cellar/c.jpg", "roof/c.jpg"]), two, name="d")


def test_boxes_that_are_not_in_pixels_are_named():
    with pytest.raises(DataError, match=r"d row 0: box .* they are fractions of their images"):
        check(rows(["a.jpg", "b.jpg"]).assign(**{c: rows(["a.jpg", "b.jpg"])[c] / 9 for c in BOXES}))
    frame = rows(["HICO_test2015_00000001.jpg"])
    assert len(detections.check(frame, hico(), name="d").pairs) == 1
    with pytest.raises(DataError, match=r"d row 0: box .* leaves its image of 64 x 48 pixels, as do 1 of 1"):
        detections.check(frame.assign(**{c: frame[c] * 20 for c in BOXES}), hico(), name="d")


@pytest.mark.parametrize("place", [-1, 3])
def test_a_place_outside_the_list_of_images_is_never_one_of_them(place):
    frame = rows(["", ""]).drop(columns="file_name").assign(image_index=[0, place])
    with pytest.raises(DataError, match=rf"d: image {place + 1} of a list of 3"):
        check(frame)


def test_annotations_without_a_pair_are_told():
    nothing = truth().pairs.take(np.zeros(0, dtype=np.int64))
    found = detections.check(rows(["a.jpg"]), replace(truth(), pairs=nothing), name="d")
    assert "there is no annotated pair: no class has an AP" in found.notes


def test_a_score_that_is_true_or_false_is_refused():
    with pytest.raises(DataError, match="d row 0: score is True, a number is needed"):
        check(rows(["a.jpg", "b.jpg"]).assign(score=[True, False]))
