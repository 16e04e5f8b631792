"""Every sample of every tool gives the table that it should, every faulty one its faults, told where they are."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import own_samples
import pytest
from own_samples import DATA, WORDS

from pipeline.datasets.own import annotated, write
from pipeline.datasets.own.problems import Problem
from pipeline.errors import DataError

GOOD = {
    "native": "native/good/interactions.json",
    "by hand": "native/good/by-hand.json",
    "label-studio": "label-studio/good",
    "cvat-images": "cvat-images/good/annotations.xml",
    "labelme": "labelme/good",
    "ppdm": "ppdm/good/trainval.json",
}
FAULTY = {
    "native": "interactions.json",
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
    found = annotated.read(DATA / GOOD["native"], pictures=own_samples.pictures())
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


def test_the_former_keys_of_the_export_are_read(tmp_path: Path) -> None:
    value = json.loads((DATA / GOOD["native"]).read_text(encoding="utf-8"))
    hois = [{"id": 7, "verb": "ride", "object": "cargo_bike", "name": "ride cargo bike"}]
    pair = {"id": 0, "image_id": 3, "subject_id": 8, "object_id": 9, "hoi_id": 7, "verb_id": 3}
    former = {key: value[key] for key in ("images", "categories", "annotations")} | {"pairs": [pair], "hois": hois}
    (tmp_path / "instances_train.json").write_text(json.dumps(former), encoding="utf-8")
    found = annotated.read(tmp_path / "instances_train.json", vocabulary=WORDS)
    assert [row[:3] for row in own_samples.table(found)] == [("street/bike 03.jpg", "ride", "cargo bike")]
