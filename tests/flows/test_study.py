"""`ezhoi study` and its flow, with stand-in stages: resumed, killed, shared by two, run by workers, cancelled."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app, main
from flows.server import following, local

FILE = """
settings: [uv]
seeds: [0, 1]
variants:
  short: {set: {seen.epochs: 3}}
  long: {set: {seen.epochs: 5}}
  steps: {like: short, set: {utpl.steps: 7}}
"""
BROKEN = FILE + "  broken: {like: short, set: {descriptions.edits: nowhere.yaml}}\n"


@pytest.fixture
def given(tmp_path: Path, fake: Any) -> Callable[..., list[str]]:
    """The words of a command that runs a study file with the stand-ins' store."""

    def words(text: str = FILE, *more: str) -> list[str]:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return ["study", str(path), *(word for setting in fake.settings for word in ("--set", setting)), *more]

    return words


def until(condition: Callable[[], Any], seconds: float = 180, *, otherwise: Callable[[], Any] = lambda: "") -> Any:
    """Wait for what is true in the end; else the message has what `otherwise` finds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not happen {otherwise()}"
        time.sleep(0.2)
    return found


def ran(fake: Any) -> list[str]:
    log = fake.root / ".ran"
    return log.read_text().split() if log.exists() else []


def test_it_runs_goes_on_and_prints_the_table_in_every_form(fake: Any, given: Any) -> None:
    first = CliRunner().invoke(app, given())
    assert first.exit_code == 0, first.output
    assert "6 of 6 runs" in first.output and "gains over short with the same seed" in first.output
    assert "steps  14.25 ± 0.00  +0.00 ± 0.00" in first.output and "the same" in first.output
    assert fake.executed().count("seen") == 4, "steps shares its trainings with short"
    (page,) = Path(fake.root).glob(".runs/study-mine-*.md")
    again = CliRunner().invoke(app, given(FILE, "--md"))
    assert fake.executed() == [] and again.output.count("cached") == 6 and page.read_text() in again.output
    table = list(csv.DictReader(io.StringIO(CliRunner().invoke(app, given(FILE, "--csv")).stdout)))
    assert len(table) == 9 and (table[3]["variant"], table[3]["mean"], table[3]["over"]) == ("long", "14.25", "short")
    tree = json.loads(CliRunner().invoke(app, given(FILE, "--json", "--show")).stdout)
    assert (tree["runs"], tree["of"]) == (6, 6)
    part = CliRunner().invoke(app, given(FILE, "--variant", "long", "--seeds", "4", "--show"))
    assert "0 of 1 runs" in part.output and "1 of 1 runs are not done yet" in part.output and fake.executed() == []


def test_a_trial_that_fails_is_listed_and_the_others_go_on(
    fake: Any, given: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ezhoi", *given(BROKEN)])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr()
    assert "6 of 8 runs" in shown.out and "not done" not in shown.out
    assert "error: 2 runs of the study failed" in shown.err
    assert "uv, seed 1, broken: stage descriptions: descriptions.edits = nowhere.yaml does not exist" in shown.err
    later = CliRunner().invoke(app, given(BROKEN, "--show", "--md"))
    assert later.exit_code == 0 and "- uv, seed 0, broken: stage descriptions" in later.output
    monkeypatch.setattr("sys.argv", ["ezhoi", *given(BROKEN)])
    with pytest.raises(SystemExit):
        main()  # with all other trials in the store


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--at-once", "2"], "--at-once is for --launch"),
        (["--variant", "longer"], "no variant 'longer'; variants: short"),
    ],
)
def test_what_does_not_fit_is_refused(given: Any, more: list[str], says: str) -> None:
    result = CliRunner().invoke(app, given(FILE, *more))
    assert result.exit_code == 1 and says in str(result.exception)


def test_a_killed_study_goes_on(forks: Any, fake: Any, given: Any) -> None:
    command = forks.command("flows.cli.app", *given())
    environment = fake.environment(EZHOI_FAKE_SLEEP="utpl:20")
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: "utpl" in ran(fake))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = Counter(fake.executed())
    assert before["seen"] == 1
    done = subprocess.run(command, env=fake.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    after = Counter(fake.executed())
    assert after["seen"] == 3 and after["utpl"] == 6 and after["annotations"] == 0
    assert "6 of 6 runs" in done.stdout


def test_two_may_run_the_same_study_at_once(forks: Any, fake: Any, given: Any) -> None:
    command = forks.command("flows.cli.app", *given(FILE, "--json"))
    environment = fake.environment(EZHOI_FAKE_SLEEP="seen:0.3")
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (json.loads(process.communicate(timeout=120)[0]) for process in both)
    assert first == second and first["runs"] == 6
    counted = Counter(fake.executed())
    assert (counted["seen"], counted["utpl"], counted["evaluation"]) == (4, 6, 6), "nothing is computed twice"


def test_what_the_docs_say_works(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (local.ROOT / "docs" / "studies.md").read_text()
    (text,), (block,) = (re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL) for kind in ("yaml", "sh"))
    monkeypatch.chdir(tmp_path)
    Path("epochs.yaml").write_text(text)
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(fake.root))
    monkeypatch.setenv("EZHOI__CLIP__WEIGHTS", str(fake.weights))
    commands = [line.partition("#")[0].split()[1:] for line in block.splitlines()]
    assert len(commands) == 6
    for words in commands:
        if "--launch" not in words:
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, (words, result.output, result.exception)


def children(api: Any, run: str) -> list[dict[str, Any]]:
    """The runs that a study has asked for."""
    chosen = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    found: list[dict[str, Any]] = api.post("/flow_runs/filter", chosen) or []
    return found


@pytest.fixture
def workers(shell: Any) -> Any:
    """Starts a worker for studies and two for their trials."""
    started: list[Any] = []

    def start(**more: str) -> None:
        started.append(shell.worker("ezhoi-cpu", **more))
        started.extend(shell.worker("ezhoi-gpu", **more) for _ in range(2))

    yield start
    shell.stop(*started)


def ask(shell: Any, path: Path, **more: Any) -> str:
    parameters = {"file": str(path), "overrides": shell.fake.settings} | more
    return following.trigger(shell.api, flow="ezhoi-study", deployment="study", parameters=parameters)


@pytest.mark.slow
def test_workers_run_the_trials_side_by_side(shell: Any, workers: Any, tmp_path: Path) -> None:
    """Those that share a training come one after the other; what fails is listed; the table is the run's page."""
    path = tmp_path / "mine.yaml"
    path.write_text(BROKEN)
    gate = tmp_path / "open"
    workers(EZHOI_FAKE_GATE=f"seen:{gate}")
    run = ask(shell, path, seeds=[0])
    until(lambda: ran(shell.fake).count("seen") == 2)  # side by side: neither training may end before both have begun
    gate.touch()
    until(lambda: following.look(shell.api, run).final, 300)
    ended = following.look(shell.api, run)
    assert ended.state == "Failed" and "study mine of profile demo, 3 of 4 runs; uv, seed 0, broken: " in ended.message
    assert "nowhere.yaml does not exist" in ended.message
    runs = {child["name"]: child for child in children(shell.api, run)}
    counted = Counter(shell.fake.executed())
    assert counted["seen"] == 2 and counted["evaluation"] == 3 and len(runs) == 4
    short, steps = (
        next(r for name, r in runs.items() if name.endswith(word) and "nowhere" not in name)
        for word in ("epochs=3", "steps=7")
    )
    assert steps["start_time"] >= short["end_time"], "it waits for the training that both share"
    pages = {"flow_run_id": {"any_": [run]}, "key": {"any_": ["ezhoi-study-mine"]}}
    (page,) = shell.api.post("/artifacts/filter", {"artifacts": pages})
    assert "| long | 14.25 | +0.00 |" in page["data"] and "1 runs failed" in page["data"]
    log = following.lines(shell.api, run, after=0)
    assert any("uv, seed 0, long" in line and "computed, unseen 14.25" in line for line in log), log


@pytest.mark.slow
def test_a_cancelled_study_cancels_its_trials(shell: Any, workers: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    workers(EZHOI_FAKE_SLEEP="seen:200")
    run = ask(shell, path, at_once=2)
    until(lambda: ran(shell.fake).count("seen") == 2)
    shell.prefect("flow-run", "cancel", run)
    until(
        lambda: all(c["state_type"] == "CANCELLED" for c in children(shell.api, run)),
        otherwise=lambda: [
            (r["name"], r["state"]) for r in (*children(shell.api, run), shell.api.get(f"/flow_runs/{run}"))
        ],
    )
    until(lambda: following.look(shell.api, run).state == "Cancelled", 120)
    assert len(children(shell.api, run)) == 2, "four trainings could run, two were asked for at once, and no more then"
