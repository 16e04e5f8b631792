"""Joining the splits, whatever their layouts, with the image files; what is found where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import layout_writers as written
import pandas as pd
import pytest
from PIL import Image

from pipeline.datasets.check import check
from pipeline.datasets.hico import folder, loading, tables
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
    found = loading.load(tmp_path)
    written.same(found.tables, DATA)
    assert [(s.split, s.layout) for s in found.used] == [("train", "hake"), ("test", "upt")]
    assert found.tables.images["image_id"].tolist() == [7, 100_007]
    assert found.tables.images["path"].tolist() == [f"images/train2015/{TRAIN}", f"images/test2015/{TEST}"]


def test_the_official_file_comes_first(tmp_path: Path) -> None:
    written.matlab(tmp_path / "anno_bbox.mat", DATA)
    written.as_json(tmp_path / "instances_test2015.json", {"broken": 1})
    assert {s.layout for s in loading.load(tmp_path).used} == {"matlab"}


def test_sizes_come_from_the_files_where_the_layout_tells_none(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split, name, shift in (("train", "trainval_hico", 1), ("test", "test_hico", 0)):
        written.as_json(tmp_path / "annotations" / f"{name}.json", written.ppdm(DATA.of(split), shift=shift))
    with pytest.raises(
        DataError, match="sizes of 2 images with pairs are unknown, for example HICO_train2015_00000007"
    ):
        loading.load(tmp_path)
    photographs(tmp_path)
    found = loading.load(tmp_path)
    written.same(found.tables, DATA)
    assert (found.tables.images["file_bytes"] > 0).all()


def test_annotation_apart_from_the_images(tmp_path: Path) -> None:
    for part in ("images_here", "annotations_there"):
        (tmp_path / part).mkdir()
    photographs(tmp_path / "images_here" / "hico_20160224_det")
    written.matlab(tmp_path / "annotations_there" / "mine.mat", DATA)
    found = loading.load(tmp_path / "images_here", annotations=tmp_path / "annotations_there" / "mine.mat")
    written.same(found.tables, DATA)
    assert found.tables.images["path"][0] == f"hico_20160224_det/images/train2015/{TRAIN}"


def test_a_split_without_annotation_is_named(tmp_path: Path) -> None:
    written.as_json(tmp_path / "instances_test2015.json", written.upt(DATA.of("test")))
    with pytest.raises(DataError, match=r"no annotation of the train images\. Found: .*instances_test2015\.json"):
        loading.load(tmp_path)
    with pytest.raises(DataError, match="no such folder or file"):
        loading.load(tmp_path / "nowhere")


def test_faulty_rows_stop_or_are_left_out(tmp_path: Path) -> None:
    value = written.upt(DATA.of("train"))
    value["annotation"][0]["hoi"][0] = 777
    written.as_json(tmp_path / "instances_train2015.json", value)
    written.as_json(tmp_path / "instances_test2015.json", written.upt(DATA.of("test")))
    with pytest.raises(DataError, match=f"{TRAIN}, pair 0: hoi_id 777 is out of range"):
        loading.load(tmp_path)
    found = loading.load(tmp_path, skip=True)
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
        loading.load(tmp_path)


def annotation(root: Path) -> None:
    for split in ("train", "test"):
        written.as_json(root / f"instances_{split}2015.json", written.upt(DATA.of(split)))


def verdict(root: Path) -> tuple[str, list[str]]:
    """What `ezhoi data check` says, and its faults."""
    report = check(root)
    return report.verdict, [f.what for f in report.findings if f.level == "fault"]


def test_the_folder_with_most_annotated_images_is_that_of_the_images(tmp_path: Path, caplog: Any) -> None:
    annotation(tmp_path)
    photographs(tmp_path / "hico")
    photographs(tmp_path / "drawings")
    for split, name in (("train", TRAIN), ("test", TEST)):
        folder_of_drawings = tmp_path / "drawings" / "images" / f"{split}2015"
        (folder_of_drawings / name).rename(folder_of_drawings / name.replace("00000007", "00000008"))
        (folder_of_drawings / name.replace("00000007", "00000009")).write_bytes(b"more of them, none annotated")
    found = loading.load(tmp_path)
    assert found.tables.images["path"].tolist() == [f"hico/images/train2015/{TRAIN}", f"hico/images/test2015/{TEST}"]
    assert (
        "2 folders are called train2015 (drawings/images/train2015, hico/images/train2015); the images" in caplog.text
    )
    assert verdict(tmp_path) == ("usable", [])
    notes = [f.what for f in check(tmp_path).findings if f.level == "note"]
    assert any("the images are taken from hico/images/test2015" in what for what in notes)


def test_what_a_mac_leaves_beside_data_is_no_data(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path)
    photographs(tmp_path / "__MACOSX")
    for place in (tmp_path / "__MACOSX", tmp_path / "images" / "train2015"):
        (place / f"._{TRAIN}").write_bytes(b"resource fork")
        (place / "._instances_train2015.json").write_bytes(b"resource fork")
    found = folder.look(tmp_path)
    assert found.images == {"train": "images/train2015", "test": "images/test2015"} and not found.candidates
    assert found.listing("train").keys() == {TRAIN}
    assert len(loading.load(tmp_path).tables.images) == 2 and verdict(tmp_path) == ("usable", [])


def test_of_equal_folders_the_published_place_comes_first(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path / "hico")
    (tmp_path / "a" / "train2015").mkdir(parents=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "a" / "train2015" / TRAIN)
    assert loading.load(tmp_path).tables.images["path"][0] == f"hico/images/train2015/{TRAIN}"


def test_the_fingerprint_covers_every_folder_that_may_be_that_of_the_images(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path)
    before = folder.fingerprint(tmp_path)
    photographs(tmp_path / "drawings")
    with_drawings = folder.fingerprint(tmp_path)
    (tmp_path / "drawings" / "images" / "train2015" / "HICO_train2015_00000099.jpg").write_bytes(b"new")
    assert len({before, with_drawings, folder.fingerprint(tmp_path)}) == 3


def test_a_picture_that_is_a_link_to_nowhere_is_missing_and_called_so(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path)
    (tmp_path / "images" / "train2015" / TRAIN).unlink()
    (tmp_path / "images" / "train2015" / TRAIN).symlink_to("/mnt/unmounted/7.jpg")
    why = r"a link to /mnt/unmounted/7\.jpg, which is not there"
    with pytest.raises(DataError, match=rf"1 image files are missing, for example images/train2015/{TRAIN} \({why}\)"):
        loading.load(tmp_path)
    skipped = loading.load(tmp_path, skip=True)
    assert re.fullmatch(rf"image images/train2015/{TRAIN}: {why}", str(skipped.faults[0])) and len(skipped.faults) == 1
    (missing,) = [f for f in check(tmp_path).findings if f.level == "fault"]
    assert missing.what == "1 of 2 image files are missing" and re.search(why, missing.examples[0])
    assert folder.fingerprint(tmp_path)


@pytest.mark.parametrize("name", ["instances_train2015.json", "anno.mat", "train2015"])
def test_a_link_to_nowhere_in_place_of_a_file_or_folder_is_told(tmp_path: Path, name: str, caplog: Any) -> None:
    annotation(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to("/mnt/unmounted/x")
    if name == "instances_train2015.json":
        with pytest.raises(
            DataError, match=rf"no annotation of the train images\. .*{name} \(a link to /mnt/unmounted/x"
        ):
            loading.load(tmp_path)
    else:
        loading.load(tmp_path)
        assert f"{name} is a link to /mnt/unmounted/x, which is not there" in caplog.text
    whats = [f.what for f in check(tmp_path).findings]
    assert f"{name}: a link to /mnt/unmounted/x, which is not there" in whats
    assert folder.fingerprint(tmp_path)


def test_an_empty_picture_is_not_missing_but_unreadable(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path)
    (tmp_path / "images" / "train2015" / TRAIN).write_bytes(b"")
    with pytest.raises(
        DataError, match=r": 1 image files cannot be read, they are empty \(0 bytes\), for example images/tra"
    ):
        loading.load(tmp_path)
    assert [f.what for f in loading.load(tmp_path, skip=True).faults] == ["empty, 0 bytes"]
    (unreadable,) = [f for f in check(tmp_path).findings if f.level == "fault"]
    assert unreadable.what == "1 image files cannot be read" and "(empty, 0 bytes)" in unreadable.examples[0]


def test_loops_of_links_are_gone_through_once(tmp_path: Path) -> None:
    annotation(tmp_path)
    photographs(tmp_path / "hico")
    for name, target in (("a", "."), ("hico/up", "."), ("again", "hico")):
        (tmp_path / name).symlink_to(tmp_path / target)
    found = folder.look(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found.annotations] == [
        "instances_test2015.json",
        "instances_train2015.json",
    ]
    assert found.images["train"] == "hico/images/train2015" and not found.candidates


@pytest.mark.parametrize(
    "stray",
    [
        "instances_test2015 (1).json",
        "instances_test2015(2).json",
        "instances_test2015 - Copy.json",
        "instances_test2015 - Copy (2).json",
        "instances_test2015_copy.json",
        "instances_test2015 copy 3.json",
        "Copy of instances_test2015.json",
        "instances_test2015 (1).json.gz",
        "anno_bbox (1).mat",
        "instances_test2015.json.bak",
        "instances_test2015.json~",
        "instances_test2015.json.part",
        "instances_test2015.json.gz.crdownload",
        ".instances_test2015.json.swp",
        "hard_pairs.parquet",
    ],
)
def test_a_broken_stray_file_stops_neither_the_run_nor_the_check(tmp_path: Path, stray: str) -> None:
    annotation(tmp_path)
    (tmp_path / stray).write_bytes(b"{broken")
    if stray.endswith(".parquet"):
        pd.DataFrame({"first": [1], "second": [2]}).to_parquet(tmp_path / stray)
    found = loading.load(tmp_path)
    assert [s.file.name for s in found.used] == ["instances_train2015.json", "instances_test2015.json"]
    assert verdict(tmp_path) == ("usable", [])


def test_a_table_of_something_else_is_passed_over_wherever_it_comes(tmp_path: Path) -> None:
    """Tables of pairs come before HAKE's files; this one is none, so it tells nothing."""
    pd.DataFrame({"first": [1]}).to_parquet(tmp_path / "hard_pairs.parquet")
    written.as_json(tmp_path / "hico-det-training-set-instance-level.json", written.hake(DATA.of("train")))
    with pytest.raises(
        DataError, match=r"no annotation of the test images.*hard_pairs\.parquet \(not a table of HICO-DET"
    ):
        loading.load(tmp_path)
    written.as_json(tmp_path / "test_hico.json", written.ppdm(DATA.of("test"), shift=0))
    photographs(tmp_path)
    written.same(loading.load(tmp_path).tables, DATA)
    assert verdict(tmp_path) == ("usable", [])


def test_the_only_file_is_read_though_it_is_called_a_copy(tmp_path: Path) -> None:
    annotation(tmp_path)
    (tmp_path / "instances_test2015.json").rename(tmp_path / "instances_test2015 (1).json")
    written.same(loading.load(tmp_path).tables, DATA)
    assert verdict(tmp_path) == ("usable", [])


def test_a_broken_file_of_the_usual_name_stops_the_run_and_the_check(tmp_path: Path) -> None:
    annotation(tmp_path)
    (tmp_path / "instances_test2015.json").write_bytes(b"{broken")
    with pytest.raises(DataError, match=r"instances_test2015\.json: not valid JSON"):
        loading.load(tmp_path)
    assert verdict(tmp_path)[0] == "unusable"


def test_a_copy_of_the_table_of_images_does_not_change_their_sizes(tmp_path: Path) -> None:
    tables.write(tmp_path, DATA)
    stale = DATA.images.assign(width=640, is_empty=False)
    stale.to_parquet(tmp_path / "images (1).parquet")
    (tmp_path / "other.parquet").write_bytes(b"no Parquet")
    written.same(loading.load(tmp_path).tables, DATA)
