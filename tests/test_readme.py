"""Every `ezhoi` command of the README's shell blocks runs as it stands there, on a smaller world."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import forked
import pytest
import yaml
from shared_demo import Copied
from small_demo import SETTINGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
SERVED = ("launch", "up", "down", "deploy", "follow", "doctor", "llm")
"""Commands that need the local server (the continuous integration runs them, .ci/run) or a language model's."""


def commands() -> list[str]:
    """The commands in their order; `make run` is the pipeline in this process."""
    lines = [line.split("#")[0].strip() for kind, body in BLOCKS if kind == "sh" for line in body.splitlines()]
    lines = ["ezhoi run" if line == "make run" else line for line in lines]
    return [line for line in lines if line.startswith("ezhoi ") and shlex.split(line)[1] not in SERVED]


def alone(command: str) -> bool:
    """Whether a command needs nothing that another one has made: those of the world, but for its pictures, and of the keys."""
    words = shlex.split(command)[1:]
    return words[0] == "config" or (words[0] == "world" and words[1] != "pictures")


def ezhoi(folder: Path, *arguments: str, installed: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command: by the console script as a shell does, or else as a fork, which begins seconds earlier."""
    small = {f"EZHOI__{k.upper().replace('.', '__')}": v for k, v in (s.split("=") for s in SETTINGS)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EZHOI_", "PREFECT_"))}
    if installed:
        script = Path(sys.executable).with_name("ezhoi")
        return subprocess.run([script, *arguments], cwd=folder, env=kept | small, capture_output=True, text=True)
    return forked.run("ezhoi", *arguments, cwd=folder, env=kept | small)


def filled_in(arguments: list[str], store: Path) -> list[str]:
    """The arguments with A and B, and evaluation/A and evaluation/B, replaced by two evaluations, RUN by the first run."""
    made = sorted(manifest.parent.name for manifest in (store / "evaluation").glob("*/manifest.json"))
    names = dict(zip("AB", made[:2], strict=False))
    names["RUN"] = min((record.stem for record in (store / ".runs").glob("2*.json")), default="")
    return [names.get(argument.removeprefix("evaluation/"), argument) for argument in arguments]


def test_there_are_commands_and_the_pictures_exist() -> None:
    assert len(commands()) > 15
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).is_file()


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!http)(.*?)\)", README):
        file, _, anchor = target.partition("#")
        page = ROOT / (file or "README.md")
        assert page.exists(), target
        headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE) if anchor else []
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, target


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in commands() if alone(command)])
def test_a_command_of_the_world_or_the_keys_runs(command: str, tmp_path: Path) -> None:
    succeeds(tmp_path, command, shlex.split(command)[1:])


@pytest.mark.slow
def test_the_commands_that_build_on_one_another_run(tmp_path: Path, demo: Copied) -> None:
    """The first of them finds the shared demo in its store: tests/flows/test_installed.py has the script compute it."""
    demo(tmp_path / "artifacts")
    for body in (body for kind, body in BLOCKS if kind == "yaml"):
        assert yaml.safe_load(body)
        (tmp_path / body.splitlines()[0].removeprefix("# ")).write_text(body)
    shutil.copytree(ROOT / "docs" / "own-data", tmp_path / "docs" / "own-data")
    first = "ezhoi run"
    assert first in commands(), "no plain run by the console script"
    for command in (command for command in commands() if not alone(command)):
        words = filled_in(shlex.split(command)[1:], tmp_path / "artifacts")
        succeeds(tmp_path, command, words, installed=command == first)


def succeeds(folder: Path, command: str, words: list[str], *, installed: bool = False) -> None:
    """Run a command in the folder, with `words` for its names of runs and evaluations, and have it end well."""
    done = ezhoi(folder, *words, installed=installed)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_the_hico_profiles_stop_with_one_clear_message(tmp_path: Path) -> None:
    done = ezhoi(tmp_path, "run", "--profile", "hico-vitb")
    assert done.returncode == 1
    assert "error: data.source = hico needs the folder of HICO-DET: --set data.root=" in done.stderr
    assert "Traceback" not in done.stderr
