"""What a run asks for that its profile does not."""

from pathlib import Path

from pipeline.config.changed import changed
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
