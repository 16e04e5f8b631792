"""Every sample of every tool gives the table that it should, every faulty one its faults, told where they are."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import own_samples
import pytest
from own_samples import DATA, WORDS

from pipeline.datasets.own import annotated, write
from pipeline.datasets.own.problems import Problem
from pipeline.errors import DataError
from pipeline.outside import reading, streaming

GOOD = {
    "coco-rel": "coco-rel/good/interactions.json",
    "by hand": "coco-rel/good/by-hand.json",
    "label-studio": "label-studio/good",
    "cvat-images": "cvat-images/good/annotations.xml",
    "labelme": "labelme/good",
    "ppdm": "ppdm/good/trainval.json",
}
FAULTY = {
    "coco-rel": "interactions.json",
    "label-studio": "export.json",
    "cvat-images": "annotations.xml",
    "labelme": ".",
    "ppdm": "trainval.json",
}


@pytest.mark.parametrize("tool", GOOD)
def test_every_tool_tells_the_same(tool: str) -> None:
    found = annotated.read(DATA / GOOD[tool], vocabulary=WORDS, pictures=own_samples.pictures())
    assert not found.problems.of("E")
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "expected.csv"))
    assert len(found.rows.images) == 6, "the picture without boxes stays, the one without annotation is no part"
    assert len(found.rows.boxes) == 15


def test_frames_of_a_video_are_pictures() -> None:
    found = annotated.read(DATA / "cvat-video/good", vocabulary=WORDS)
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "cvat-video/good/expected.csv"))


@pytest.mark.parametrize("tool", FAULTY)
def test_what_is_faulty_is_left_out_and_told(tool: str) -> None:
    folder = DATA / tool / "faulty"
    found = annotated.read(folder / FAULTY[tool], vocabulary=WORDS, pictures=own_samples.pictures())
    own_samples.same(own_samples.table(found), own_samples.expected(folder / "expected_skip.csv"))
    with (folder / "faults.csv").open(encoding="utf-8", newline="") as file:
        wanted = [row for row in csv.DictReader(file) if not row["where"].endswith("json-min.json")]
    missing = [row for row in wanted if not any(_tells(problem, row) for problem in found.problems.found)]
    assert not missing
    levels = [problem.level for problem in found.problems.found if "whole file" not in problem.where]
    assert levels.count("E") == sum(row["level"] == "E" for row in wanted), "no error without a fault"
    with pytest.raises(DataError, match="that cannot be used"):
        found.problems.stop_if_any()


def _tells(problem: Problem, row: dict[str, str]) -> bool:
    """Whether a problem is of that place and level, and speaks of the word in question."""
    place, _, shape = row["where"].partition(", ")
    shape = re.sub(r"^box (?=[a-z])| in group 5$", "", shape)
    if shape in ("points", "circle"):
        shape, word = "goose", shape
    else:
        word = next(iter(re.findall(r"hodl|hugg|wather|geese|gooose|@[CZ]|px over", row["what"])), "")
    here = problem.where == row["where"] or (problem.where.startswith(place) and shape in problem.where)
    return here and problem.level == row["level"] and (word in problem.what or word in problem.where)


def test_the_export_without_relations_is_refused() -> None:
    with pytest.raises(DataError, match=r"JSON-MIN.*export JSON"):
        annotated.read(DATA / "label-studio/faulty/json-min.json", vocabulary=WORDS)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Also without the vocabulary: the file has its words and its classes."""
    first = annotated.read(DATA / GOOD["label-studio"], vocabulary=WORDS, pictures=own_samples.pictures())
    write.write(tmp_path / "own.json", annotated.file_content(first))
    again = annotated.read(tmp_path)
    own_samples.same(own_samples.table(again), own_samples.expected(DATA / "expected.csv"))
    assert [(c.hoi_id, c.name) for c in again.vocabulary.classes] == [
        (c.hoi_id, c.name) for c in first.vocabulary.classes
    ]
    assert again.vocabulary.without_object == first.vocabulary.without_object
    assert not again.problems.found


def test_the_file_alone_has_the_classes_that_occur() -> None:
    found = annotated.read(DATA / GOOD["coco-rel"], pictures=own_samples.pictures())
    assert [c.name for c in found.vocabulary.classes] == [
        "water tomato plant",
        "hold watering can",
        "hold ladder",
        "hold cargo bike",
        "push wheelbarrow",
        "ride cargo bike",
        "feed goose",
        "hug person",
    ]
    assert [found.vocabulary.verbs[v].name for v in found.vocabulary.without_object] == ["wave"]
    assert found.pairs["hoi_id"].tolist() == [0, 1, 4, 4, 2, 5, 3, 6, 7]


@pytest.mark.parametrize("layout", ["label-studio", "ppdm"])
def test_the_first_entry_of_a_list_need_not_show_whose_it_is(layout: str, tmp_path: Path) -> None:
    good = annotated.find(DATA / GOOD[layout]).path
    entries = json.loads(good.read_text(encoding="utf-8"))
    name = entries[0]["data"] if layout == "label-studio" else entries[0]["file_name"]
    first = {"id": 999, "data": name} if layout == "label-studio" else {"file_name": "yard/not-annotated-07.jpg"}
    shutil.copy(DATA / "ppdm/ids.yaml", tmp_path)
    (tmp_path / "export.json").write_text(json.dumps([first, *entries]), encoding="utf-8")
    found = annotated.read(tmp_path / "export.json", vocabulary=WORDS, pictures=own_samples.pictures())
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "expected.csv"))


def test_a_file_of_labelme_may_have_keys_of_coco(tmp_path: Path) -> None:
    shutil.copytree(DATA / GOOD["labelme"], tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({"images": [], "annotations": {}, **content}), encoding="utf-8")
        assert annotated.find(path).layout == "labelme"
    found = annotated.read(tmp_path, vocabulary=WORDS, pictures=own_samples.pictures())
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "expected.csv"))


def test_the_picture_in_a_file_of_labelme_may_be_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = next((DATA / GOOD["labelme"]).rglob("*.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "a.json").write_text(json.dumps(content | {"imageData": "A" * 200_000}))
    monkeypatch.setattr(reading, "PIECE", 1_000)
    monkeypatch.setattr(streaming, "LARGEST_VALUE", 50_000)
    assert annotated.find(tmp_path / "a.json").layout == "labelme"


def test_images_beside_the_tracks_of_a_video_are_read(tmp_path: Path) -> None:
    images, video = (DATA / kind / "good/annotations.xml" for kind in ("cvat-images", "cvat-video"))
    drawn = re.findall(r"<image .*?</image>", images.read_text(encoding="utf-8"), re.DOTALL)
    both = video.read_text(encoding="utf-8").replace("</annotations>", f"{drawn[0]}</annotations>")
    (tmp_path / "annotations.xml").write_text(both, encoding="utf-8")
    found = annotated.read(tmp_path / "annotations.xml", vocabulary=WORDS)
    alone = annotated.read(video, vocabulary=WORDS)
    assert found.counts["images"] == alone.counts["images"] + 1
    assert found.counts["boxes"] == alone.counts["boxes"] + drawn[0].count("<box ")


def test_the_former_keys_of_the_export_are_read(tmp_path: Path) -> None:
    value = json.loads((DATA / GOOD["coco-rel"]).read_text(encoding="utf-8"))
    hois = [{"id": 7, "verb": "ride", "object": "cargo_bike", "name": "ride cargo bike"}]
    pair = {"id": 0, "image_id": 3, "subject_id": 8, "object_id": 9, "hoi_id": 7, "verb_id": 3}
    former = {key: value[key] for key in ("images", "categories", "annotations")} | {"pairs": [pair], "hois": hois}
    (tmp_path / "instances_train.json").write_text(json.dumps(former), encoding="utf-8")
    found = annotated.read(tmp_path / "instances_train.json", vocabulary=WORDS)
    assert [row[:3] for row in own_samples.table(found)] == [("street/bike 03.jpg", "ride", "cargo bike")]


def one_a_split(folder: Path, **changed: Any) -> None:
    """The `coco-rel` sample as two files, whose ids both begin at 1; `changed` goes into the second."""
    value = json.loads((DATA / GOOD["coco-rel"]).read_text(encoding="utf-8"))
    for split in ("train", "test"):
        images = [image for image in value["images"] if image["split"] == split]
        number = {image["id"]: i for i, image in enumerate(images, 1)}
        boxes = [box for box in value["annotations"] if box["image_id"] in number]
        box = {old["id"]: i for i, old in enumerate(boxes, 1)} | {None: None}
        content = value | {
            "images": [{k: v for k, v in i.items() if k != "split"} | {"id": number[i["id"]]} for i in images],
            "annotations": [b | {"id": box[b["id"]], "image_id": number[b["image_id"]]} for b in boxes],
            "rel_annotations": [
                r
                | {
                    "image_id": number[r["image_id"]],
                    "subject_id": box[r["subject_id"]],
                    "object_id": box[r["object_id"]],
                }
                for r in value["rel_annotations"]
                if r["image_id"] in number
            ],
        }
        content |= changed if split == "test" else {}
        (folder / f"own-{split}2026.json").write_text(json.dumps(content), encoding="utf-8")


def test_one_file_a_split_is_one_annotation(tmp_path: Path) -> None:
    one_a_split(tmp_path)
    found = annotated.read(tmp_path, vocabulary=WORDS, pictures=own_samples.pictures())
    assert not found.problems.of("E")
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "expected.csv"))
    splits = dict(zip(found.rows.images["file_name"], found.rows.images["split"], strict=True))
    assert [name for name, split in splits.items() if split == "test"] == ["street/gänse-04.png"] and len(splits) == 6
    own = annotated.read(tmp_path, pictures=own_samples.pictures())
    assert own.vocabulary.classes and len(own.rows.relations) == len(found.rows.relations)


@pytest.mark.parametrize("number", [1_000_001, 10**20, -1, "7"])
def test_a_class_with_an_id_that_is_none_is_an_error(number: Any, tmp_path: Path) -> None:
    path = tmp_path / "own" / "small.json"
    own_samples.write_small(path)
    content = json.loads(path.read_text())
    content["hoi_categories"] = [{"id": number, "predicate_id": 1, "category_id": 2}]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"small\.json: classes, entry 1: id .* is none; .* from 0 to 1,000,000"):
        annotated.read(path, pictures=own_samples.pictures())


def test_a_fault_of_one_file_of_several_is_told_with_its_name(tmp_path: Path) -> None:
    one_a_split(
        tmp_path, rel_annotations=[{"id": 1, "image_id": 1, "subject_id": 99, "object_id": 1, "predicate_id": 0}]
    )
    found = annotated.read(tmp_path, vocabulary=WORDS, pictures=own_samples.pictures())
    assert [str(e) for e in found.problems.of("E")] == [
        "own-test2026.json, relation 1: annotation 99 does not exist (left out)"
    ]
    one_a_split(tmp_path, rel_categories=[])
    with pytest.raises(DataError, match=r"own-train2026\.json: its rel_categories are not those of own-test2026\.json"):
        annotated.read(tmp_path, pictures=own_samples.pictures())
    (tmp_path / "own-test2026.json").rename(tmp_path / "other.json")
    with pytest.raises(
        DataError, match=r"several annotations, other\.json, own-train2026\.json; .*names end in train and test"
    ):
        annotated.read(tmp_path, vocabulary=WORDS)


def test_a_wrong_export_is_told_before_the_words_that_it_lacks(tmp_path: Path) -> None:
    boxes = {"images": [], "annotations": [], "categories": [], "info": {"contributor": "Label Studio"}}
    (tmp_path / "result.json").write_text(json.dumps(boxes), encoding="utf-8")
    with pytest.raises(DataError, match=r"result\.json: is Label Studio's COCO export, .* export JSON instead"):
        annotated.read(tmp_path / "result.json")
    with zipfile.ZipFile(tmp_path / "project.zip", "w") as packed:
        packed.writestr("result.json", "{}")
    with pytest.raises(DataError, match=r"project\.zip: has no annotations\.xml; .* of Label Studio JSON"):
        annotated.read(tmp_path / "project.zip")
    (tmp_path / "project.csv").write_text("image,id\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"project\.csv: is no annotation that is known"):
        annotated.read(tmp_path / "project.csv")
    (tmp_path / "own.json").touch()
    with pytest.raises(DataError, match=r"own\.json: is an empty file"):
        annotated.read(tmp_path)


VIDEO = DATA / "cvat-video/good/annotations.xml"


@pytest.mark.parametrize(("zero", "one"), [("false", "true"), ("False", "True"), ("0", "1")])
def test_what_is_out_of_sight_in_a_video_is_no_box_however_that_is_spelled(tmp_path: Path, zero: str, one: str) -> None:
    text = VIDEO.read_text(encoding="utf-8")
    assert 'outside="1"' in text
    path = tmp_path / "annotations.xml"
    path.write_text(text.replace('outside="0"', f'outside="{zero}"').replace('outside="1"', f'outside="{one}"'))
    found = annotated.read(path, vocabulary=WORDS)
    own_samples.same(own_samples.table(found), own_samples.expected(DATA / "cvat-video/good/expected.csv"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('outside="0"', 'outside="yes"', "outside = 'yes', which is neither 0 nor 1"),
        ('outside="0"', 'outside=""', "outside = '', which is neither 0 nor 1"),
        (' frame="0"', ' frame="0.5"', "frame = '0.5', which is no whole number"),
        (' frame="0"', ' frame="-1"', "frame = '-1', which is no whole number"),
        (' frame="0"', "", "frame = '', which is no whole number"),
    ],
)
def test_a_shape_of_a_video_that_says_not_where_it_is_is_an_error(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(VIDEO.read_text(encoding="utf-8").replace(old, new, 1))
    found = annotated.read(path, vocabulary=WORDS)
    assert f"track 0 (person), shape 1: {what} (left out)" in [str(e) for e in found.problems.of("E")]
