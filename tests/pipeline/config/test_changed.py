"""What a run asks for that its profile does not."""

from pathlib import Path

from pipeline.config.changed import changed, in_vain, set_in_vain
from pipeline.config.loading import load


def asked(*overrides: str, profile: str = "demo") -> dict[str, str]:
    return changed(load(profile=profile, overrides=overrides, environment={}))


def test_the_profile_itself_asks_for_nothing() -> None:
    for profile in ("demo", "hico-vitb", "hico-vitl"):
        assert asked(profile=profile) == {}


def test_values_are_told_as_they_are_written() -> None:
    found = asked("disparities.template=contrast-v2", "seen.joint=true", "clip.mean=[0.1, 0.2, 0.3]", "seen.epochs=3")
    assert found == {
        "disparities.template": "contrast-v2",
        "seen.joint": "true",
        "clip.mean": "[0.1, 0.2, 0.3]",
        "seen.epochs": "3",
    }


def test_what_a_record_tells_apart_or_makes_nothing_else_is_left_out() -> None:
    assert asked("setting=uv", "seed=4", "device=cpu", "store.root=/x", "seen.runtime.processes=2") == {}


def test_of_a_path_the_last_part_is_told(tmp_path: Path) -> None:
    (tmp_path / "edits.yaml").write_text("")
    assert asked(f"descriptions.edits={tmp_path}/edits.yaml") == {"descriptions.edits": "edits.yaml"}


def test_a_profile_of_ones_own_is_compared_with_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("seen: {epochs: 3}\n")
    assert asked(profile=str(tmp_path / "mine.yaml")) == {"seen.epochs": "3"}


def test_what_is_set_and_not_read_is_told(tmp_path: Path) -> None:
    keys = ["setting=uv", "seed=4", "seen.epochs=3", "utpl.steps=9", "device=cpu", f"store.root={tmp_path}"]
    config = load(overrides=keys, environment={})
    assert in_vain(config, reads=("utpl", "seed")) == {"setting": "uv", "seen.epochs": "3"}
    assert set_in_vain(config, reads=("setting", "seed", "seen")) == ["utpl.steps = 9 changes nothing here"]


def test_a_profile_of_ones_own_is_not_told_key_by_key(tmp_path: Path) -> None:
    """It is likely the training's own, of which an evaluation or a prediction reads little."""
    (tmp_path / "mine.yaml").write_text("seen: {epochs: 3}\n")
    config = load(profile=str(tmp_path / "mine.yaml"), environment={})
    assert in_vain(config, reads=()) == {"seen.epochs": "3"} and set_in_vain(config, reads=()) == []
