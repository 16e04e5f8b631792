"""The studies that come with the project can be run as they stand: every key, every setting and every reading exists."""

from __future__ import annotations

from typing import get_args

import pytest

from pipeline.config.tree import Config
from pipeline.predict.scorer import Variant
from pipeline.studies import file
from pipeline.studies.study import RESULT, Reading

STUDIES = {
    "ablation": ("baseline", "intra", "adapter", "llm", "utpl", "inter", "vlm"),
    "methods": ("ezhoi", "memory", "regions", "lowrank"),
    "options": ("ezhoi", "consistency", "patterns", "locality"),
    "utpl": ("untrained", "seen", "plain", "guided", "utpl"),
}
"""Their variants, in order."""


def told(config: Config) -> set[str]:
    """The readings for which an evaluation of the configuration has numbers."""
    rows = set(get_args(Variant)) - {"adapted"} | {RESULT, "untrained"}
    rows -= {"memory"} if not config.remembers else set()
    return rows - {"untrained"} if config.evaluation.untrained == "off" else rows


def test_these_come_with_the_project() -> None:
    assert file.packaged() == tuple(sorted(STUDIES))


@pytest.mark.parametrize("name", STUDIES)
def test_a_packaged_study_is_whole(name: str) -> None:
    study = file.read(name)
    assert tuple(variant.name for variant in study.variants) == STUDIES[name] and study.name == name
    study.check()  # every variant's keys resolve in its profile, in every setting
    for trial in study.trials():
        config = study.config(trial)
        assert (config.profile, config.setting, config.seed) == (study.profile, trial.setting, trial.seed)
        assert trial.variant.reading in told(config), trial


@pytest.mark.parametrize("name", STUDIES)
def test_no_two_variants_of_a_packaged_study_are_the_same(name: str) -> None:
    study = file.read(name)
    seen = {(variant.overrides, variant.reading) for variant in study.variants}
    assert len(seen) == len(study.variants) and len({variant.shown for variant in study.variants}) == len(seen)


def test_every_reading_is_of_a_row_of_reports() -> None:
    assert set(get_args(Reading)) == set(get_args(Variant)) - {"adapted"} | {RESULT, "untrained"}
