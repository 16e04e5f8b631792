"""Every command of the command line is called with real data: here, in a store of two runs, or by the test that is named."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import layout_writers
import own_samples
import pandas as pd
import pytest
import torch
import typer
from PIL import Image
from shared_demo import Copied
from small_demo import SETTINGS
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.config import loading
from pipeline.engine.run import run
from pipeline.store import runs
from pipeline.store.store import Store
from tests.models.original_detr import build

TESTS = Path(__file__).parents[2]
EDIT = "hug horse: A person stands close beside a horse with both arms round its neck, the cheek against its mane.\n"

CASES = {
    "ablate": (
        "--settings rf_uc --seeds 0 --rows llm --full --set seen.epochs=1",
        "| model | unseen | gain | seen |",
    ),
    "artifacts diff": ("evaluation/{old} evaluation/{new}", "descriptions: descriptions.edits: hug horse"),
    "artifacts gc": ("--keep 0 --results --dry-run", "evaluation/{new:.12}"),
    "artifacts keep": ("{new} --note 'the best'", "is kept"),
    "artifacts lineage": ("evaluation", "        annotations/"),
    "artifacts list": ("evaluation", "evaluation        {new:.12}"),
    "artifacts release": ("{old}", "is not kept any more"),
    "artifacts show": ("utpl", "utpl.steps = 8"),
    "artifacts verify": ("", "0 faults"),
    "bundle check": ("", "whole; 122 classes"),
    "bundle export": ("--out mine.safetensors", "model card: mine.md"),
    "bundle pull": ("shared/ --out theirs.safetensors", "model card: theirs.md"),
    "bundle push": ("elsewhere/", "shared: elsewhere/bundle.safetensors"),
    "bundle show": ("", "# Zero-shot human-object interaction detection"),
    "config keys": ("", "utpl.steps"),
    "config profiles": ("", "hico-vitl"),
    "config show": ("--set seed=3", "seed: 3"),
    "data check": ("instances_test2015.json", "1 of  9,658 images"),
    "data import": ("yard/yard-rel.json --to own/own.json", "1 picture (0 without interaction), 2 boxes (1 person)"),
    "data look": ("yard/yard-rel.json", "1 of 1 pictures are drawn in look.html"),
    "data template": ("label-studio", '<Relation value="hug"/>'),
    "data export": ("out --format coco", "instances_test.json: 24 images"),
    "describe": ("--separability", "verb eat"),
    "describe edit": ("'pet cat' --text 'A person strokes a cat.' --file more.yaml", "use it: ezhoi run"),
    "describe export": ("texts.csv", "122 texts of descriptions/"),
    "describe import": ("given.csv", "1 texts; the quality gate passes"),
    "describe pairs": ("", "hug horse"),
    "describe show": ("'hug horse'", "sentences"),
    "detector convert": ("detr-r50-hicodet.pth", "keys renamed"),
    "detector report": ("", "box AP at 0.5"),
    "doctor": ("", "ok"),
    "evaluate compare": ("{old} {new} --resamples 20", "classes gain"),
    "evaluate crosshoi": ("-d named.json -q questions.json", "instance F1"),
    "evaluate export": ("{found} --to qpic --out found.json", "found.json"),
    "evaluate predictions": ("--protocol exact --per-class", "hug horse"),
    "evaluate table": ("{several} --resamples 20 --mode both", "official, known-object: mAP"),
    "evaluate vcoco": ("-d roles.parquet -a vcoco.json", "scenario"),
    "evaluate-detections": ("{found} --setting rf-uc --protocol all --mode both --out evaluated", "report: evaluated/"),
    "model summary": ("", "trained numbers"),
    "predict": ("pictures --boxes pictures.parquet", "1 of 1 pictures: predicted/index.html"),
    "run": ("", ": 14 cached; store "),
    "runs": ("--sort unseen", "descriptions.edits"),
    "runs compare": ("{run} newest --out better.html", "descriptions.edits: hug horse"),
    "runs show": ("newest", "descriptions.edits = edits.yaml"),
    "site": ("--out site --copy", "site/index.html"),
    "status": ("--set utpl.steps=5", "utpl.steps: 8 -> 5"),
    "study": ("ablation --variant llm --settings rf_uc --seeds 0 --set seen.epochs=1", "+ LLM guidance"),
    "world classes": ("", "hug horse"),
    "world clip": ("tiny.safetensors --steps 1 --scenes 8", "tiny.safetensors: loss"),
    "world pictures": ("scenes --count 2", "ezhoi predict scenes --boxes scenes/boxes.parquet"),
    "world detector": ("finds.safetensors --steps 1 --scenes 8 --measured 2", "finds.safetensors: box AP"),
    "world sheet": ("sheet.png --count 2", "2 scenes of split test in sheet.png"),
    "world zero-shot": ("--scenes 20", "among pairs with the same object"),
}
"""Command: (the rest of the line, a part of what it says)."""

ELSEWHERE = {
    "artifacts adopt": "pipeline/engine/test_adoption.py",
    "deploy": "flows/test_installed.py",
    "down": "flows/server/test_local.py",
    "follow": "flows/server/test_local.py",
    "launch": "flows/server/test_local.py",
    "llm check": "pipeline/texts/llm/test_secrets.py",
    "llm serve": "flows/server/test_vllm.py",
    "up": "flows/server/test_local.py",
    "weights import": "flows/cli/test_weights.py",
}
"""Commands that need a Prefect server, a language model or a checkpoint of other code: the test file that calls them."""


def commands() -> Iterator[str]:
    """Every command of the command line, and the groups that do something themselves."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None or (path and command.invoke_without_command):
            yield " ".join(path)
        for name, one in (inner or {}).items():
            yield from walk(one, (*path, name))

    return walk(typer.main.get_command(app), ())


@dataclass
class Shop:
    """A folder with a store of two runs and files of all kinds, in which commands are called."""

    folder: Path
    names: dict[str, str]

    def call(self, command: str, words: str) -> str:
        """What the command says; it has to end well."""
        arguments = [*command.split(), *shlex.split(words.format(**self.names))]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{shlex.join(arguments)}\n{result.output}{result.exception!r}"
        return result.output


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    demo(folder / "artifacts")
    (folder / "edits.yaml").write_text(EDIT)
    settings = [*SETTINGS, f"store.root={folder / 'artifacts'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EZHOI_HOME", str(folder / "home"))
        for setting in settings:
            key, _, value = setting.partition("=")
            patch.setenv("EZHOI__" + key.upper().replace(".", "__"), value)
        edited = run(loading.load(overrides=["descriptions.edits=edits.yaml"]))["evaluation"].artifact
        patch.setenv("EZHOI__DESCRIPTIONS__EDITS", "edits.yaml")
        store = Store(folder / "artifacts")
        (old,) = {a.fingerprint for a in store.artifacts("evaluation")} - {edited.fingerprint}
        shop = Shop(folder, {"old": old, "new": edited.fingerprint, "run": runs.records(store)[0].id})
        _write_files(shop)
        yield shop


def _write_files(shop: Shop) -> None:
    """What commands are given to read."""
    shop.call("artifacts keep", shop.names["old"])
    annotations = Store(shop.folder / "artifacts").find("annotations").path("test-pairs.parquet").parent
    detections = Store(shop.folder / "artifacts").find("evaluation").path("predictions.parquet")
    shop.names["found"] = f"--detections {detections} --annotations {annotations}"
    shop.names["several"] = f"{detections} --annotations {annotations}"
    (shop.folder / "given.csv").write_text("class,text\npet cat,A person strokes the back of a cat.\n")
    torch.save({"model_state_dict": build().state_dict()}, shop.folder / "detr-r50-hicodet.pth")
    _write_picture(shop.folder)
    shop.call("bundle push", "shared/")
    _write_hico(shop.folder / "instances_test2015.json")
    _write_vcoco(shop.folder)
    own_samples.write_small(shop.folder / "yard" / "yard-rel.json")
    Image.new("RGB", (64, 48)).save(shop.folder / "yard" / "yard.jpg")


def _write_hico(path: Path) -> None:
    """One image of HICO-DET with one pair."""
    name = "HICO_test2015_00000001.jpg"
    tables = layout_writers.canonical([(name, 640, 480)], [(name, 4, (1, 1, 50, 90), (20, 30, 100, 120))])
    layout_writers.as_json(path, layout_writers.upt(tables))


def _write_picture(folder: Path) -> None:
    """A picture with the boxes of a person and a horse."""
    (folder / "pictures").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "pictures" / "a.jpg")
    boxes = pd.DataFrame([[1, 1, 30, 40], [20, 10, 60, 45]], columns=["x1", "y1", "x2", "y2"])
    boxes.assign(file_name="a.jpg", label=["person", "horse"], score=0.9).to_parquet(folder / "pictures.parquet")


def _write_vcoco(folder: Path) -> None:
    """One image of V-COCO with one pair, annotated and found."""
    name, boxes = "COCO_val2014_000000000001.jpg", [[0, 0, 9, 9, 5, 5, 20, 20]]
    entry = {"file_name": name, "boxes_h": [[0, 0, 9, 9]], "boxes_o": [[5, 5, 20, 20]], "actions": [0], "objects": [42]}
    content = {"annotations": [entry], "classes": ["hold obj", "point instr"], "action_to_object": []}
    (folder / "vcoco.json").write_text(json.dumps(content))
    question = {"gt_choices": ["hold a cup"], "wrong_choices": ["lick a cup"]}
    rows = {"h_boxes": [boxes[0][:4]], "o_boxes": [boxes[0][4:]], "ho_scores": [0.5], "ao_names": ["hold a cup"]}
    (folder / "questions.json").write_text(json.dumps({name: question}))
    (folder / "named.json").write_text(json.dumps({name: rows}))
    columns = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
    found = pd.DataFrame(boxes, columns=columns).assign(file_name=name, role="hold obj", score=0.5)
    found.to_parquet(folder / "roles.parquet")


def test_no_command_is_left_out() -> None:
    found = set(commands())
    assert len(found) > 40 and found == CASES.keys() | ELSEWHERE.keys() and not CASES.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("command", ELSEWHERE)
def test_the_named_file_calls_the_command(command: str) -> None:
    """The words of the command stand there as arguments of a call or a list, one after the other."""
    code, words = ast.parse((TESTS / ELSEWHERE[command]).read_text()), command.split()
    given = [node.args if isinstance(node, ast.Call) else node.elts for node in ast.walk(code) if _has_words(node)]
    lines = [[getattr(word, "value", None) for word in line] for line in given]
    assert any(line[i : i + len(words)] == words for line in lines for i in range(len(line)))


def _has_words(node: ast.AST) -> bool:
    return isinstance(node, ast.Call | ast.List | ast.Tuple)


@pytest.mark.slow
@pytest.mark.parametrize("command", CASES)
def test_a_command_is_called_with_real_data(shop: Shop, command: str) -> None:
    words, said = CASES[command]
    assert said.format(**shop.names) in shop.call(command, words)


@pytest.mark.slow
def test_what_was_run_is_in_the_store(shop: Shop) -> None:
    assert {record.status for record in runs.records(Store(shop.folder / "artifacts"))} == {"completed"}
