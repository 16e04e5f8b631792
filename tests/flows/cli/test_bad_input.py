"""Every command, option and file is given what it should not be given: one message each, nothing lost, no traceback.

The store is a real one, of one training and one test image: what a command does with its arguments is the real thing.
"""

from __future__ import annotations

import functools
import os
import random
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import bad_input
import own_samples
import pytest
from bad_input import NUMBERS, TEXTS, WRITES, Command, Ended, Parameter, call, clean, commands

from flows.cli import app as cli
from flows.pages import html
from flows.server import local, vllm
from pipeline.errors import ServiceError
from pipeline.store.store import Store

SMALLEST = {
    "data.world.train_images": 1,
    "data.world.test_images": 1,
    "seen.epochs": 1,
    "seen.drop_after": 1,
    "utpl.steps": 1,
    "device": "cpu",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a store, predictions, annotations and all bad files; commands run in it, and start no server."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "files").mkdir()
    bad_input.write_all(folder / "files")
    own_samples.write_small(folder / "own.json")

    def none(*given: object, **named: object) -> None:
        raise ServiceError("tests start no server")

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("EZHOI_", "PREFECT_"))]:
            patch.delenv(name)
        settings = SMALLEST | {"store.root": folder / "store", "store.cache": folder / "cache"}
        for key, value in settings.items():
            patch.setenv("EZHOI__" + key.upper().replace(".", "__"), str(value))
        for name in ("HOME", "EZHOI_HOME"):
            patch.setenv(name, str(folder / name))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.chdir(folder)
        patch.setattr(local, "up", none)
        patch.setattr(vllm, "find", none)
        patch.setattr(html, "_rendered", functools.cache(html._rendered))  # hundreds of runs show the same artifacts
        assert call("run").code == 0
        store = Store(folder / "store")
        for stage, file in (("predictions", "predictions.parquet"), ("annotations", "test-pairs.parquet")):
            (folder / file.removeprefix("test-")).write_bytes(store.find(stage).path(file).read_bytes())
        yield folder


RECORDS = 8
"""How many records of the calls before one are left, so that it does not read those of hundreds."""


@pytest.fixture(scope="module")
def ezhoi(house: Path) -> Callable[..., str]:
    """Call a command, check what holds for all of them, and return its message."""
    store = house / "store"
    before = bad_input.state(store)

    def given(*words: str) -> str:
        nonlocal before
        WRITES.clear()
        ended: Ended = call(*words)
        tried = {path for path in WRITES if not path.startswith((str(house), "/dev/")) and "__pycache__" not in path}
        outside = [path for path in tried if path not in ("/", "/proc") and os.path.exists(path)]  # noqa: PTH110, a name may be none
        assert outside == [], f"{words} wrote {outside}"
        after = bad_input.state(store)
        assert before.items() <= after.items(), f"{words} changed the store"
        before = after
        for old in sorted((store / ".runs").glob("*.json"))[1:-RECORDS]:
            old.unlink()
            shutil.rmtree(old.with_suffix(""), ignore_errors=True)
        return clean(ended)

    return given


def test_one_picture_for_training_and_one_for_tests_are_enough(house: Path) -> None:
    assert {a.stage for a in Store(house / "store").artifacts()} >= {"seen", "utpl", "evaluation"}
    assert call("run").out.count(" cached  ") == len({a.stage for a in Store(house / "store").artifacts()})


PLAIN = {"profile", "settings", "overrides"}
"""Options of nearly every command: tests/flows/cli/test_bad_keys.py and `profile` below."""
BASE = {
    "describe show": ["hug horse"],
    "describe edit": ["hug horse", "--file", "edits.yaml", "--text", "A person hugs a horse."],
    "artifacts diff": ["seen"],
    "artifacts gc": ["--dry-run"],
    "evaluate compare": ["evaluation"],
    "evaluate-detections": ["-d", "predictions.parquet", "-a", "pairs.parquet"],
    "evaluate crosshoi": ["-d", "predictions.parquet", "-q", "files/a-list.json"],
    "evaluate table": ["predictions.parquet", "-a", "pairs.parquet"],
    "evaluate vcoco": ["-d", "predictions.parquet", "-a", "files/a-list.json"],
    "evaluate export": ["-d", "predictions.parquet", "-a", "pairs.parquet", "--to", "coco", "--out", "out.json"],
    "data export": ["exported"],
    "data look": ["own.json"],
    "data import": ["own.json", "--to", "imported.json"],
    "data template": ["label-studio"],
    "describe export": ["exported.csv"],
    "bundle push": ["elsewhere/"],
    "weights import": ["files/other.pt", "--profile", "demo"],
    "detector convert": ["files/other.pt"],
    "world sheet": ["sheet.png", "--count", "1"],
    "ablate": ["--full", "--rows", "base", "--seeds", "x"],
    "world zero-shot": ["--scenes", "1"],
    "world clip": ["files/folder.safetensors"],
    "world detector": ["files/folder.safetensors"],
    "run": ["--dry-run"],
}
"""What a command needs beside the value that it is tried with."""
EVALUATE = "evaluate-detections -d predictions.parquet -a pairs.parquet"
FILES = {
    "bundle check --clip": "bundle check --clip {}",
    "predict --boxes": "predict own.json --boxes {} --out looked-at",
    "predict --classes": "predict own.json --boxes files/a-list.json --classes {} --out looked-at",
    "predict --examples": "predict own.json --boxes files/a-list.json --examples {} --out looked-at",
    "predict --clip": "predict own.json --boxes files/a-list.json --clip {} --out looked-at",
    "data check PATH": "data check {}",
    "data check --pictures": "data check own.json --pictures {}",
    "data check --vocabulary": "data check own.json --vocabulary {}",
    "data import PATH": "data import {} --to imported.json",
    "data import --pictures": "data import own.json --to imported.json --pictures {}",
    "data import --vocabulary": "data import own.json --to imported.json --vocabulary {}",
    "data look PATH": "data look {}",
    "data look --pictures": "data look own.json --pictures {}",
    "data look --vocabulary": "data look own.json --vocabulary {}",
    "data template --vocabulary": "data template label-studio --vocabulary {}",
    "describe import FILE": "describe import {}",
    "describe import FILE of pairs": "describe import {} --disparities",
    "describe edit --file": "describe edit 'hug horse' --text 'A person hugs a horse.' --file {}",
    "weights import PATH": "weights import {} --profile demo",
    "weights import --prompts": "weights import files/other.pt --profile demo --prompts {}",
    "detector convert CHECKPOINT": "detector convert {}",
    "world zero-shot --weights": "world zero-shot --scenes 1 --weights {}",
    "evaluate predictions PREDICTIONS": "evaluate predictions {}",
    "artifacts adopt FOLDER": "artifacts adopt {}",
    "study STUDY": "study {} --show",
    "evaluate compare A": "evaluate compare {} evaluation",
    "evaluate-detections --detections": "evaluate-detections -a pairs.parquet -d {}",
    "evaluate-detections --annotations": "evaluate-detections -d predictions.parquet -a {}",
    "evaluate-detections --images": f"{EVALUATE} --images {{}}",
    "evaluate-detections --image-labels": f"{EVALUATE} --mode both --image-labels {{}}",
    "evaluate-detections --pictures": f"{EVALUATE} --out evaluated --pictures {{}}",
    "evaluate export --detections": "evaluate export --to coco --out out.json -a pairs.parquet -d {}",
    "evaluate export --annotations": "evaluate export --to coco --out out.json -d predictions.parquet -a {}",
    "evaluate export --images": "evaluate export --to coco --out o.json -d predictions.parquet -a pairs.parquet --images {}",
    "evaluate crosshoi --detections": "evaluate crosshoi -q files/a-list.json -d {}",
    "evaluate crosshoi --questions": "evaluate crosshoi -d predictions.parquet -q {}",
    "evaluate table FILES": "evaluate table predictions.parquet {} -a pairs.parquet --resamples 10",
    "evaluate table --annotations": "evaluate table predictions.parquet --resamples 10 -a {}",
    "evaluate table --images": "evaluate table predictions.parquet -a pairs.parquet --resamples 10 --images {}",
    "evaluate table --image-labels": "evaluate table predictions.parquet -a pairs.parquet --resamples 10 --image-labels {}",
    "evaluate vcoco --annotations": "evaluate vcoco -d predictions.parquet -a {}",
    "evaluate vcoco --detections": "evaluate vcoco -a files/a-list.json -d {}",
    "evaluate vcoco --coco": "evaluate vcoco -d predictions.parquet -a files/a-list.json --coco {}",
    "evaluate vcoco --agents": "evaluate vcoco -d predictions.parquet -a files/a-list.json --agents {}",
    "llm serve --environment": "llm serve --environment {}",
    "profile": "config show --profile {}",
    "data.root": "run -t annotations --set data.source=hico --set data.root={}",
    "data.annotations": "run -t annotations --set data.source=hico --set data.root=files/folder --set data.annotations={}",
    "detections.path": "run -t detections --set detections.source=parquet --set detections.path={}",
    "detections.path, COCO": "run -t detections --set detections.source=coco --set detections.path={}",
    "detections.weights": "run -t detections --set detections.source=hub --set detections.weights={}",
    "clip.weights": "run -t text_embeddings --set clip.weights={}",
    "descriptions.file": "run -t descriptions --set descriptions.source=file --set descriptions.file={}",
    "descriptions.edits": "run -t descriptions --set descriptions.edits={}",
    "descriptions.template": "describe --preview 'ride horse' --set descriptions.template={}",
    "disparities.template": "run -t disparities --set disparities.template={}",
    "disparities.file": "run -t disparities --set disparities.source=file --set disparities.file={}",
    "seen.weights": "run -t seen --set model.preset=released --set seen.weights={}",
    "seen.init": "run -t seen --set seen.init={}",
    "store.root": "artifacts list --set store.root={}",
}
"""Every door through which a file is read, and a command that goes through it."""
MADE = {
    "bundle export --out": "bundle export --out {}",
    "bundle pull --out": "bundle pull files --out {}",
    "predict --out": "predict own.json --boxes files/a-list.json --out {}",
    "runs compare --out": "runs compare newest newest --out {}",
    "site --out": "site --out {}",
    "world pictures OUT": "world pictures --count 1 {}",
    "data export OUT": "data export {}",
    "data import --to": "data import own.json --to {}",
    "data look --to": "data look own.json --to {}",
    "weights import --out": "weights import files/other.pt --profile demo --out {}",
    "describe import --to": "describe import texts.csv --to {}",
    "describe export FILE": "describe export {}",
    "detector convert --out": "detector convert files/other.pt --out {}",
    "world sheet OUT": "world sheet --count 1 {}",
    "world clip OUT": "world clip {}",
    "world detector OUT": "world detector {}",
    "evaluate-detections --out": f"{EVALUATE} --out {{}}",
    "evaluate vcoco --export": "evaluate vcoco -d predictions.parquet -a files/a-list.json --export {}",
    "evaluate export --out": "evaluate export -d predictions.parquet -a pairs.parquet --to parquet --out {}",
}
"""Every door through which a file is written."""


MAKE_FOLDERS = ("data export OUT", "data import --to", "evaluate-detections --out", "site --out", "world pictures OUT")
"""Doors that make the folder that they write into."""
ENDINGS = {
    "bundle export --out": ".safetensors",
    "bundle pull --out": ".safetensors",
    "runs compare --out": ".html",
    "data import --to": ".json",
    "data look --to": ".html",
    "weights import --out": ".safetensors",
    "world sheet OUT": ".png",
    "world clip OUT": ".safetensors",
    "evaluate vcoco --export": ".json",
    "evaluate export --out": ".parquet",
}
"""How the names have to end that a door takes; `.csv` will do for the others."""


def tried() -> list[tuple[Command, Parameter]]:
    """Every option and argument that takes a text, a choice or a number."""
    return [
        (command, parameter)
        for command in commands().values()
        for parameter in command.parameters
        if parameter.kind not in (bool, Path) and parameter.name not in PLAIN
    ]


@pytest.mark.parametrize(
    ("place", "pair"), list(enumerate(tried())), ids=[f"{c} {p.word or p.name}" for c, p in tried()]
)
def test_an_option_is_given_what_it_is_not_for(
    place: int, pair: tuple[Command, Parameter], ezhoi: Callable[..., str]
) -> None:
    command, parameter = pair
    values = NUMBERS if parameter.kind in (int, float) else TEXTS
    for number in range(6):
        ezhoi(*command.path, *BASE.get(str(command), []), *parameter.given(values[(place + number * 5) % len(values)]))


def test_no_file_is_forgotten() -> None:
    """The files of a new command have to be tried too, so it has to be listed."""
    doors = {
        f"{command} {parameter.word or parameter.name.upper()}"
        for command in commands().values()
        for parameter in command.parameters
        if parameter.kind is Path
    }
    assert doors <= {*FILES, *MADE}


def fitting(door: str, files: list[Path]) -> list[Path]:
    """Files that a door looks at: of those, what is no file at all, and some others by chance, each time the same."""
    wanted = {
        "weights": (".pt", ".safetensors", ""),
        "init": (".pt", ".safetensors", ""),
        "checkpoint": (".pt", ""),
        "profile": (".yaml",),
        "template": (".yaml",),
        "edits": (".yaml",),
        "edit": (".yaml",),
        "vcoco": (".json", ".parquet"),
    }
    suffixes = next(
        (found for word, found in wanted.items() if word in door.lower()),
        (".json", ".csv", ".parquet", ".mat", ".txt", ".gz"),
    )
    known = [file for file in files if file.suffix in suffixes]
    odd = [file for file in known if not file.is_file()]
    return odd[:8] + random.Random(door).sample(
        [file for file in known if file not in odd], k=min(20, len(known) - len(odd))
    )


@pytest.mark.parametrize("door", FILES)
def test_a_file_is_not_what_it_should_be(door: str, house: Path, ezhoi: Callable[..., str]) -> None:
    for file in fitting(door, sorted((house / "files").iterdir())):
        words = [word.replace("{}", str(file)) for word in shlex.split(FILES[door])]
        if says := ezhoi(*words):
            others = ("tests start no server", "files/other.pt", "files/a-list.json", "unusable: ")
            assert any(name in says for name in (file.name, *others)), says


@pytest.mark.parametrize(
    ("door", "file"),
    [
        ("weights import PATH", "a-huge-cell.pt"),
        ("data check PATH", "wrong-PPDM.json"),
        ("data check PATH", "a-digit-key.json"),
        ("evaluate-detections --annotations", "bytes.parquet"),
        ("detections.weights", "a-list"),
        ("world zero-shot --weights", "folder"),
        ("describe import FILE", "dangling.parquet"),
        ("describe import FILE", "pipe.parquet"),
        ("evaluate-detections --detections", "pipe.parquet"),
        ("evaluate compare A", "folder"),
        ("clip.weights", "oddest.safetensors"),
        ("clip.weights", "code.pt"),
        ("profile", "a-list-as-key.yaml"),
        ("profile", "deep-object.yaml"),
        ("descriptions.edits", "a-list-as-key.yaml"),
        ("descriptions.template", "conversions.yaml"),
        ("detector convert CHECKPOINT", "list.pt"),
    ],
)
def test_what_was_a_traceback_or_a_riddle(door: str, file: str, house: Path, ezhoi: Callable[..., str]) -> None:
    says = ezhoi(*(word.replace("{}", f"files/{file}") for word in shlex.split(FILES[door])))
    assert file in says, says


@pytest.mark.parametrize("door", MADE)
def test_a_file_cannot_be_written(door: str, house: Path, ezhoi: Callable[..., str]) -> None:
    (house / "texts.csv").write_text("class,text\nride horse,A person sits on a horse.\n")
    (house / "folder.csv").mkdir(exist_ok=True)
    name = f"x{ENDINGS.get(door, '.csv')}"
    there_is_none = f"{door.replace(' ', '-')}/{name}"
    for place in (
        there_is_none,
        f"texts.csv/{name}",
        f"/proc/none/{name}",
        f"/dev/null/{name}",
        f"a\0b{name}",
        f"{'x' * 300}{name}",
    ):
        words = [word.replace("{}", place) for word in shlex.split(MADE[door])]
        assert ezhoi(*words) or (place == there_is_none and door in MAKE_FOLDERS), words


def test_the_console_script_ends_through_the_same_door(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ezhoi", "config", "show", "--set", "seed=\x1b[31m"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 1 and said.startswith("error: ") and "\x1b" not in said
