"""`check`: the verdict on the real annotation, on cut and damaged copies, and on image files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import layout_writers as written
import pytest
from PIL import Image

from pipeline.datasets.check import Report, check
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.tables import Tables
from pipeline.errors import DataError

SHARED = Path(__file__).parents[5] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data at {SHARED}")
TEST, TRAIN = "instances_test2015.json.gz", "instances_train2015_reconstructed.json.gz"
PHOTOGRAPH = "HICO_test2015_00003124.jpg"


def findings(report: Report, level: str) -> dict[str, str]:
    return {f.what: f.affects for f in report.findings if f.level == level}


@needs_data
class TestReal:
    @pytest.fixture(scope="class")
    def report(self, tmp_path_factory: Any) -> Report:
        folder = tmp_path_factory.mktemp("hico")
        for name in (TEST, TRAIN, "anno.mat"):
            shutil.copy(SHARED / "hico" / name, folder)
        return check(folder)

    def test_the_reconstructed_training_file_lacks_217_pairs(self, report: Report) -> None:
        assert report.verdict == "usable"
        assert report.says == "HICO-DET; UPT / EZ-HOI JSON (instances_*2015.json), objects in COCO-80 order"
        train, test = report.splits["train"], report.splits["test"]
        assert (train["images"], train["pairs"], train["official_pairs"]) == (38_118, 117_654, 117_871)
        assert (test["images"], test["pairs"], test["images_without_pairs"]) == (9_658, 33_405, 112)
        assert len(train["classes_that_differ"]) == 36 and not test["classes_that_differ"]
        assert {c["class"].split()[0] for c in train["classes_that_differ"]} == {"no"}
        gaps = findings(report, "gap")
        text = gaps["train: 217 of 117,871 pairs are missing, in 36 classes, all of them no_interaction"]
        assert "rare classes stay the same" in text
        assert "no image folders (train2015, test2015)" in gaps and not findings(report, "fault")

    def test_empty_images_without_a_size_are_a_note(self, report: Report) -> None:
        notes = findings(report, "note")
        assert "train: 485 images have no size in the annotation, 0 of them with pairs" in notes
        assert "train: pairs that repeat another one, boxes and class: 1" in notes

    def test_a_test_file_without_its_empty_images(self, tmp_path: Path) -> None:
        rows = detect.read(SHARED / "hico" / TEST)
        assert not isinstance(rows, detect.Labels)
        tables = rows.tables()
        some = Tables(tables.images[tables.images["n_pairs"] > 0], tables.pairs)
        path = written.as_json(tmp_path / "test_hico.json", written.ppdm(some, shift=0))
        report = check(path)
        assert report.verdict == "usable"
        gaps = findings(report, "gap")
        assert "official protocol" in gaps["test: 112 of 9,658 images are not listed, those without pairs"]
        assert any("have no size" in what for what in gaps)

    def test_a_test_file_that_was_cut(self, tmp_path: Path) -> None:
        rows = detect.read(SHARED / "hico" / TEST)
        assert not isinstance(rows, detect.Labels)
        tables = rows.tables()
        half = Tables(
            tables.images.head(5_000), tables.pairs[tables.pairs["image_id"] <= tables.images["image_id"][4_999]]
        )
        report = check(written.as_json(tmp_path / "instances_test2015.json", written.upt(half)))
        affects = findings(report, "gap")
        assert affects["test: 4,658 of 9,658 images are not listed"] == "every result"
        assert any("not comparable with published results" in text for text in affects.values())

    def test_vcoco(self) -> None:
        report = check(SHARED / "vcoco")
        assert report.verdict == "complete" and report.says.startswith("V-COCO")
        assert {s: (r["images"], r["pairs"]) for s, r in report.splits.items()} == {
            "train": (2_533, 6_400),
            "val": (2_867, 7_417),
            "test": (4_946, 12_402),
        }

    def test_one_photograph(self, tmp_path: Path) -> None:
        (tmp_path / "images" / "test2015").mkdir(parents=True)
        shutil.copy(SHARED / "images" / "hico" / PHOTOGRAPH, tmp_path / "images" / "test2015")
        shutil.copy(SHARED / "hico" / TEST, tmp_path)
        report = check(tmp_path, images="decode")
        assert report.images is not None
        assert (report.images.present, report.images.expected, report.images.unreadable) == (1, 9_658, 0)
        assert report.images.other_size == 0 and report.verdict == "unusable"


IMAGES = [(f"HICO_train2015_{n:08d}.jpg", 64, 48) for n in range(1, 6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five tiny images: right, of another size, truncated, empty, and one that is missing; and one not annotated."""
    pairs = [(name, 153, (1, 1, 20, 20), (5, 5, 64, 48)) for name, _, _ in IMAGES]
    for name, value in (("instances_train2015.json", written.upt(written.canonical(IMAGES, pairs))),):
        written.as_json(tmp_path / name, value)
    place = tmp_path / "hico" / "images" / "train2015"
    place.mkdir(parents=True)
    picture = Image.effect_noise((64, 48), 60).convert("RGB")
    for name in (IMAGES[0][0], IMAGES[2][0], "HICO_train2015_00000099.jpg"):
        picture.save(place / name)
    picture.resize((48, 64)).save(place / IMAGES[1][0])
    whole = (place / IMAGES[2][0]).read_bytes()
    (place / IMAGES[2][0]).write_bytes(whole[: len(whole) // 2])
    (place / IMAGES[3][0]).write_bytes(b"")
    return tmp_path


def test_image_files(folder: Path) -> None:
    report = check(folder)
    found = report.images
    assert found is not None and report.verdict == "unusable"
    assert (found.expected, found.present, found.unreadable, found.other_size, found.not_annotated) == (5, 4, 1, 1, 1)
    examples = [e for f in report.findings for e in f.examples if f.level == "fault"]
    assert any(e == f"hico/images/train2015/{IMAGES[4][0]}" for e in examples)
    assert any(f"{IMAGES[3][0]}: not a readable image" in e for e in examples)
    assert f"{IMAGES[1][0]}: the file is 48 x 64, the annotation says 64 x 48" in examples


def test_decoding_finds_the_truncated_file(folder: Path) -> None:
    found = check(folder, images="decode").images
    assert found is not None and found.unreadable == 2 and found.decoded


def test_images_can_be_left_alone(folder: Path) -> None:
    assert check(folder, images="none").images is None


def test_faulty_rows_and_an_unreadable_file(folder: Path) -> None:
    path = folder / "instances_train2015.json"
    value = json.loads(path.read_text())
    value["annotation"][0]["object"][0] = 99
    path.write_text(json.dumps(value))
    (folder / "trainval_hico.json").write_text("[")
    report = check(folder, images="none")
    faults = [f for f in report.findings if f.level == "fault"]
    assert report.verdict == "unusable"
    assert any("1 faulty rows" in f.what and f"{IMAGES[0][0]}, pair 0" in f.examples[0] for f in faults)
    assert any("not valid JSON" in f.what for f in faults)


def test_nothing_is_changed(folder: Path) -> None:
    def state() -> dict[str, Any]:
        return {
            str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "")
            for p in folder.rglob("*")
        }

    before = state()
    check(folder, images="decode")
    assert state() == before


def test_an_empty_folder_and_none_at_all(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert report.verdict == "unusable" and report.says == "no annotation that can be read"
    with pytest.raises(DataError, match="no such file or folder"):
        check(tmp_path / "nowhere")
