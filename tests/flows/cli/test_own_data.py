"""`ezhoi data import`, `check` and `template` on annotations of one's own: what is written, said and refused."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import own_samples
import own_world
import pytest
from own_samples import DATA, WORDS
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.datasets.own import annotated


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Blank pictures of the samples' sizes, one of them stored turned."""
    root = tmp_path / "pictures"
    own_samples.blank(root)
    return root


def ezhoi(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *words])
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


def test_an_export_becomes_a_file_that_is_read_again(pictures: Path) -> None:
    to = pictures / "own.json"
    export = str(DATA / "label-studio/good")
    said = ezhoi("import", export, "--pictures", str(pictures), "--to", str(to), "--vocabulary", str(WORDS))
    assert "6 pictures (1 without interaction), 15 boxes (8 persons), 10 interactions" in said
    assert "relation bbbl-bbbb: from object to person" in said and "zero-shot): repair" in said
    assert said.endswith("own.json written, and vocabulary.yaml beside it\n")
    own_samples.same(own_samples.table(annotated.read(to)), own_samples.expected(DATA / "expected.csv"))
    said = ezhoi("check", str(pictures))
    assert "Errors" not in said and said.endswith("usable\n")
    assert json.loads(ezhoi("check", str(pictures), "--json"))["problems_by_level"] == {
        "error": 0,
        "warning": 0,
        "note": 0,
    }


def test_a_split_is_drawn_once_and_written(tmp_path: Path) -> None:
    own_world.make(tmp_path, train=8, test=2, splits=False)
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    for to in (first, again):
        said = ezhoi("import", str(tmp_path / "own.json"), "--to", str(to), "--test-share", "0.3")
    assert "splits: " in said and first.read_bytes() == again.read_bytes()
    splits = {image["split"] for image in json.loads(first.read_text())["images"]}
    assert splits == {"train", "test"}
    told = CliRunner().invoke(app, ["data", "import", str(first), "--to", str(again), "--test-share", "0.3"])
    assert "has nothing to draw" in str(told.exception)


def test_nothing_is_written_while_there_are_errors(pictures: Path, tmp_path: Path) -> None:
    words = ["import", str(DATA / "coco-rel/faulty"), "--pictures", str(pictures), "--vocabulary", str(WORDS)]
    to = tmp_path / "new" / "own.json"
    refused = CliRunner().invoke(app, ["data", *words, "--to", str(to)])
    assert "Errors (12)" in refused.output and "annotation 3: is empty" in refused.output
    assert "--faults skip" in str(refused.exception) and not to.exists()
    ezhoi(*words, "--to", str(to), "--faults", "skip")
    wanted = own_samples.expected(DATA / "coco-rel/faulty/expected_skip.csv")
    own_samples.same(own_samples.table(annotated.read(to)), wanted)
    assert (to.parent / "vocabulary.yaml").read_bytes() == WORDS.read_bytes()
    code = CliRunner().invoke(app, ["data", "check", *words[1:]]).exit_code
    assert code == 1, "errors are no usable data"


def test_a_folder_without_pictures_is_refused_and_one_without_words_too(tmp_path: Path) -> None:
    export, to = str(DATA / "label-studio/good"), str(tmp_path / "own.json")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = CliRunner().invoke(app, ["data", "import", export, "--pictures", str(empty), "--to", to])
    assert "no picture is in this folder" in str(refused.exception)
    shutil.copy(DATA / "cvat-images/good/annotations.xml", empty)
    refused = CliRunner().invoke(app, ["data", "import", str(empty), "--to", to])
    assert "write a vocabulary.yaml beside it" in str(refused.exception)


def test_the_template_has_every_word() -> None:
    root = ET.fromstring(ezhoi("template", "label-studio", "--vocabulary", str(WORDS)))
    verbs = [relation.get("value") for relation in root.iter("Relation")]
    assert verbs == ["water", "hold", "push", "ride", "feed", "hug", "repair"]
    assert [choice.get("value") for choice in root.iter("Choice")] == ["wave"]
    labels = [label.get("value") for label in root.iter("Label")]
    assert labels == ["person", "tomato plant", "watering can", "wheelbarrow", "ladder", "cargo bike", "goose"]
    world = ET.fromstring(ezhoi("template", "label-studio"))
    assert "ride" in {relation.get("value") for relation in world.iter("Relation")}


def test_check_says_which_export_to_choose() -> None:
    said = ezhoi("check", str(DATA / "label-studio/faulty/json-min.json"), code=1)
    assert "as annotations of your own: " in said and said.endswith("no relations and no region ids; export JSON\n")
