"""Options say what they take: numbers have bounds, names of few are choices, and what is given twice is not lost."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
import typer
from bad_input import Command, call, commands

from flows.cli import options
from flows.cli.app import app
from pipeline.errors import ConfigError


def numbers() -> dict[str, typer.models.OptionInfo]:
    """{command and option: what typer knows of it} of all options that are numbers."""
    found = {}
    for command in commands().values():
        for parameter in command.parameters:
            if parameter.kind in (int, float):
                found[f"{command} {parameter.word}"] = _info(command, parameter.name)
    return found


def _info(command: Command, name: str) -> typer.models.OptionInfo:
    """The option as the command's function declares it."""
    group = app
    for word in command.path[:-1]:
        group = next(g.typer_instance for g in group.registered_groups if g.name == word)  # type: ignore[misc]
    for info in group.registered_commands:
        function = info.callback
        if function is not None and (info.name or function.__name__.replace("_", "-")) == command.path[-1]:
            hint = typing.get_type_hints(function, include_extras=True)[name]
            return next(i for i in hint.__metadata__ if isinstance(i, typer.models.OptionInfo))
    raise AssertionError(f"{command} has no {name}")


@pytest.mark.parametrize("option", numbers())
def test_a_number_has_a_least_value(option: str) -> None:
    assert numbers()[option].min is not None


@pytest.mark.parametrize(
    "words",
    [
        "evaluate compare a b --seed -1",
        f"evaluate compare a b --seed {1 << 63}",
        "evaluate compare a b --resamples 1000000000",
        "evaluate compare a b --show -5",
        "llm serve --port 0",
        "llm serve --port 65536",
        "llm serve --memory 7",
        "llm serve --memory nan",
        "llm serve --patience nan",
        "llm serve --patience inf",
        "llm serve --context 0",
        "predict p --threshold 1.1",
        "predict p --threshold nan",
        "evaluate-detections -d d -a a --split foo",
        "evaluate-detections -d d -a a --annotation-boxes foo",
        "evaluate export -d d -a a --to coco --out o.json --split foo",
        "detector report --split foo",
        "data export o --format voc",
        "weights import p --preset paper",
    ],
)
def test_a_value_that_no_option_takes_is_an_error_of_its_use(words: str) -> None:
    ended = call(*words.split())
    assert ended.code == 2 and "Invalid value for" in ended.err


@pytest.mark.parametrize("option", [name for name, info in numbers().items() if "threshold" in name or info.max == 1])
def test_a_fraction_has_a_largest_value(option: str) -> None:
    assert numbers()[option].max is not None


@pytest.mark.parametrize(
    "words", [("site", "--out", ""), ("site", "--out="), ("data", "check", " "), ("run", "--set", "")]
)
def test_an_empty_word_is_the_current_folder_of_nobody(words: tuple[str, ...]) -> None:
    ended = call(*words)
    assert ended.code == 1 and "as an unset variable of a script leaves it: give it a value" in ended.err


def test_the_home_folder_is_known_behind_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell expands it there for no program."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = call("evaluate-detections", "--detections=~/d.parquet", "--annotations=~/a.parquet")
    assert ended.code == 1 and f"{tmp_path}/a.parquet: " in ended.err


def test_a_stage_is_pinned_once() -> None:
    assert options.pinned(["seen=a", "utpl=b"]) == {"seen": "a", "utpl": "b"}
    with pytest.raises(ConfigError, match="--pin seen=a and --pin seen=b: a stage has one artifact; keep one"):
        options.pinned(["seen=a", "seen=b"])
