"""What is wrong in a file is named: file, row, class and what to do."""

from __future__ import annotations

import copy
import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layout_writers as written
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from pipeline.datasets.hico.layouts import detect, matlab
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError

NAME = "HICO_train2015_00000001.jpg"
DATA = written.canonical(
    [(NAME, 640, 480), ("HICO_train2015_00000002.jpg", 300, 200)],
    [(NAME, 153, (10, 10, 60, 90), (20, 30, 200, 400)), (NAME, 154, (10, 10, 60, 90), (20, 30, 200, 400))],
)  # hold motorcycle, inspect motorcycle
Change = Callable[[Any], Any]


def rows(tmp_path: Path, value: Any) -> Rows:
    found = detect.read(written.as_json(tmp_path / "bad.json", value))
    assert isinstance(found, Rows)
    return found


def set_in(*keys: Any, to: Any) -> Change:
    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("layout", "change", "row", "what"),
    [
        ("upt", set_in("annotation", 0, "object", 1, to=80), f"{NAME}, pair 1", "object index 80 is out of range 0..79"),
        ("upt", set_in("annotation", 0, "object", 1, to=-1), f"{NAME}, pair 1", "object index -1 is out of range"),
        ("upt", set_in("annotation", 0, "object", 1, to=5), f"{NAME}, pair 1", "is not that of class 154"),
        ("upt", set_in("annotation", 0, "verb", 0, to=3), f"{NAME}, pair 0", "verb index 3 is not that of class 153"),
        ("upt", set_in("annotation", 0, "hoi", 0, to=600), f"{NAME}, pair 0", "hoi_id 600 is out of range 0..599"),
        ("upt", set_in("annotation", 0, "hoi", 0, to=None), f"{NAME}, pair 0", "class None"),
        ("upt", set_in("annotation", 0, "hoi", 0, to=153.5), f"{NAME}, pair 0", "class 153.5"),
        ("upt", set_in("annotation", 0, "hoi", 0, to=float("inf")), f"{NAME}, pair 0", "class inf"),
        ("upt", set_in("annotation", 0, "hoi", 0, to=10**30), f"{NAME}, pair 0", "class 1000"),
        ("upt", set_in("annotation", 0, "object", 0, to=[3]), f"{NAME}, pair 0", "object index [3] is out of range"),
        ("ppdm", set_in(1, "hoi_annotation", to=None), "entry 1", "the latter lists"),
        ("upt", set_in("annotation", 0, "boxes_h", 0, 1, to=float("nan")), f"{NAME}, pair 0", "not a finite number"),
        ("upt", set_in("annotation", 0, "boxes_h", 0, 2, to=5), f"{NAME}, pair 0", "a box is empty"),
        ("upt", set_in("annotation", 0, "boxes_o", 1, 2, to=641), f"{NAME}, pair 1", "leaves its image of 640 x 480"),
        ("upt", set_in("annotation", 0, "boxes_o", 1, 0, to=0), f"{NAME}, pair 1", "leaves its image"),
        ("upt", set_in("annotation", 0, "boxes_o", 1, 0, to=1.5), f"{NAME}, pair 1", "not whole pixels"),
        ("upt", set_in("annotation", 0, "boxes_o", 1, to=[1, 2, 3]), f"{NAME}, pair 1", "is not two boxes"),
        ("upt", set_in("annotation", 0, "hoi", to=[153]), f"image {NAME}", "lists of equal length"),
        ("upt", set_in("annotation", 0, to={"hoi": []}), f"image {NAME}", "lists of equal length"),
        ("upt", set_in("filenames", 0, to="cat.jpg"), "image 'cat.jpg'", "not the name of a HICO-DET image"),
        ("upt", set_in("filenames", 1, to=NAME), f"image {NAME}", "listed twice"),
        ("upt", set_in("size", 0, to=[640]), f"image {NAME}", "is not [width, height]"),
        ("upt", set_in("size", 0, to=["a", 3]), f"image {NAME}", "is not two whole numbers"),
        ("hake", set_in(NAME, "labels", 0, "hoi_id", to=0), f"{NAME}, pair 0", "hoi_id -1 is out of range"),
        ("hake", set_in(NAME, "labels", 0, "hoi_id", to="7"), f"{NAME}, pair 0", "not a whole number"),
        ("hake", set_in(NAME, "labels", 1, "width", to=9), f"{NAME}, pair 1", "size differs"),
        ("hake", set_in(NAME, "labels", 1, to={"hoi_id": 3}), f"{NAME}, pair 1", "needs the keys hoi_id, human_bbox"),
        ("ppdm", set_in(0, "hoi_annotation", 1, "object_id", to=2), f"{NAME}, pair 1", "the image has 2 boxes"),
        ("ppdm", set_in(0, "hoi_annotation", 1, "subject_id", to=-1), f"{NAME}, pair 1", "is out of range"),
        ("ppdm", set_in(0, "hoi_annotation", 1, "hoi_category_id", to="x"), f"{NAME}, pair 1", "missing or no number"),
        ("ppdm", set_in(0, "hoi_annotation", 1, "category_id", to=58), f"{NAME}, pair 1", "verb index 57 is not that of"),
        ("ppdm", set_in(0, "annotations", 1, "category_id", to=12), f"{NAME}, pair 0", "12 is none of COCO's 80"),
        ("ppdm", set_in(0, "annotations", 1, "category_id", to=18), f"{NAME}, pair 0", "object index 16 is not that of"),
        ("ppdm", set_in(0, "annotations", 1, to={}), f"{NAME}, pair 0", "lacks bbox or category_id"),
        ("ppdm", set_in(1, to={"file_name": NAME}), "entry 1", "needs the keys file_name, annotations and"),
    ],
)  # fmt: skip
def test_a_faulty_row_is_named_and_left_out(tmp_path: Path, layout: str, change: Change, row: str, what: str) -> None:
    value = {"upt": written.upt, "hake": written.hake, "ppdm": lambda t: written.ppdm(t, shift=1)}[layout](DATA)
    value = copy.deepcopy(value)
    change(value)
    found = rows(tmp_path, value)
    left = found.tables()
    fault = found.faults.found[0]
    assert fault.row == row and what in fault.what and fault.file == str(tmp_path / "bad.json")
    assert len(left.pairs) < 2 or len(left.images) < 2
    with pytest.raises(DataError, match=r"bad\.json: \d+ faulty row") as caught:
        found.faults.stop_if_any()
    assert "--set data.faults=skip" in str(caught.value) and row in str(caught.value)


def test_a_sound_file_has_no_fault(tmp_path: Path) -> None:
    for value in (written.upt(DATA), written.hake(DATA), written.ppdm(DATA, shift=1)):
        found = rows(tmp_path, value)
        assert len(found.tables().pairs) == 2 and not found.faults.found


def test_an_object_order_that_contradicts_itself(tmp_path: Path) -> None:
    value = written.upt(DATA) | {"objects": sorted(HICO.object_names)}
    with pytest.raises(DataError, match=r"contradicts itself: objects says alphabetical, correspondence says COCO-80"):
        rows(tmp_path, value)


def test_lists_that_do_not_belong_together(tmp_path: Path) -> None:
    value = written.upt(DATA)
    value["filenames"].pop()
    with pytest.raises(DataError, match="1 filenames, 2 annotations and 2 sizes"):
        rows(tmp_path, value)
    with pytest.raises(DataError, match="have to be lists"):
        rows(tmp_path, value | {"filenames": 7})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"annotation": [', "not valid JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"", "not valid JSON"),
        (gzip.compress(b"[1, 2, 3]" * 99, mtime=0)[:20], "cannot be read"),
        (b'{"annotation": []}', r"no known layout: an object with the keys 'annotation'"),
        (b"[1, 2]", "no known layout: a list of 2"),
        (b"7", "no known layout: a single int"),
        (json.dumps({"annotation": [], "filenames": []}).encode(), "names no HICO-DET image"),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json.*{message}"):
        found = detect.read(path)
        assert isinstance(found, Rows)
        found.tables()


def test_matlab_files(tmp_path: Path) -> None:
    path = tmp_path / "anno_bbox.mat"
    path.write_bytes(b"not matlab at all, just some text that is longer than a header would have to be" * 3)
    with pytest.raises(DataError, match="cannot be read as a MATLAB 5 file"):
        detect.read(path)
    scipy.io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DataError, match=r"neither anno_bbox\.mat nor anno\.mat; its variables are \['other'\]"):
        detect.read(path)
    scipy.io.savemat(path, {"bbox_train": np.zeros((1, 3))})
    with pytest.raises(DataError, match="not the structure of anno_bbox"):
        detect.read(path)
    scipy.io.savemat(path, {"anno_test": np.zeros((600, 2)), "list_test": np.array([["a"]], dtype=object)})
    with pytest.raises(DataError, match=r"shape \(600, 2\), not \(600, 1\)"):
        detect.read(path)


def test_a_truncated_matlab_file(tmp_path: Path) -> None:
    path = tmp_path / "anno_bbox.mat"
    written.matlab(path, DATA)
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        try:
            found = detect.read(path)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # cut behind the training images, which are all there
            assert isinstance(found, Rows)
            written.same(found.tables(), DATA)
    assert refused > 30


def test_a_small_matlab_file_that_fills_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell array of a few bytes may say that it has four hundred million cells: 3 GB of nothing."""
    cells = np.empty((1, 3), dtype=object)
    cells[:] = [[np.zeros((0, 9))] * 3]
    scipy.io.savemat(path := tmp_path / "anno_bbox.mat", {"bbox_train": cells})
    shape = (struct.pack("<4i", 5, 8, 1, columns) for columns in (3, 400_000_000))
    path.write_bytes(path.read_bytes().replace(*shape))
    monkeypatch.setattr(matlab, "LARGEST", 1 << 30)
    with pytest.raises(DataError, match=r"anno_bbox\.mat: its \d+ bytes need more than 1 GiB of memory"):
        detect.read(path)


def test_a_matlab_connection_out_of_range(tmp_path: Path) -> None:
    path = tmp_path / "anno_bbox.mat"
    written.matlab(path, DATA)
    value = scipy.io.loadmat(path)
    value["bbox_train"][0, 0]["hoi"][0, 0]["connection"][0, 1] = 3
    scipy.io.savemat(path, {"bbox_train": value["bbox_train"]})
    found = detect.read(path)
    assert isinstance(found, Rows) and len(found.tables().pairs) == 1
    assert str(found.faults.found[0]) == f"{NAME}, pair 0: connection (1, 3) is out of range: 1 people, 1 objects"


def test_parquet_of_another_schema(tmp_path: Path) -> None:
    path = tmp_path / "my_pairs.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        detect.read(path)
    pq.write_table(pa.table({"image": ["a"], "hoi_id": [3]}), path)
    with pytest.raises(DataError, match=r"columns \['file_name', 'hx1', .* are missing, it has \['image', 'hoi_id'\]"):
        detect.read(path)
    path = written.as_parquet(tmp_path / "p", DATA)
    pq.write_table(pq.read_table(path).replace_schema_metadata({"box_convention": "continuous"}), path)
    with pytest.raises(DataError, match="box_convention is 'continuous', not 'pixel1_inclusive'"):
        detect.read(path)


def test_parquet_rows(tmp_path: Path) -> None:
    path = written.as_parquet(tmp_path / "p", DATA)
    table = pq.read_table(path).to_pandas()
    pq.write_table(pa.Table.from_pandas(table.astype({"hx1": "float64"}).assign(hx1=[np.nan, 10.0])), path)
    found = detect.read(path)
    assert isinstance(found, Rows) and len(found.tables().pairs) == 1
    assert "not a finite number" in found.faults.found[0].what
    pq.write_table(pa.Table.from_pandas(table.assign(file_name="HICO_train2015_00000009.jpg")), path)
    found = detect.read(path)
    assert isinstance(found, Rows) and "is in no file of images" in found.faults.found[0].what


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        detect.read(tmp_path / "anno.mat")


NO_WHOLE = (1.5, True, None, "x", [1], {}, float("nan"), float("inf"))
PLACES = {
    "upt": [("annotation", 0, key, 0) for key in ("hoi", "object", "verb")],
    "hake": [(NAME, "labels", 0, "hoi_id")],
    "ppdm": [
        *((0, "hoi_annotation", 0, key) for key in ("subject_id", "object_id", "category_id", "hoi_category_id")),
        (0, "annotations", 1, "category_id"),
    ],
}


@pytest.mark.parametrize("value", NO_WHOLE, ids=str)
@pytest.mark.parametrize(
    ("layout", "place"), [(layout, place) for layout in PLACES for place in PLACES[layout]], ids=str
)
def test_what_is_no_whole_number_is_a_faulty_row(
    tmp_path: Path, layout: str, place: tuple[Any, ...], value: Any
) -> None:
    """In every place of every layout where a class, a verb, an object or an index stands."""
    written_as = {"upt": written.upt, "hake": written.hake, "ppdm": lambda t: written.ppdm(t, shift=1)}[layout](DATA)
    content = copy.deepcopy(written_as)
    set_in(*place, to=value)(content)
    found = rows(tmp_path, content)
    found.tables()
    assert any(NAME in fault.row and "pair" in fault.row for fault in found.faults.found)
    assert all(len(str(fault)) < 400 for fault in found.faults.found)
