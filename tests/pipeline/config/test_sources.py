"""What a value of the configuration names is decided by its key's type, when it is parsed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config.keys import keys
from pipeline.config.loading import load
from pipeline.config.packaged import LEXICON, PROMPTS, TINY_CLIP, TINY_DETECTOR, WORLD
from pipeline.config.sources import Source
from pipeline.config.tree import Config
from pipeline.errors import ConfigError

VIT = "clip.architecture=ViT-B-16"
FILES = ("seen.weights", "seen.init", "data.settings", "data.classes", "data.val2017")
FILES += ("descriptions.file", "descriptions.edits", "disparities.file")
FOLDERS = ("data.root", "data.annotations", "detections.path", "descriptions.pictures")


def named(key: str, value: str, *more: str, folder: Path | None = None) -> Source:
    """What the key names."""
    config = load(overrides=[*more, f"{key}={value}"], environment={}, folder=folder)
    assert config.subset([key])[key] == value, "what is written down is what was given"
    return config.sources()[key]


@pytest.mark.parametrize("value", ["x/y", "./mine", "mine.safetensors", "mine.pt", "mine.pth", "mine.bin", "/a/b.ckpt"])
def test_weights_of_clip_by_path(value: str) -> None:
    found = named("clip.weights", value, VIT)
    assert (found.path, found.is_place, found.folder) == (Path(value), True, False)


@pytest.mark.parametrize("value", ["openai", "laion2b_s32b_b82k"])
def test_weights_of_clip_by_tag(value: str) -> None:
    assert named("clip.weights", value, VIT) == Source(value)


def test_what_comes_with_the_project_is_known_by_its_key_too() -> None:
    found = load(environment={}).sources()
    assert found["clip.weights"] == Source("tiny", TINY_CLIP, packaged=True)
    assert found["descriptions.source"].path == found["disparities.source"].path == LEXICON
    assert found["descriptions.template"].path == PROMPTS / "describe-v2.yaml"
    assert (found["data.source"].path, found["data.source"].content) == (WORLD, "tables")
    assert not any(source.is_place for source in found.values())
    assert all(source.path is None or source.fault() is None for source in found.values())
    other = load(overrides=["descriptions.source=llm", "detections.weights=tiny"], environment={}).sources()
    assert "descriptions.source" not in other
    assert other["detections.weights"] == Source("tiny", TINY_DETECTOR, packaged=True)


@pytest.mark.parametrize("value", ["lexicon", "world", "openai", "facebook/detr-resnet-50", "describe-v2"])
def test_a_word_that_is_a_name_elsewhere_is_none_here(value: str) -> None:
    """A detector is no template, no CLIP and no lexicon, whatever it is called."""
    assert named("detections.weights", value) == Source(value, folder=True)


@pytest.mark.parametrize("value", ["./mine", "../mine", "/x/mine", "a/b/c", "mine.pth", "org/mine.safetensors"])
def test_a_detector_by_path(value: str) -> None:
    found = named("detections.weights", value)
    assert (found.path, found.is_place, found.folder) == (Path(value), True, True)


def test_a_folder_that_is_there_is_the_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not named("detections.weights", "mine").is_place
    (tmp_path / "org" / "mine").mkdir(parents=True)
    assert named("detections.weights", "org/mine", folder=tmp_path).is_place
    monkeypatch.chdir(tmp_path / "org")
    assert named("detections.weights", "mine").path == Path("mine")


@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("descriptions.template", "describe-v1"),
        ("descriptions.action_template", "action-v1"),
        ("disparities.template", "paper-contrast-v1"),
    ],
)
def test_a_template_by_name_or_path(key: str, own: str) -> None:
    asked = "disparities.source=llm"  # the lexicon has wordings of its own alone
    assert named(key, own, asked) == Source(own, PROMPTS / f"{own}.yaml", packaged=True)
    for value in ("mine.yaml", "mine.yml", "folder/mine", "/x/describe-v2.yaml"):
        assert named(key, value, asked) == Source(value, Path(value))


@pytest.mark.parametrize("key", [*FILES, *FOLDERS])
def test_keys_that_only_hold_paths(key: str, tmp_path: Path) -> None:
    assert key not in load(environment={}).sources()
    found = named(key, str(tmp_path))
    assert (found.path, found.is_place, found.folder) == (tmp_path, True, key in FOLDERS)
    assert (found.fault() is None) == (key in FOLDERS)
    assert found.content == ("images" if key.startswith("data.") and key in FOLDERS else "bytes")
    assert named(key, str(tmp_path / "x")).fault() == f"{tmp_path / 'x'} does not exist"


def test_only_a_path_depends_on_where_one_is() -> None:
    elsewhere = Path("/some/where")
    assert Source("mine.yaml", Path("mine.yaml")).absolute(elsewhere) == "/some/where/mine.yaml"
    assert Source("/x/y", Path("/x/y")).absolute(elsewhere) == "/x/y"
    assert Source("openai").absolute(elsewhere) == "openai"
    assert Source("tiny", TINY_CLIP, packaged=True).absolute(elsewhere) == "tiny"


def test_a_configuration_is_written_down_as_it_was_given(tmp_path: Path) -> None:
    """So a training in a process of its own, and whoever reads `ezhoi config show`, reads the same again."""
    given = [
        "clip.weights=x.pt",
        "detections.weights=org/model",
        "descriptions.template=mine.yaml",
        "seen.weights=w.pt",
    ]
    config = load(overrides=given, environment={})
    tree = json.loads(json.dumps(config.model_dump(mode="json")))
    assert Config.model_validate(tree) == config
    assert (tree["clip"]["weights"], tree["detections"]["weights"]) == ("x.pt", "org/model")
    assert tree["descriptions"]["template"] == "mine.yaml" and tree["seen"]["weights"] == "w.pt"


@pytest.mark.parametrize("key", ["clip.weights", "detections.weights", "descriptions.template"])
@pytest.mark.parametrize("value", ["[a]", "{a: b}", "null", "~nobody-of-that-name/x"])
def test_what_is_no_text_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=key):
        load(overrides=[f"{key}={value}"], environment={})


def test_a_listed_default_is_what_one_would_write() -> None:
    found = {key.name: key.default for key in keys(Config)}
    assert (found["clip.weights"], found["detections.weights"]) == ("tiny", "facebook/detr-resnet-50")
    assert found["descriptions.template"] == "describe-v2" and not any(
        name.startswith("clip.weights.") for name in found
    )
