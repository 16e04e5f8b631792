"""A study's trials as runs of a server that is played: whom it asks for what, and what may go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.server import trials
from flows.server.trials import Served
from pipeline.config.loading import load
from pipeline.engine.run import run
from pipeline.errors import ServiceError
from pipeline.store.store import Store
from pipeline.studies import file
from pipeline.studies.running import Ended
from pipeline.studies.table import Table

FILE = "settings: [uv]\nseeds: [0]\nvariants:\n" + "".join(
    f"  {name}: {{set: {{seen.epochs: {epochs}, utpl.steps: {steps}}}}}\n"
    for name, epochs, steps in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1), ("d", 3, 1), ("e", 4, 1))
)


class Server:
    """Takes what is asked for, starts one run a look, and ends it as it is told at the next look."""

    def __init__(self, *, deployed: bool = True) -> None:
        self.deployed, self.silent = deployed, 0
        self.runs: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, tuple[str, str]] = {}
        """{what a trial is called: type and message of its last state}; the others complete."""
        self.most_queued = self.most_at_once = 0
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        return {"id": "full"} if self.deployed else None

    def post(self, path: str, body: Any) -> Any:
        if self.silent:
            self.silent -= 1
            raise ServiceError("the server is gone")
        chosen = body["flow_runs"]
        if "tags" in chosen:
            (tag,) = chosen["tags"]["all_"]
            return [r for r in self.runs.values() if tag in r["tags"] and r["state"]["type"] in trials.AT_WORK]
        found = [self.runs[i] for i in chosen["id"]["any_"] if i in self.runs]
        self._go_on()
        return [dict(r) for r in found]

    def _go_on(self) -> None:
        at_work = [r for r in self.runs.values() if r["state"]["type"] in trials.AT_WORK]
        queued = [r for r in at_work if r["state"]["type"] == "SCHEDULED"]
        self.most_queued, self.most_at_once = max(self.most_queued, len(queued)), max(self.most_at_once, len(at_work))
        for one in at_work:
            if one["state"]["type"] == "RUNNING":
                self.end(one)
        if queued:
            queued[0]["state"] = {"type": "RUNNING"}

    def end(self, one: dict[str, Any]) -> None:
        kind, message = self.ends.get(one["name"], ("COMPLETED", ""))
        if kind == "COMPLETED" and not message:
            run(load(profile=one["parameters"]["profile"], overrides=one["parameters"]["overrides"], environment={}))
        one["state"] = {"type": kind, "message": message}

    def submit(self, trial: Any, parameters: dict[str, Any], tags: list[str]) -> str:
        self.asked.append(trial.variant.name)
        name = f"run-{len(self.runs)}"
        self.runs[name] = {
            "id": name,
            "name": trial.variant.name,
            "tags": tags,
            "parameters": parameters,
            "state": {"type": "SCHEDULED"},
        }
        return name


@pytest.fixture
def study(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(trials, "POLL_SECONDS", 0.0)
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return file.read(str(path), given=tuple(fake.settings))


def served(server: Server, study: Any, fake: Any, **more: Any) -> tuple[Served, list[Ended]]:
    told: list[Ended] = []
    api: Any = server
    return Served(api, Table(study), Store(fake.root), server.submit, told.append, **more), told


def test_all_are_asked_for_but_few_stand_in_the_queue(study: Any, fake: Any) -> None:
    server = Server()
    work, told = served(server, study, fake)
    work.carry_out()
    assert server.asked == ["a", "c", "d", "b", "e"], "b, which shares the training of a, comes once that is there"
    assert server.most_queued <= trials.QUEUED and {e.word for e in told} == {"computed"}
    assert len(work.table.found) == 5 and fake.executed().count("seen") == 4
    again, told = served(server, study, fake)
    again.carry_out()
    assert len(server.runs) == 5 and {e.word for e in told} == {"cached"}, "what the store has is not asked for"


def test_no_more_at_once_than_wanted(study: Any, fake: Any) -> None:
    server = Server()
    served(server, study, fake, at_once=1)[0].carry_out()
    assert server.most_at_once == 1 and len(server.asked) == 5


def test_what_ends_otherwise_is_listed_and_the_next_one_trains(study: Any, fake: Any) -> None:
    server = Server()
    server.ends = {
        "a": ("FAILED", "seen.csv row 7"),
        "c": ("CANCELLED", "by a person"),
        "d": ("CRASHED", "its process is gone"),
        "e": ("COMPLETED", "elsewhere"),
    }
    work, _ = served(server, study, fake)
    work.carry_out()
    failed = {trial.variant.name: why for trial, why in work.table.failed.items()}
    assert failed["a"] == "seen.csv row 7" and failed["c"] == "cancelled: by a person"
    assert failed["d"] == "crashed: its process is gone" and "do the workers see it?" in failed["e"]
    assert [t.variant.name for t in work.table.found] == ["b"] and fake.executed().count("seen") == 1


def test_a_trial_that_another_study_is_at_is_waited_for(study: Any, fake: Any) -> None:
    """It is not asked for twice; if it comes to nothing there, it is asked for after all."""
    server = Server()
    for trial, end in zip(study.trials()[2:4], ("COMPLETED", "CANCELLED"), strict=True):
        server.submit(trial, trials.parameters(study, trial), [trials.tag(study, trial)])
        server.ends[f"their {trial.variant.name}"] = (end, "")
        server.runs[f"run-{len(server.runs) - 1}"]["name"] = f"their {trial.variant.name}"
    server.asked.clear()
    work, _ = served(server, study, fake)
    work.carry_out()
    assert sorted(server.asked) == ["a", "b", "d", "e"] and len(work.table.found) == 5 and not work.table.failed


def test_a_run_that_is_deleted_has_failed(study: Any, fake: Any) -> None:
    server = Server()

    def deleted(*given: Any) -> str:
        server.asked.append(given[0].variant.name)
        return "nowhere"

    work, _ = served(server, study.part(variants=["c"]), fake)
    work.submit = deleted
    work.carry_out()
    assert list(work.table.failed.values()) == ["cancelled: its run was deleted"]


def test_a_server_that_is_silent_is_waited_for_but_not_for_ever(
    study: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.silent = 3
    work, _ = served(server, study, fake)
    work.carry_out()
    assert len(work.table.found) == 5
    monkeypatch.setattr(trials, "PATIENCE_SECONDS", 0.0)
    server = Server()
    server.silent = 1000
    with pytest.raises(ServiceError, match="the server is gone"):
        served(server, study.part(seeds=[1]), fake)[0].carry_out()
    with pytest.raises(ServiceError, match="no deployment ezhoi/full"):
        served(Server(deployed=False), study, fake)[0].carry_out()


def test_a_trial_has_one_tag_and_paths_that_mean_the_same_elsewhere(
    study: Any, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = study.trials()[:2]
    assert trials.tag(study, a) == trials.tag(study, a) != trials.tag(study, b)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "paths.yaml"
    path.write_text("seeds: [0]\nvariants:\n  a: {set: {descriptions.edits: edits.yaml}}\n")
    (trial,) = (read := file.read("paths.yaml", given=tuple(fake.settings), folder=tmp_path)).trials()
    found = trials.parameters(read, trial)["overrides"]
    assert f"descriptions.edits={tmp_path}/edits.yaml" in found


def test_a_trial_is_the_run_that_the_study_looks_for(study: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the conducting process are in its configurations, so the trials get them: another worker has its own."""
    monkeypatch.setenv("EZHOI__SEEN__TAU", "2.0")
    monkeypatch.setenv("EZHOI__UTPL__STEPS", "99")  # every variant sets it, and wins
    for trial in study.trials()[:2]:
        asked = trials.parameters(study, trial)
        found = load(profile=asked["profile"], overrides=asked["overrides"], environment={})
        assert found == study.config(trial) and found.seen.tau == 2.0 and found.utpl.steps != 99
