import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from flows.server.local import ROOT
from flows.server.parameters import portable
from pipeline.config.loading import load
from pipeline.config.sources import Source
from pipeline.config.tree import Config
from pipeline.errors import ConfigError


def test_from_the_checkout_nothing_is_added() -> None:
    found = portable(profile="demo", overrides=["seed=3"], environment={}, folder=ROOT)
    assert (found.profile, found.overrides, found.config.seed) == ("demo", ["seed=3"], 3)


def test_the_environment_becomes_settings_that_yield_to_the_users() -> None:
    given = {"EZHOI__SEED": "4", "EZHOI__SEEN__EPOCHS": "2"}
    found = portable(profile="demo", overrides=["seed=3"], environment=given, folder=ROOT)
    assert load(overrides=found.overrides, environment={}) == found.config
    assert (found.config.seed, found.config.seen.epochs) == (3, 2)


def test_paths_mean_the_same_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "a folder: with #signs"
    folder.mkdir()
    (folder / "w.safetensors").write_text("")
    (folder / "mine.yaml").write_text("seed: 5\n")
    given = ["data.root=hico", "clip.weights=w.safetensors"]
    found = portable(profile=str(folder / "mine.yaml"), overrides=given, environment={}, folder=folder)
    again = load(profile=found.profile, overrides=found.overrides, environment={})
    assert again.data.root == folder / "hico" and again.store.root == folder / "artifacts"
    assert again.clip.weights.text == str(folder / "w.safetensors") and again.seed == 5


def path_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every key of the tree whose value is, or may be, a path."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from path_keys(field.annotation, f"{prefix}{name}.")
        elif {Path, Source} & set(kinds(field.annotation)):
            yield f"{prefix}{name}"


def kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from kinds(part)


RELATIVE = [(key, "a folder: #1/it.safetensors") for key in path_keys()] + [
    ("descriptions.template", "mine.yaml"),
    ("disparities.template", "mine.yml"),
    ("detections.weights", "my_detr"),
    ("detections.weights", "./my_detr"),
    ("detections.path", "my_detr"),
    ("clip.weights", "mine.pt"),
    ("store.cache", "cache"),
    ("store.root", "store"),
]


def value_of(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something at every relative path, where somebody is."""
    folder = tmp_path / "work"
    (folder / "a folder: #1").mkdir(parents=True)
    (folder / "my_detr").mkdir()
    for name in ("a folder: #1/it.safetensors", "mine.yaml", "mine.yml", "mine.pt"):
        (folder / name).write_text("mine: [ride horse]\n")
    monkeypatch.chdir(folder)
    return folder


def test_every_key_that_is_a_path_is_found() -> None:
    assert {key for key, _ in RELATIVE} >= {"store.root", "store.cache", "data.root", "data.settings", "clip.weights"}
    assert {"seen.weights", "descriptions.edits", "disparities.file", "descriptions.pictures"} <= set(path_keys())


@pytest.mark.parametrize(("key", "value"), RELATIVE)
@pytest.mark.parametrize("given_as", ["setting", "variable", "profile"])
def test_a_relative_path_in_any_key_is_found_by_a_worker(
    key: str, value: str, given_as: str, at_work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lexicon has wordings of its own alone: a template by its path is a language model's.
    profile, settings, environment = "demo", ["disparities.source=llm"], {}
    if given_as == "setting":
        settings += [f"{key}={value}"]
    elif given_as == "variable":
        environment = {"EZHOI__" + key.upper().replace(".", "__"): value}
    else:
        section, _, name = key.rpartition(".")
        profile = "own.yaml"
        Path(profile).write_text(yaml.safe_dump({section: {name: value}}))
    if key == "data.classes":  # opened at once, too
        (at_work / value).write_text("format: ezhoi-vocabulary/1\nclasses: [[ride, horse]]\n")
    found = portable(profile=profile, overrides=settings, environment=environment)
    assert str(value_of(found.config, key)) == value.removeprefix("./" if key != "detections.weights" else "")
    monkeypatch.chdir(tmp_path)
    again = load(profile=found.profile, overrides=found.overrides, environment={})
    assert str(value_of(again, key)) == os.path.normpath(at_work / value)
    assert (source := again.sources().get(key)) is None or (source.path is not None and source.path.exists())


@pytest.mark.parametrize("key", path_keys())
def test_a_home_folder_is_its_owners_wherever_a_worker_runs(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.configured.unseen", lambda config: frozenset())  # opens data.settings
    for folder in (ROOT, Path("/")):
        section, _, name = key.rpartition(".")
        for given in (f"{key}=~/a/it.pt", f"{section}={{{name}: ~/a/it.pt}}"):
            monkeypatch.setenv("HOME", "/home/me")
            settings = ["disparities.source=llm", given]
            found = portable(profile="demo", overrides=settings, environment={}, folder=folder)
            monkeypatch.setenv("HOME", "/home/worker")
            again = load(profile=found.profile, overrides=found.overrides, environment={})
            assert str(value_of(again, key)) == "/home/me/a/it.pt"


def test_the_cache_that_nobody_chose_is_the_workers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = portable(profile="demo", overrides=[], environment={}, folder=tmp_path)
    monkeypatch.setenv("HOME", "/home/worker")
    assert load(overrides=found.overrides, environment={}).store.cache == Path("/home/worker/.cache/ezhoi")


def test_a_profile_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("seed: 5\n")
    for folder in (ROOT, tmp_path):
        found = portable(profile="~/mine.yaml", overrides=[], environment={}, folder=folder)
        assert (found.profile, found.config.seed) == (str(tmp_path / "mine.yaml"), 5)


def test_names_stay_names(tmp_path: Path) -> None:
    """Also those that a template or a detector has; what comes with the project lies elsewhere at a worker."""
    found = portable(profile="demo", overrides=[], environment={}, folder=tmp_path)
    assert found.overrides == [f"store.root={tmp_path}/artifacts"]


def test_names_of_weights_stay_names(tmp_path: Path) -> None:
    found = portable(profile="hico-vitb", overrides=[], environment={}, folder=tmp_path)
    assert load(profile=found.profile, overrides=found.overrides, environment={}).clip.weights.text == "openai"


def test_a_mistake_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        portable(profile="demo", overrides=["sead=3"], environment={}, folder=ROOT)
