from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config.tree import keys, load, profiles
from pipeline.errors import ConfigError


def test_every_profile_loads() -> None:
    assert set(profiles()) >= {"demo", "hico-vitb", "hico-vitl"}
    for name in profiles():
        assert load(profile=name, environment={}).profile == name


def test_override_beats_environment_beats_profile() -> None:
    environment = {"EZHOI__SEEN__EPOCHS": "7", "EZHOI__SEED": "3", "OTHER": "x"}
    config = load(overrides=["seed=9"], environment=environment)
    assert (config.seen.epochs, config.seed) == (7, 9)


def test_values_are_yaml() -> None:
    config = load(overrides=["seen.augment.flip=false", "data.root=null", "seen.optimiser.lr=3e-4"], environment={})
    assert config.seen.augment.flip is False and config.data.root is None and config.seen.optimiser.lr == 3e-4


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seen.epoch=3", ["seen.epoch", "seen.epochs"]),
        ("sene.epochs=3", ["sene", "seen"]),
        ("epochs=3", ["epochs", "seen.epochs"]),
        ("setting=rf", ["setting", "rf_uc", "'rf'"]),
        ("seen.epochs=zero", ["seen.epochs", "zero"]),
        ("detections.miss=1.5", ["detections.miss", "1.5"]),
        ("seed.x=1", ["seed"]),
        ("nonsense", ["key=value"]),
    ],
)
def test_a_wrong_key_or_value_is_named(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=[override], environment={})
    for word in words:
        assert word in str(caught.value)


def test_a_wrong_environment_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'seen\.epoch'"):
        load(environment={"EZHOI__SEEN__EPOCH": "3"})


def test_unknown_profile_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'hico-vitb'"):
        load(profile="hico-vitbb", environment={})


def test_a_profile_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 4\n")
    assert load(profile=str(path), environment={}).seed == 4
    path.write_text("- a list\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load(profile=str(path), environment={})
    path.write_text("seed: [\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(profile=str(path), environment={})


def test_the_tree_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load(environment={}).seed = 3  # type: ignore[misc]


def test_subset_leaves_runtime_out() -> None:
    subset = load(environment={}).subset(["seen", "llm.model", "seed"])
    assert set(subset) == {"seen", "llm.model", "seed"}
    assert isinstance(subset["seen"], dict) and "runtime" not in subset["seen"]


def test_keys_are_all_settable() -> None:
    assert "seen.optimiser.lr" in keys() and "seen" not in keys()
