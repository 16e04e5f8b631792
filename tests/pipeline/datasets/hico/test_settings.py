"""The zero-shot settings: sizes, what each hides, error messages, agreement with the published lists."""

import gzip
import json
from pathlib import Path

import pytest

from pipeline.datasets.hico.settings import RARE, SETTINGS
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError
from pipeline.vocabulary import settings
from pipeline.vocabulary.settings import unseen

ROOT = Path(__file__).parents[4]
SG = Path(__file__).parents[5] / "shared" / "data" / "hico" / "sg"
SPLITS = Path(__file__).parents[5] / "shared" / "data" / "hico" / "zero_shot_splits.json"


def seen_classes(setting):
    return [hoi for hoi in HICO.classes if hoi.hoi_id not in SETTINGS[setting]]


@pytest.mark.parametrize(
    ("setting", "size", "rare_inside"),
    [("rf_uc", 120, 120), ("nf_uc", 120, 0), ("uo", 100, 20), ("uv", 84, 18), ("default", 0, 0)],
)
def test_sizes(setting, size, rare_inside):
    assert len(SETTINGS[setting]) == size
    assert len(SETTINGS[setting] & RARE) == rare_inside


def test_rare_classes():
    assert len(RARE) == 138
    assert 8 in RARE
    assert 0 not in RARE


@pytest.mark.parametrize("setting", ["rf_uc", "nf_uc"])
def test_unseen_combinations_keep_every_verb_and_object_seen(setting):
    assert len({hoi.verb_id for hoi in seen_classes(setting)}) == 117
    assert len({hoi.object_id for hoi in seen_classes(setting)}) == 80


def test_the_combination_settings_share_nothing():
    assert not SETTINGS["rf_uc"] & SETTINGS["nf_uc"]


@pytest.mark.parametrize(("setting", "part", "hidden"), [("uo", "object_id", 12), ("uv", "verb_id", 20)])
def test_whole_objects_and_whole_verbs_are_hidden(setting, part, hidden):
    inside = {getattr(hoi, part) for hoi in HICO.classes if hoi.hoi_id in SETTINGS[setting]}
    outside = {getattr(hoi, part) for hoi in seen_classes(setting)}
    assert len(inside) == hidden
    assert not inside & outside


def test_landmarks():
    assert HICO.find("ride horse").hoi_id in SETTINGS["uv"]
    assert HICO.find("walk dog").hoi_id in SETTINGS["uo"]
    assert HICO.find("ride horse").hoi_id not in SETTINGS["uo"]


@pytest.mark.parametrize(("written", "meant"), [("RF-UC", "'rf_uc'"), ("uvc", "'uv'"), ("defualt", "'default'")])
def test_unknown_setting_names_the_valid_and_the_nearest(written, meant):
    with pytest.raises(ConfigError, match="no such zero-shot setting") as error:
        unseen(SETTINGS, written)
    assert "rf_uc, nf_uc, uo, uv, default" in str(error.value)
    assert f"Did you mean {meant}" in str(error.value)


def test_unknown_setting_without_a_near_one():
    with pytest.raises(ConfigError) as error:
        unseen(SETTINGS, "supervised 17 !")
    assert "Did you mean" not in str(error.value)


@pytest.mark.skipif(not SPLITS.is_file(), reason=f"no published lists at {SPLITS}")
@pytest.mark.parametrize("setting", ["rf_uc", "nf_uc", "uo", "uv"])
def test_lists_equal_the_published_ones(setting):
    published = json.loads(SPLITS.read_text())[setting.upper().replace("_", "-")]
    assert SETTINGS[setting] == set(published)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_hico_det_sg_holds_out(number):
    """Our file of settings against the published test file, all of whose pairs are of held-out classes."""
    own = settings.read_own(ROOT / "docs" / "settings" / "hico-det-sg.yaml", HICO, taken=SETTINGS)
    hidden = own[f"sg{number}"]
    assert len(hidden) == 60
    if not SG.is_dir():
        pytest.skip(f"{SG} is not there: no published test file to compare with")
    entries = json.loads(gzip.decompress((SG / f"test_hico_sg{number}.json.gz").read_bytes()))
    told = {pair.get("hoi_category_id") for entry in entries for pair in entry["hoi_annotation"]} - {None}
    assert {hoi - 1 for hoi in told} <= hidden and len(told) >= 58
