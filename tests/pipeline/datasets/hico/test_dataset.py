"""Joining the splits, whatever their layouts, with the image files; what is found where."""

from __future__ import annotations

from pathlib import Path

import layout_writers as written
import pytest
from PIL import Image

from pipeline.datasets.hico import dataset, folder
from pipeline.errors import DataError

TRAIN, TEST = "HICO_train2015_00000007.jpg", "HICO_test2015_00000007.jpg"
PAIRS = [(name, 153, (1, 1, 20, 20), (5, 5, 64, 48)) for name in (TRAIN, TEST)]
DATA = written.canonical([(TRAIN, 64, 48), (TEST, 64, 48)], PAIRS)


def photographs(root: Path) -> None:
    for name, place in ((TRAIN, "train2015"), (TEST, "test2015")):
        (root / "images" / place).mkdir(parents=True)
        Image.new("RGB", (64, 48)).save(root / "images" / place / name)


def test_two_layouts_make_one_dataset(tmp_path: Path) -> None:
    written.as_json(tmp_path / "hico-det-training-set-instance-level.json", written.hake(DATA.of("train")))
    written.as_json(tmp_path / "instances_test2015.json", written.upt(DATA.of("test"), alphabetical=True))
    found = dataset.load(tmp_path)
    written.same(found.tables, DATA)
    assert [(s.split, s.layout) for s in found.sources] == [("train", "hake"), ("test", "upt")]
    assert found.tables.images["image_id"].tolist() == [7, 100_007]
    assert found.tables.images["path"].tolist() == [f"images/train2015/{TRAIN}", f"images/test2015/{TEST}"]


def test_the_official_file_comes_first(tmp_path: Path) -> None:
    written.matlab(tmp_path / "anno_bbox.mat", DATA)
    written.as_json(tmp_path / "instances_test2015.json", {"broken": 1})
    assert {s.layout for s in dataset.load(tmp_path).sources} == {"matlab"}


def test_sizes_come_from_the_files_where_the_layout_tells_none(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split, name, shift in (("train", "trainval_hico", 1), ("test", "test_hico", 0)):
        written.as_json(tmp_path / "annotations" / f"{name}.json", written.ppdm(DATA.of(split), shift=shift))
    with pytest.raises(
        DataError, match="sizes of 2 images with pairs are unknown, for example HICO_train2015_00000007"
    ):
        dataset.load(tmp_path)
    photographs(tmp_path)
    found = dataset.load(tmp_path)
    written.same(found.tables, DATA)
    assert (found.tables.images["file_bytes"] > 0).all()


def test_annotation_apart_from_the_images(tmp_path: Path) -> None:
    for part in ("images_here", "annotations_there"):
        (tmp_path / part).mkdir()
    photographs(tmp_path / "images_here" / "hico_20160224_det")
    written.matlab(tmp_path / "annotations_there" / "mine.mat", DATA)
    found = dataset.load(tmp_path / "images_here", annotations=tmp_path / "annotations_there" / "mine.mat")
    written.same(found.tables, DATA)
    assert found.tables.images["path"][0] == f"hico_20160224_det/images/train2015/{TRAIN}"


def test_a_split_without_annotation_is_named(tmp_path: Path) -> None:
    written.as_json(tmp_path / "instances_test2015.json", written.upt(DATA.of("test")))
    with pytest.raises(DataError, match=r"no annotation of the train images\. Found: .*instances_test2015\.json"):
        dataset.load(tmp_path)
    with pytest.raises(DataError, match="no such folder or file"):
        dataset.load(tmp_path / "nowhere")


def test_faulty_rows_stop_or_are_left_out(tmp_path: Path) -> None:
    value = written.upt(DATA.of("train"))
    value["annotation"][0]["hoi"][0] = 777
    written.as_json(tmp_path / "instances_train2015.json", value)
    written.as_json(tmp_path / "instances_test2015.json", written.upt(DATA.of("test")))
    with pytest.raises(DataError, match=f"{TRAIN}, pair 0: hoi_id 777 is out of range"):
        dataset.load(tmp_path)
    found = dataset.load(tmp_path, skip=True)
    assert len(found.tables.pairs) == 1 and len(found.tables.images) == 2
    assert [f.row for f in found.faults] == [f"{TRAIN}, pair 0"]


def test_linked_image_folders_are_found(tmp_path: Path) -> None:
    photographs(tmp_path / "disk")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "images").symlink_to(tmp_path / "disk" / "images")
    assert folder.look(tmp_path / "root").images == {"train": "images/train2015", "test": "images/test2015"}


def test_an_unreadable_image_whose_size_is_needed(tmp_path: Path) -> None:
    photographs(tmp_path)
    (tmp_path / "images" / "test2015" / TEST).write_bytes(b"no image")
    for split, name, shift in (("train", "trainval_hico", 1), ("test", "test_hico", 0)):
        written.as_json(tmp_path / f"{name}.json", written.ppdm(DATA.of(split), shift=shift))
    with pytest.raises(DataError, match=f"{TEST}: not a readable image"):
        dataset.load(tmp_path)
