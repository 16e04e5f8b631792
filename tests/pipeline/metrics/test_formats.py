"""Every format is read back as it was written; layouts are what other programs expect."""

import contextlib
import errno
import io
import json

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO
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

    hoi = next(c for c in HICO.classes if c.object == "horse" and c.verb == "ride")
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


def test_a_folder_that_holds_no_detections_is_said_so(tmp_path):
    (tmp_path / "of notes").mkdir()
    (tmp_path / "of notes" / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"of notes: has neither the parts of a Parquet table nor detections_NN\.mat"):
        detections.read(tmp_path / "of notes")


def test_what_the_system_refuses_is_in_words_without_its_number(tmp_path, monkeypatch):
    """As a disk with a fault, or a share that went away, refuses to read on."""
    from pipeline.datasets.hico.layouts.matlab import load
    from pipeline.learned import checkpoint, tokens
    from pipeline.tables import arrays

    def refuse(*given, **named):
        raise OSError(errno.EIO, "Input/output error", "x")

    for module, name, call in (
        ("scipy.io", "loadmat", lambda: load(tmp_path / "x.mat")),
        ("pipeline.learned.checkpoint", "safe_open", lambda: checkpoint.load_weights(tmp_path / "x")),
        ("pyarrow.parquet", "ParquetFile", lambda: tokens._open(tmp_path / "x")),
        ("pyarrow.parquet", "read_table", lambda: arrays.read(tmp_path / "x", ["a"])),
    ):
        monkeypatch.setattr(f"{module}.{name}", refuse)
        with pytest.raises(DataError, match=r"\(Input/output error\)"):
            call()


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
    ride = next(c for c in HICO.classes if c.name == "ride horse")
    for content in (qpic(1, COCO_IDS[ride.object_id], ride.verb_id + 1), qpic(0, ride.object_id, ride.verb_id)):
        (tmp_path / "d.json").write_text(json.dumps(content))
        frame, notes = detections.read(tmp_path / "d.json")
        assert frame["hoi_id"].tolist() == [ride.hoi_id] and notes == []
        assert frame[BOXES].to_numpy().tolist() == [[0, 0, 9, 9, 1, 1, 8, 8]]


def test_faults_of_qpic(tmp_path):
    ride = next(c for c in HICO.classes if c.name == "ride horse")
    hug = next(c for c in HICO.classes if c.verb == "board")
    (tmp_path / "d.json").write_text(json.dumps(qpic(0, ride.object_id, hug.verb_id)))
    frame, notes = detections.read(tmp_path / "d.json")
    assert len(frame) == 0 and notes == ["1 detections name a verb that does not go with their object: left out"]
    mixed = qpic(0, ride.object_id, ride.verb_id) + qpic(1, COCO_IDS[ride.object_id], ride.verb_id + 1)
    for content, message in (
        (mixed, "entry 1, image a.jpg: .*category_id is 1, 0 is needed"),
        (qpic(17, ride.object_id, 3), "category_id is 17, 0 or 1 is needed"),
        (qpic(1, 12, 3), "entry 0, image a.jpg: no object has COCO's category_id 12"),
        ([{"file_name": "a.jpg", "predictions": []}], "image a.jpg: 'hoi_prediction' is missing; needed are"),
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


RIDE = next(c for c in HICO.classes if c.object == "horse" and c.verb == "ride")
PAIR = {"subject_id": 0, "object_id": 1, "category_id": RIDE.verb_id + 1, "score": 0.5}
IMAGE = {
    "file_name": "a.jpg",
    "predictions": [{"bbox": [1, 2, 3, 4], "category_id": 1}, {"bbox": [1, 2, 5, 6], "category_id": 19}],
    "hoi_prediction": [PAIR],
}
RESULT = {
    "image_id": 11,
    "category_id": RIDE.hoi_id + 1,
    "score": 0.5,
    "human_bbox": [1, 2, 2, 2],
    "object_bbox": [1, 2, 4, 4],
}
NO_INDEX = [1.5, True, None, "x", -2, [1], float("nan"), 10**30]


def read_json(tmp_path, value):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return detections.read(path)


def test_whole_numbers_of_any_spelling_are_read_from_json(tmp_path):
    text = {key: str(value) for key, value in PAIR.items()} | {"subject_id": 0.0}
    frame, notes = read_json(tmp_path, [IMAGE | {"hoi_prediction": [text, PAIR]}])
    assert frame["hoi_id"].tolist() == [RIDE.hoi_id] * 2 and frame["score"].tolist() == [0.5] * 2 and not notes
    frame, _ = read_json(
        tmp_path, [RESULT, RESULT | {"category_id": str(RIDE.hoi_id + 1), "score": "0.25", "image_id": 12.0}]
    )
    assert frame["hoi_id"].tolist() == [RIDE.hoi_id] * 2 and frame["image_id"].tolist() == [11, 12]


@pytest.mark.parametrize("value", NO_INDEX, ids=str)
def test_what_is_no_index_is_an_error_in_qpics_layout(tmp_path, value):
    for key in ("subject_id", "object_id", "category_id"):
        with pytest.raises(DataError, match=r"d\.json entry 0, image a\.jpg") as caught:
            read_json(tmp_path, [IMAGE | {"hoi_prediction": [PAIR | {key: value}]}])
        assert len(str(caught.value)) < 300
    for place in (0, 1):
        boxes = [box | ({"category_id": value} if i == place else {}) for i, box in enumerate(IMAGE["predictions"])]
        with pytest.raises(DataError, match=r"d\.json entry 0, image a\.jpg"):
            read_json(tmp_path, [IMAGE | {"predictions": boxes}])


@pytest.mark.parametrize("value", [v for v in NO_INDEX if v != -2], ids=str)
def test_what_is_no_whole_number_is_an_error_in_coco_results(tmp_path, value):
    for key in ("category_id", "image_id") if value != "x" else ("category_id",):
        with pytest.raises(DataError, match=r"d\.json entry 1: .*a whole number is needed"):
            read_json(tmp_path, [RESULT, RESULT | {key: value}])


@pytest.mark.parametrize("value", ["high", None, True, [1]], ids=str)
def test_what_is_no_number_is_an_error(tmp_path, value):
    for entry in (
        RESULT | {"score": value},
        RESULT | {"human_bbox": [1, 2, value, 2]},
        IMAGE | {"hoi_prediction": [PAIR | {"score": value}]},
        IMAGE | {"predictions": [IMAGE["predictions"][0] | {"bbox": [1, value, 3, 4]}, IMAGE["predictions"][1]]},
    ):
        with pytest.raises(DataError, match=r"d\.json entry 0.*a number is needed"):
            read_json(tmp_path, [entry])


def test_a_pair_without_object_is_left_out_with_a_note(tmp_path):
    frame, notes = read_json(tmp_path, [IMAGE | {"hoi_prediction": [PAIR, PAIR | {"object_id": -1}]}])
    assert len(frame) == 1 and notes == ["1 detections have no object (object_id -1): left out"]


def test_a_key_given_twice_is_an_error(tmp_path):
    (tmp_path / "d.json").write_text('[{"score": 1,\n"score": 2}]', encoding="utf-8")
    with pytest.raises(DataError, match=r"d\.json: .*'score' is given twice, in lines 1 and 2"):
        detections.read(tmp_path / "d.json")


TABLE = pd.DataFrame([["a.jpg", 3, 0.5, *range(4), *range(4)]], columns=["file_name", "hoi_id", "score", *BOXES])


@pytest.mark.parametrize("index", ["file_name", "hoi_id", ["file_name", "hoi_id", "score"], "score"], ids=str)
def test_a_column_kept_as_index_is_read(tmp_path, index):
    TABLE.set_index(index).to_parquet(tmp_path / "d.parquet")
    found = detections.check(detections.read(tmp_path / "d.parquet")[0], truth())
    assert (found.pairs.hoi.tolist(), found.pairs.image.tolist(), found.scores.tolist()) == ([3], [0], [0.5])


def test_the_parts_of_a_table_are_one_table(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    for part in range(2):
        TABLE.to_parquet(folder / f"part-{part}.parquet")
    (folder / "_SUCCESS").touch()
    assert len(detections.check(detections.read(folder)[0], truth()).pairs) == 2


@pytest.mark.parametrize("by", [["split"], ["split", "hoi_id"]], ids=str)
def test_a_table_in_folders_by_a_column_is_one_table(by, tmp_path):
    """As Spark and `to_parquet(partition_cols=...)` leave it: d/split=test/hoi_id=3/part.parquet."""
    pd.concat([TABLE.assign(split=split, hoi_id=3) for split in ("a", "b")]).to_parquet(
        tmp_path / "d", partition_cols=by
    )
    found = detections.check(detections.read(tmp_path / "d")[0], truth())
    assert (found.pairs.hoi.tolist(), found.pairs.image.tolist(), found.scores.tolist()) == ([3, 3], [0, 0], [0.5, 0.5])


@pytest.mark.parametrize("top", [True, False])
def test_tables_in_folders_of_any_name_are_not_one_table(top, tmp_path):
    """Two seeds that lie beside each other would be one method with every detection twice."""
    for seed in ("seed0", "seed1"):
        (tmp_path / "d" / "run=1" / seed).mkdir(parents=True)
        TABLE.to_parquet(tmp_path / "d" / "run=1" / seed / "predictions.parquet")
    if top:
        TABLE.to_parquet(tmp_path / "d" / "part.parquet")
    with pytest.raises(DataError, match=r"seed[01] is no part of one table"):
        detections.read(tmp_path / "d")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("hoi_id", pd.Series([1.7])),
        ("hoi_id", pd.Series([True])),
        ("hoi_id", pd.Series([None], dtype="Int64")),
        ("hoi_id", pd.Series(["1.7"])),
        ("hoi_id", pd.Series(["1.7"], dtype="category")),
        ("hoi_id", pd.Series([float("inf")])),
        ("image_id", pd.Series([1.5])),
        ("image_id", pd.Series([True])),
        ("image_id", pd.Series([None], dtype="Int64")),
        ("score", pd.Series(["high"])),
        ("score", pd.Series([[1.0]])),
        ("score", pd.Series([None], dtype="Float64")),
        ("hx1", pd.Series(["left"])),
        ("prior", pd.Series(["much"])),
    ],
)
def test_a_value_that_is_no_number_is_named_with_its_row(tmp_path, column, values):
    frame = TABLE.assign(**{column: values})
    frame = frame.drop(columns="file_name") if column == "image_id" else frame
    frame.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match="row 0"):
        detections.check(detections.read(tmp_path / "d.parquet")[0], truth(), name="d.parquet")


def gen_vlkt():
    """GEN-VLKT's layout: `filename`, boxes without category, the class where QPIC has the verb."""
    boxes = [{"bbox": [0, 0, 9, 9]}, {"bbox": [1, 1, 8, 8]}]
    pair = {"subject_id": 0, "object_id": 1, "category_id": RIDE.hoi_id, "score": 0.75}
    return [{"filename": "a.jpg", "predictions": boxes, "hoi_prediction": [pair, pair | {"category_id": 599}]}]


@pytest.mark.parametrize("wrap", [lambda v: v, str, lambda v: {"preds": v, "gts": []}, lambda v: str({"preds": v})])
def test_gen_vlkts_results_are_read_however_they_are_wrapped(tmp_path, wrap):
    frame, notes = read_json(tmp_path, wrap(gen_vlkt()))
    assert frame["hoi_id"].tolist() == [RIDE.hoi_id, 599] and frame["score"].tolist() == [0.75, 0.75]
    assert frame["file_name"].tolist() == ["a.jpg"] * 2
    assert frame[BOXES].to_numpy()[0].tolist() == [0, 0, 9, 9, 1, 1, 8, 8]
    assert notes == ["the boxes have no category: category_id of a pair is taken for the class, 0..599, as in GEN-VLKT"]


@pytest.mark.parametrize("value", [600, -1, 1.5, "x", None])
def test_what_is_no_class_is_an_error_in_gen_vlkts_layout(tmp_path, value):
    content = gen_vlkt()
    content[0]["hoi_prediction"][1]["category_id"] = value
    with pytest.raises(DataError, match=r"d\.json entry 0, image a\.jpg"):
        read_json(tmp_path, content)


@pytest.mark.parametrize(
    "text", ["{'preds': [array([1])]}", "np.float32(1)", "[1, nan]", "(", "__import__('os').abort()", "[" * 5000]
)
def test_a_text_that_shows_no_plain_value_is_named_and_never_run(tmp_path, text):
    with pytest.raises(DataError, match=r"d\.json: is one text, as GEN-VLKT.*Save the list of images as JSON"):
        read_json(tmp_path, text)


def test_a_suffix_may_be_written_in_capitals(tmp_path):
    TABLE.to_parquet(tmp_path / "d.PARQUET")
    (tmp_path / "d.JSON").write_text(json.dumps([RESULT]), encoding="utf-8")
    assert [len(detections.read(tmp_path / name)[0]) for name in ("d.PARQUET", "d.JSON")] == [1, 1]
