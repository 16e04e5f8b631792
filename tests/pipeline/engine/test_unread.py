"""Keys that are set and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load, profiles
from pipeline.engine.run import Run
from pipeline.engine.unread import unread
from pipeline.store.store import Store


@pytest.mark.parametrize("profile", profiles())
def test_what_turns_off_a_choice_of_the_profile_is_not_in_vain(profile: str) -> None:
    overrides = ["images.precision=fp32", "seen.precision=fp32", "descriptions.source=lexicon"]
    assert unread(load(profile=profile, overrides=overrides, environment={})) == []


@pytest.mark.parametrize(
    ("vain", "then"),
    [
        ("descriptions.file=texts.csv", "descriptions.source=file"),
        ("disparities.file=pairs.csv", "disparities.source=file"),
        ("detections.path=boxes.parquet", "detections.source=parquet"),
        ("detections.revision=main", "detections.source=hub"),
        ("llm.temperature=0.5", "descriptions.source=llm"),
        ("heads.lowrank.rank=3", "model.head=lowrank"),
        ("data.root=pictures", "data.source=hico"),
        ("data.own.test_share=0.5", "data.source=own"),
        ("descriptions.template=paper-describe-v1", "descriptions.source=llm"),
    ],
)
def test_what_only_another_choice_reads_is_named(vain: str, then: str, tmp_path: Path) -> None:
    def told(*overrides: str) -> list[str]:
        root = f"store.root={tmp_path}"
        return unread(load(overrides=[root, *overrides], environment={}))

    (line,) = told(vain)
    assert line.startswith(f"{vain.partition('=')[0]} = ") and "changes nothing" in line
    assert not any(line.startswith(vain.partition("=")[0]) for line in told(vain, then))


def test_what_says_how_to_compute_is_no_such_key() -> None:
    assert unread(load(overrides=["images.runtime.workers=2", "device=cpu", "seed=3"], environment={})) == []


def test_a_run_says_it(fake: Any, caplog: pytest.LogCaptureFixture) -> None:
    Run(fake.config("descriptions.file=texts.csv"), Store(fake.root))
    assert [line for line in caplog.messages if line.startswith("descriptions.file = texts.csv changes nothing")]
