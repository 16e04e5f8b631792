"""What a change of the vocabulary or of the settings makes stale: exactly the stages that read it, as the plan tells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import pipeline.datasets.world.dataset as world
import pipeline.stages.vocabulary as real_stage
from pipeline.datasets import configured
from pipeline.engine import plan, stage
from pipeline.engine.run import run
from pipeline.errors import ConfigError, DataError
from pipeline.store.opening import store_of

READ = {
    "vocabulary.json": {
        *("annotations", "descriptions", "text_embeddings", "disparities", "seen", "utpl", "predictions", "evaluation"),
        "bundle",
    },
    "objects.json": {"detections"},
    "settings.json": {"annotations", "text_embeddings", "evaluation", "bundle"},
    "own_settings.json": {"text_embeddings", "evaluation", "bundle"},
    "extended.json": {
        *("descriptions", "text_embeddings", "disparities", "utpl", "predictions", "evaluation", "bundle"),
    },
}
"""Which stages read which file of the artifact."""


def read_again(fake: Any, *settings: str) -> dict[str, set[str]]:
    """{file of the vocabulary that changed: the stages that a plan calls stale for it}, once the stage has run again."""
    config = fake.config(*settings)
    before = {s.stage: s for s in plan.plan(config, store_of(config))}
    assert before["vocabulary"].state == "stale", before["vocabulary"]
    run(config, targets=("vocabulary",))
    found: dict[str, set[str]] = {name: set() for name in READ}
    for status in plan.plan(config, store_of(config)):
        for why in status.why:
            if why.startswith("input vocabulary changed ("):
                for name in why.partition("(")[2].rstrip(")").split(", "):
                    found[name].add(status.stage)
    return found


@pytest.fixture
def tables(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world's own tables, to be corrected, under stand-ins of all stages but `vocabulary`."""
    folder = tmp_path / "world"
    folder.mkdir()
    for path in (world.FILE, world.FILE.with_name("classes.csv")):
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setitem(stage.DIGESTS, "tables", lambda _: configured.fingerprint(folder))
    monkeypatch.setattr(world, "FILE", folder / "vocabulary.json")
    monkeypatch.setitem(sys.modules, "pipeline.stages.vocabulary", real_stage)
    run(fake.config())
    assert {s.state for s in plan.plan(fake.config(), store_of(fake.config()))} == {"fresh"}
    return folder


def test_a_corrected_spelling_makes_exactly_its_readers_stale(fake: Any, tables: Path) -> None:
    file = tables / "vocabulary.json"
    file.write_text(file.read_text().replace("riding", "ridding"))
    changed = read_again(fake)
    assert changed == {key: set() for key in READ} | {"vocabulary.json": READ["vocabulary.json"]}


def test_an_objects_name_concerns_the_detections_too(fake: Any, tables: Path) -> None:
    file = tables / "vocabulary.json"
    file.write_text(file.read_text().replace('"umbrella"', '"parasol"'))
    changed = read_again(fake)
    assert (changed["objects.json"], changed["settings.json"]) == (READ["objects.json"], set())


def test_a_table_that_says_the_same_makes_nothing_stale(fake: Any, tables: Path) -> None:
    with (tables / "classes.csv").open("a") as file:
        file.write("\n")
    assert not any(read_again(fake).values())


def test_a_users_split_concerns_those_who_tell_seen_from_unseen(fake: Any, tables: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine: [ride horse]")
    settings = f"data.settings={tmp_path / 'mine.yaml'}"
    assert read_again(fake, settings)["own_settings.json"] == READ["own_settings.json"]
    run(fake.config(settings))
    (tmp_path / "mine.yaml").write_text("mine: [ride horse]\nother: [feed cow]")
    changed = read_again(fake, settings)
    assert changed == {key: set() for key in READ} | {"own_settings.json": READ["own_settings.json"]}
    (tmp_path / "mine.yaml").write_text("mine: [ride hrose]")
    with pytest.raises(
        DataError, match=r"mine\.yaml: setting 'mine': no class of rendered world is called 'ride hrose'"
    ):
        plan.plan(fake.config(settings), store_of(fake.config()))


def test_an_added_class_trains_nothing(fake: Any, tables: Path, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        "format: ezhoi-vocabulary/1\nverbs: [{name: vaccinate, ing: vaccinating}]\nclasses: [[vaccinate, horse]]"
    )
    changed = read_again(fake, f"data.classes={tmp_path / 'more.yaml'}")
    assert changed == {key: set() for key in READ} | {"extended.json": READ["extended.json"]}
    assert not READ["extended.json"] & {"annotations", "detections", "seen", "pair_features"}


def test_a_setting_that_the_dataset_lacks_ends_a_run_before_it_begins(fake: Any, tmp_path: Path) -> None:
    for tell in (run, lambda c: plan.plan(c, store_of(c))):
        with pytest.raises(
            ConfigError, match=r"'rf_us'.* Did you mean 'rf_uc'\? Settings: default, rf_uc, nf_uc, uo, uv;"
        ):
            tell(fake.config("setting=rf_us"))
    assert not fake.root.exists()
