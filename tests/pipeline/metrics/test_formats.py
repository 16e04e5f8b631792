"""Every format is read back as it was written; layouts are what other programs expect."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.hico.vocabulary import hoi_classes
from pipeline.errors import DataError
from pipeline.metrics import detections, export
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.formats import matlab
from pipeline.metrics.matching import Pairs

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
NAMES = ["a.jpg", "b.jpg", "c.jpg"]


def truth(complete=True):
    return Annotations(
        pairs=Pairs(image=np.array([0]), hoi=np.array([0]), human=np.ones((1, 4)), object=np.ones((1, 4))),
        images=pd.DataFrame({"file_name": NAMES, "image_id": [11, 12, 13]}),
        complete=complete,
    )


def some(count=40, seed=0):
    """Random detections; several share boxes, and float32 coordinates with fractions."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 300, (count, 2, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(1, 200, (count, 2, 2))], axis=2)
    boxes = boxes.astype(np.float32).astype(float)
    boxes[1::2, 0] = boxes[::2, 0]
    return detections.Detections(
        pairs=Pairs(
            image=generator.integers(0, 3, count),
            hoi=generator.integers(0, 600, count),
            human=boxes[:, 0],
            object=boxes[:, 1],
        ),
        scores=generator.permutation(count) / count,
        notes=(),
    )


def as_rows(found):
    """Rows in an order of their own."""
    p = found.pairs
    table = np.column_stack([p.image, p.hoi, found.scores, p.human, p.object])
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize(
    ("to", "name"), [("parquet", "d.parquet"), ("qpic", "d.json"), ("coco", "d.json"), ("mat", "d")]
)
def test_round_trip(tmp_path, to, name):
    found = some()
    export.write(tmp_path / name, found, truth(), to=to)
    frame, notes = detections.read(tmp_path / name)
    again = detections.check(frame, truth())
    np.testing.assert_allclose(as_rows(again), as_rows(found), rtol=0, atol=1e-10)
    assert notes == []


@pytest.mark.parametrize(
    ("to", "name"), [("parquet", "d.parquet"), ("qpic", "d.json"), ("coco", "d.json"), ("mat", "d")]
)
def test_round_trip_of_nothing(tmp_path, to, name):
    nothing = some(0)
    export.write(tmp_path / name, nothing, truth(), to=to)
    assert len(detections.check(detections.read(tmp_path / name)[0], truth()).pairs) == 0


def test_the_official_layout(tmp_path):
    """Files by object in COCO's order, a row a class, a column an image, boxes as 0-based inclusive pixels."""
    from scipy.io import loadmat

    hoi = next(c for c in hoi_classes() if c.object == "horse" and c.verb == "ride")
    box = np.array([[1.0, 2, 30, 40]])
    pairs = Pairs(image=np.array([2]), hoi=np.array([hoi.hoi_id]), human=box, object=box + 5)
    export.write(tmp_path, detections.Detections(pairs=pairs, scores=np.array([0.5]), notes=()), truth(), to="mat")
    assert len(list(tmp_path.glob("detections_*.mat"))) == 80
    cells = loadmat(tmp_path / f"detections_{hoi.object_id + 1:02d}.mat")["all_boxes"]
    horse = matlab.classes_of(hoi.object_id)
    assert cells.shape == (len(horse), 3) and cells.dtype == object
    assert cells[horse.index(hoi.hoi_id), 2].tolist() == [[1, 2, 29, 39, 6, 7, 34, 44, 0.5]]
    assert sum(cell.size > 0 for cell in cells.ravel()) == 1
    assert sorted(h for thing in range(80) for h in matlab.classes_of(thing)) == list(range(600))


def test_faults_of_the_official_layout(tmp_path):
    from scipy.io import savemat

    with pytest.raises(DataError, match=r"detections_01.mat is missing \(80 of 80"):
        (tmp_path / "none").mkdir()
        matlab.read(tmp_path / "none")
    for name, value, message in (
        ("detections_01.mat", {"x": 1}, "no cell array all_boxes"),
        ("detections_01.mat", {"all_boxes": np.zeros((3, 2), dtype=object)}, r"\(3, 2\).*person .* has 10 classes"),
        ("detections_81.mat", {"x": 1}, "is not one of detections_01.mat"),
    ):
        savemat(tmp_path / name, value)
        with pytest.raises(DataError, match=message):
            matlab.read(tmp_path / name)
    (tmp_path / "detections_02.mat").write_bytes(b"not matlab")
    with pytest.raises(DataError, match="cannot be read as a MATLAB 5 file"):
        matlab.read(tmp_path / "detections_02.mat")
    with pytest.raises(DataError, match="give the list of all images"):
        export.write(tmp_path, some(), truth(complete=False), to="mat")


def qpic(person, thing, verb):
    boxes = [{"bbox": [0, 0, 9, 9], "category_id": person}, {"bbox": [1, 1, 8, 8], "category_id": thing}]
    pair = {"subject_id": 0, "object_id": 1, "category_id": verb, "score": 0.7}
    return [{"file_name": "a.jpg", "predictions": boxes, "hoi_prediction": [pair]}]


def test_both_numberings_of_qpic(tmp_path):
    ride = next(c for c in hoi_classes() if c.name == "ride horse")
    for content in (qpic(1, ride.coco_id, ride.verb_id + 1), qpic(0, ride.object_id, ride.verb_id)):
        (tmp_path / "d.json").write_text(json.dumps(content))
        frame, notes = detections.read(tmp_path / "d.json")
        assert frame["hoi_id"].tolist() == [ride.hoi_id] and notes == []
        assert frame[BOXES].to_numpy().tolist() == [[0, 0, 9, 9, 1, 1, 8, 8]]


def test_faults_of_qpic(tmp_path):
    ride = next(c for c in hoi_classes() if c.name == "ride horse")
    hug = next(c for c in hoi_classes() if c.verb == "board")
    (tmp_path / "d.json").write_text(json.dumps(qpic(0, ride.object_id, hug.verb_id)))
    frame, notes = detections.read(tmp_path / "d.json")
    assert len(frame) == 0 and notes == ["1 detections name a verb that does not go with their object: left out"]
    mixed = qpic(0, ride.object_id, ride.verb_id) + qpic(1, ride.coco_id, ride.verb_id + 1)
    for content, message in (
        (mixed, "entry 1, image a.jpg: .*category_id is 1, 0 is needed"),
        (qpic(17, ride.object_id, 3), "category_id is 17, 0 or 1 is needed"),
        (qpic(1, 12, 3), "entry 0, image a.jpg: KeyError"),
        ([{"file_name": "a.jpg", "predictions": []}], "KeyError\\('hoi_prediction'\\)"),
    ):
        (tmp_path / "d.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=message):
            detections.read(tmp_path / "d.json")


def test_pycocotools_loads_the_coco_results(tmp_path):
    from pycocotools.coco import COCO

    found = some()
    export.write(tmp_path / "d.json", found, truth(), to="coco")
    dataset = COCO()
    dataset.dataset = {"images": [{"id": i} for i in (11, 12, 13)], "annotations": [], "categories": []}
    with contextlib.redirect_stdout(io.StringIO()):
        dataset.createIndex()
        loaded = dataset.loadRes(str(tmp_path / "d.json"))
    entries = loaded.loadAnns(loaded.getAnnIds(imgIds=[11]))
    assert len(entries) == (found.pairs.image == 0).sum()
    first = entries[0]
    assert first["area"] == pytest.approx(first["bbox"][2] * first["bbox"][3]) and "human_bbox" in first
