"""V-COCO's pair annotation: the real files' counts, exact numbers, and what is wrong in a bad one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.datasets.check import check
from pipeline.datasets.hico.tables import BOXES
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.vcoco import reader
from pipeline.errors import DataError

VCOCO = Path(__file__).parents[5] / "shared" / "data" / "vcoco"
needs_data = pytest.mark.skipif(not VCOCO.is_dir(), reason=f"no V-COCO at {VCOCO}")


@needs_data
def test_real_counts_and_numbers() -> None:
    found = reader.load(VCOCO)
    assert {s: (len(t.images), len(t.pairs)) for s, t in found.items()} == {
        "train": (2_533, 6_400),
        "val": (2_867, 7_417),
        "test": (4_946, 12_402),
    }
    assert len(found["test"].actions) == 24 and found["test"].actions[14:16] == ("cut instr", "cut obj")
    value = json.loads(gzip.decompress((VCOCO / "instances_vcoco_test.json.gz").read_bytes()))
    entries = [e for e in value["annotations"] if e["actions"]]
    flat = [[*h, *o] for e in entries for h, o in zip(e["boxes_h"], e["boxes_o"], strict=True)]
    assert found["test"].pairs[BOXES].to_numpy().tolist() == flat, "the file's numbers, bit for bit"
    assert found["test"].pairs["object_id"].tolist() == [i - 1 for e in entries for i in e["objects"]]
    assert set(found["test"].pairs["image_id"]) <= set(found["test"].images["image_id"])
    assert (found["test"].images["n_pairs"] == 0).sum() == 414


def write(path: Path, **entry: Any) -> Path:
    entry = {
        "file_name": "COCO_val2014_000000000328.jpg",
        "boxes_h": [[1.5, 2.0, 3.0, 4.0]] * 2,
        "boxes_o": [[1.0, 2.0, 30.25, 4.0], None],
        "actions": [0, 8],
        "objects": [74, 0],
    } | entry
    value = {
        "annotations": [entry],
        "classes": [f"action{i} obj" for i in range(24)],
        "objects": ["background", *(name.replace("_", " ") for name in HICO.object_names)],
        "action_to_object": [],
    }
    path.write_text(json.dumps(value))
    return path


def test_an_action_without_an_object_has_null_columns(tmp_path: Path) -> None:
    found = reader.read(write(tmp_path / "a.json"))
    first, second = found.pairs.itertuples(index=False)
    assert (first.image_id, first.action_id, first.object_id, first.ox2) == (328, 0, 73, 30.25)
    assert found.pairs["object_id"].isna().tolist() == [False, True]
    assert found.pairs[["ox1", "oy1", "ox2", "oy2"]].iloc[1].isna().all() and second.hx1 == 1.5


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"actions": [24, 8]}, "pair 0: action 24 is out of range 0..23"),
        ({"objects": [81, 0]}, "pair 0: object index 81 is out of range 0..80"),
        ({"boxes_h": [[1, 2, float("nan"), 4], [1, 2, 3, 4]]}, "pair 0: box .* is not four finite numbers"),
        ({"boxes_o": [[5, 2, 5, 4], None]}, "pair 0: box .* is empty"),
        ({"boxes_o": [[5, 2, 6], None]}, "pair 0: box .* is not four finite numbers"),
        ({"boxes_o": [None, None]}, "pair 0"),
        ({"actions": [0]}, "lists of equal length"),
        ({"file_name": "x.jpg"}, "entry 0: file_name 'x.jpg'"),
    ],
)
def test_a_faulty_row_is_named_and_can_be_left_out(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.json", **entry)
    with pytest.raises(DataError, match=rf"a\.json: 1 faulty row(.|\n)*{message}"):
        reader.read(path)
    found = reader.read(path, skip=True)
    assert len(found.pairs) < 2 and len(found.faults) == 1


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match="not V-COCO's pair annotation"):
        reader.read(tmp_path / "a.json")
    with pytest.raises(DataError, match=r"no instances_vcoco_"):
        reader.load(tmp_path)


def test_copies_and_backups_are_not_the_file(tmp_path: Path) -> None:
    write(tmp_path / "instances_vcoco_test.json")
    for stray in ("instances_vcoco_test (1).json", "instances_vcoco_test.json.bak", "instances_vcoco_test.json.1"):
        (tmp_path / stray).write_text("broken")
    assert len(reader.load(tmp_path)["test"].pairs) == 2
    report = check(tmp_path)
    assert not [f for f in report.findings if f.level == "fault"] and report.splits["test"]["pairs"] == 2
    assert [f.what for f in report.findings if f.level == "note"] == [
        "instances_vcoco_test (1).json: not read: a file before it tells the test images"
    ]


def test_no_object_is_never_the_last_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pair 1: object index -1 is out of range 0\.\.80"):
        reader.read(write(tmp_path / "a.json", objects=[74, -1]))
    with pytest.raises(DataError, match=r"pair 0: action -1 is out of range 0\.\.23"):
        reader.read(write(tmp_path / "a.json", actions=[-1, 8]))
