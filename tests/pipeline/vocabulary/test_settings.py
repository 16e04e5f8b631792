"""Zero-shot settings as data: a user's file, its faults, and what a setting hides."""

from pathlib import Path

import pytest

from pipeline.datasets.hico.settings import SETTINGS
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError, DataError
from pipeline.vocabulary import settings


def own(tmp_path: Path, text: str) -> dict[str, frozenset[int]]:
    (tmp_path / "mine.yaml").write_text(text)
    return settings.read_own(tmp_path / "mine.yaml", HICO, taken=SETTINGS)


def test_a_line_of_yaml_is_a_split(tmp_path: Path) -> None:
    found = own(tmp_path, "mine: [ride horse, feed_horse]\nnone: []\n")
    assert found == {"mine": {HICO.find("ride horse").hoi_id, HICO.find("feed horse").hoi_id}, "none": frozenset()}
    assert own(tmp_path, "settings: {mine: [[ride, horse], feed horse]}") == {"mine": found["mine"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mine: [ride hrose]", "setting 'mine': no class of HICO-DET is called 'ride hrose'; nearest: ride horse"),
        ("mine: [ride horse, ride_horse]", "setting 'mine': class 'ride_horse' is listed twice"),
        ("mine: ride horse", r"setting 'mine': expected a list of classes such as \[feed horse"),
        ("mine: [[ride]]", r"setting 'mine': \['ride'\] is no class"),
        ("uv: [ride horse]", "setting 'uv': the dataset has a setting of that name; choose another"),
        ("default: [ride horse]", "setting 'default': the dataset has a setting of that name"),
        ("my split: [ride horse]", "setting 'my split': a name is letters, digits and underscores"),
        ("[mine]", "expected settings by name"),
        ("mine: [ride horse]\nmine: []", "'mine' is given twice"),
    ],
)
def test_faults_name_the_file_the_setting_and_the_class(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says) as caught:
        own(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "mine.yaml"))


def test_a_chosen_setting_that_hides_no_class_is_an_error() -> None:
    found = settings.parse({"few": "rare 0.1%", "none": []}, HICO, origin="here", counts=dict)
    for name in found:
        with pytest.raises(
            ConfigError, match=f"setting = '{name}' leaves no class unseen: .* it is --set setting=default"
        ):
            settings.unseen(found, name)


def test_a_setting_without_seen_classes_is_none() -> None:
    with pytest.raises(DataError, match="all 600 classes are unseen"):
        settings.parse({"mine": [c.name for c in HICO.classes]}, HICO, origin="here")


def test_an_unknown_setting_names_the_valid_and_the_nearest() -> None:
    assert settings.unseen(SETTINGS, "default") == frozenset() and len(settings.unseen(SETTINGS, "uv")) == 84
    with pytest.raises(ConfigError, match=r"'rf-us'.* Did you mean 'rf_uc'\? Settings: rf_uc, nf_uc, uo, uv, default"):
        settings.unseen(SETTINGS, "rf-us")


def test_settings_are_written_as_ids_and_read_back(tmp_path: Path) -> None:
    settings.write(tmp_path / "s.json", SETTINGS)
    assert settings.read(tmp_path / "s.json") == SETTINGS
    settings.write(tmp_path / "s.json", {})
    assert settings.read(tmp_path / "s.json") == {}
