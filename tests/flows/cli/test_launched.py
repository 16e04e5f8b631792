"""What a launched study hands over: a worker with another environment runs the same trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import launched
from pipeline.studies import file

FILE = """
set: {store.root: mine, utpl.steps: 7}
settings: [uv]
seeds: [0, 1]
variants:
  short: {set: {seen.epochs: 3}}
  long: {set: {seen.epochs: 5, seen.batch_size: 8, data.settings: own.yaml}}
"""
ELSEWHERE = {"EZHOI__DATA__ROOT": "~/pictures", "EZHOI__SEEN": "{batch_size: 4}", "EZHOI__STORE__CACHE": "~/cache"}
SETTLED = {"EZHOI__SEED": "4", "EZHOI__SETTING": "rf_uc", "EZHOI__SEEN__EPOCHS": "9", "EZHOI__UTPL__STEPS": "2"}


@pytest.mark.parametrize("given", [(), ("utpl.steps=8",), ("store={root: ~/theirs}",)])
def test_a_worker_with_another_environment_and_folder_has_the_same_trials(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment only what the file and its trials leave open; the file's store stays the file's."""
    (tmp_path / "study.yaml").write_text(FILE)
    (tmp_path / "own.yaml").write_text("mine: [ride horse]\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in (ELSEWHERE | SETTLED).items():
        monkeypatch.setenv(name, value)
    study = file.read("study.yaml", given=given, folder=tmp_path)
    here = [study.config(trial) for trial in study.trials()]
    handed = launched.overrides(study)
    for name in ELSEWHERE | SETTLED:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "workers"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = file.read(str(tmp_path / "study.yaml"), given=tuple(handed), folder=tmp_path)
    assert [there.config(trial) for trial in there.trials()] == here
    assert here[0].utpl.steps == (8 if "utpl.steps=8" in given else 7) and here[0].seen.batch_size == 4
    assert Path(here[0].store.root) == tmp_path / ("home/theirs" if "store={root: ~/theirs}" in given else "mine")


def test_a_profile_beside_the_study_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.yaml").write_text("seed: 5\n")
    (tmp_path / "study.yaml").write_text("profile: own.yaml\nsettings: [uv]\nseeds: [0]\nvariants: {plain: {}}\n")
    monkeypatch.chdir("/")
    study = file.read(str(tmp_path / "study.yaml"), folder=tmp_path)
    assert study.config(study.trials()[0]).profile == "own"
