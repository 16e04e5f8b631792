from pathlib import Path

import pytest
from bad_config import message_of

from pipeline.config.loading import dotted, key_of, load, profiles
from pipeline.errors import ConfigError


def test_every_profile_loads() -> None:
    assert set(profiles()) >= {"demo", "hico-vitb", "hico-vitl"}
    for name in profiles():
        assert load(profile=name, environment={}).profile == name


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("~nobody-at-all/x.yaml", r"^profile '~nobody-at-all/x\.yaml': no user has the home folder ~nobody-at-all"),
        ("a\0.yaml", r"^profile 'a\\x00\.yaml': a path has no NUL in it$"),
        (f"{'x' * 300}.yaml", r"^profile 'x+\.\.\. \(305 letters\): is too long for a name in a file system$"),
    ],
)
def test_a_profile_that_can_be_no_file_is_one_error(profile: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(profile=profile, environment={})


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


def test_a_mapping_sets_the_keys_of_a_section_and_leaves_the_others() -> None:
    """`model={head: lowrank}` would else take back what the profile says of `model`."""
    demo, changed = load(environment={}), load(overrides=["model={head: lowrank, prompts: 3}"], environment={})
    assert demo.model.layers == changed.model.layers == 3
    assert (changed.model.head, changed.model.prompts) == ("lowrank", 3)
    nested = load(overrides=["seen.epochs=2", "seen={augment: {flip: false}, batch_size: 7}"], environment={}).seen
    assert (nested.epochs, nested.batch_size, nested.augment.flip) == (2, 7, False)
    with pytest.raises(ConfigError, match=r"unknown key 'seen\.epoch'"):
        load(environment={"EZHOI__SEEN": "{epoch: 3}"})


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("foo={}", "unknown key 'foo'"),
        ("seen={}", "'seen' is a section, and the braces name no key of it"),
        ("seen={augment: {}}", r"'seen\.augment' is a section, and the braces"),
        ("seen.epochs={}", r"key 'seen\.epochs'"),
        ("&a {b: *a}", "expected key=value"),
        ("seen=&a {b: *a}", r"unknown key 'seen\.b'"),
        ("seen=&a {augment: *a}", r"unknown key 'seen\.augment\.augment'"),
    ],
)
def test_a_mapping_that_names_no_key_is_an_error(override: str, says: str) -> None:
    """One that contains itself ends too."""
    with pytest.raises(ConfigError, match=says):
        load(overrides=[override], environment={})


@pytest.mark.parametrize(
    "name", ["EZHOI_SEEN_EPOCHS", "EZHOI_SEEN__EPOCHS", "ezhoi__seen__epochs", "Ezhoi_Seen__Epochs", "EZHOI_SEENEPOCHS"]
)
def test_a_variable_that_means_a_key_and_sets_none_is_an_error(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{name} sets nothing: the variable of the key seen\.epochs is EZHOI__SEEN__EP"
    ):
        load(environment={name: "3"})


@pytest.mark.parametrize("name", ["EZHOI_PROFILE", "ezhoi__profile"])
def test_a_variable_that_means_the_profile_is_told_of_the_option(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} sets nothing: a profile is chosen .* with --profile$"):
        load(environment={name: "hico-vitb"})


def test_overrides_with_one_key_each_mean_the_same() -> None:
    given = ["seen={epochs: 9, optimiser: {lr: 0.5}}", " seed = 3", "data={root: 'a: #b'}", "device=cpu"]
    found = dotted(given)
    assert found == ["seen.epochs=9", "seen.optimiser.lr=0.5", "seed= 3", "data.root=a: #b", "device=cpu"]
    assert load(overrides=found, environment={}) == load(overrides=given, environment={})
    assert [key_of(override) for override in found][2:4] == ["seed", "data.root"]


def test_other_variables_of_ours_are_no_keys() -> None:
    others = {"EZHOI_HOME": "x", "EZHOI_LLM_API_KEY": "x", "EZHOI_VLLM": "x", "EZHOI": "x", "OTHER_SEED": "1"}
    assert load(environment=others) == load(environment={})


def test_a_profile_is_no_value_of_another() -> None:
    """The run would be recorded as one of a profile whose values it does not have."""
    with pytest.raises(ConfigError, match=r"^EZHOI__PROFILE: a profile is chosen .* --profile$"):
        load(environment={"EZHOI__PROFILE": "hico-vitb"})
    with pytest.raises(ConfigError, match=r"--profile$"):
        load(overrides=["profile=hico-vitb"], environment={})


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


def test_a_section_takes_no_value() -> None:
    assert "key 'data': is a section and takes no value; set a key of it, such as data." in message_of("data=3")
    assert "key 'seen.optimiser': is a section" in message_of("seen.optimiser=null")
    assert "got null" in message_of("data.world=null")


def test_numbers_are_decimal() -> None:
    assert load(overrides=["seed=010", "seen.optimiser.lr=1e-3"], environment={}).seed == 10
    assert load(environment={"EZHOI__SEED": "-0"}).seed == 0


def test_off_is_a_word(tmp_path: Path) -> None:
    """YAML reads it as false, in a profile, in a variable and in `--set`."""
    (tmp_path / "mine.yaml").write_text("evaluation: {untrained: off}\n", encoding="utf-8")
    found = [
        load(profile=str(tmp_path / "mine.yaml"), environment={}),
        load(overrides=["evaluation.untrained=off"], environment={}),
        load(environment={"EZHOI__EVALUATION__UNTRAINED": "off"}),
    ]
    assert [config.evaluation.untrained for config in found] == ["off"] * 3
    assert "evaluation.untrained" in message_of("evaluation.untrained=true")


def test_a_profile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for content, words in {
        b"device: cpu # caf\xe9\n": "line 1: not UTF-8",
        b"\x00\x01\x02": "not valid YAML",
        b"seen: {epochs: 1}\nseed: 1\nseen: {epochs: 2}\n": "'seen' is given twice, in lines 1 and 3",
        b"seen:\n  epochs: 1\n  epochs: 2\n": "'epochs' is given twice, in lines 2 and 3",
        b"[" * 5000: "nested too deeply",
        b"seed: " + b"{a: " * 3000: "nested too deeply",
        b"? [a]\n: 1\n": "not valid YAML",
        b"": "expected a mapping",
    }.items():
        path.write_bytes(content)
        message = message_of(profile=str(path))
        assert words in message and str(path) in message
    path.write_bytes(b"\xef\xbb\xbfseed: 4\r\n")
    assert load(profile=str(path), environment={}).seed == 4
