from pathlib import Path

import pytest

from flows.server.local import ROOT
from flows.server.parameters import portable
from pipeline.config.tree import load
from pipeline.errors import ConfigError


def test_from_the_checkout_nothing_is_added() -> None:
    found = portable(profile="demo", settings=["seed=3"], environment={}, folder=ROOT)
    assert (found.profile, found.settings, found.config.seed) == ("demo", ["seed=3"], 3)


def test_the_environment_becomes_settings_that_yield_to_the_users() -> None:
    given = {"EZHOI__SEED": "4", "EZHOI__SEEN__EPOCHS": "2"}
    found = portable(profile="demo", settings=["seed=3"], environment=given, folder=ROOT)
    assert load(overrides=found.settings, environment={}) == found.config
    assert (found.config.seed, found.config.seen.epochs) == (3, 2)


def test_paths_mean_the_same_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "a folder: with #signs"
    folder.mkdir()
    (folder / "w.safetensors").write_text("")
    (folder / "mine.yaml").write_text("seed: 5\n")
    given = ["data.root=hico", "clip.weights=w.safetensors"]
    found = portable(profile=str(folder / "mine.yaml"), settings=given, environment={}, folder=folder)
    again = load(profile=found.profile, overrides=found.settings, environment={})
    assert again.data.root == folder / "hico" and again.store.root == folder / "artifacts"
    assert again.clip.weights.text == str(folder / "w.safetensors") and again.seed == 5


def test_names_of_weights_stay_names(tmp_path: Path) -> None:
    found = portable(profile="hico-vitb", settings=[], environment={}, folder=tmp_path)
    assert load(profile=found.profile, overrides=found.settings, environment={}).clip.weights.text == "openai"


def test_a_mistake_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        portable(profile="demo", settings=["sead=3"], environment={}, folder=ROOT)
