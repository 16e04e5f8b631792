"""`ezhoi ablate` and its flow, with stand-in stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app, main

SMALL = ("--rows", "adapter,llm,utpl", "--settings", "uv", "--seeds", "0,1")


def given(fake: Any) -> list[str]:
    return [word for setting in fake.settings for word in ("--set", setting)]


def test_it_runs_resumes_and_prints_the_table(fake: Any) -> None:
    first = CliRunner().invoke(app, ["ablate", *SMALL, *given(fake)])
    assert first.exit_code == 0, first.output
    assert (
        "| + LLM guidance | 12.25 ± 0.00 |" in first.output and "| + UTPL | 14.25 ± 0.00 | +2.00 ± 0.00" in first.output
    )
    ran = fake.executed()
    assert ran.count("seen") == 4, "two rows share their run"
    again = CliRunner().invoke(app, ["ablate", *SMALL, *given(fake), "--json"])
    assert fake.executed() == [] and "cached" in again.output
    (page,) = Path(fake.root).glob(".runs/ablation-*.md")
    assert page.read_text() in first.output
    assert json.loads(page.with_suffix(".json").read_text())["runs"] == 6


def test_a_run_that_fails_does_not_end_the_others(
    fake: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["ezhoi", "ablate", *SMALL, *given(fake)])
    monkeypatch.setenv("EZHOI_FAKE_FAIL", "utpl")
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr()
    assert "error: 6 runs of the ablation failed" in shown.err and "uv, seed 1, + UTPL: utpl.csv row 7" in shown.err
    assert fake.executed().count("seen") == 4


def test_a_wrong_seed_is_named(fake: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["ezhoi", "ablate", "--seeds", "zero"])
    with pytest.raises(SystemExit):
        main()
    assert "--seeds: 'zero' is no seed" in capsys.readouterr().err


@pytest.mark.slow
def test_the_flow_has_a_task_a_run_and_publishes_the_table(recorded: Any) -> None:
    from flows.ablate import KEY, ablate

    given = {"overrides": recorded.fake.settings, "rows": ["llm", "utpl"], "settings": ["uv"], "seeds": [0]}
    state = ablate(**given, return_state=True)
    assert state.is_completed(), state.message
    recorded.id = str(state.state_details.flow_run_id)
    states = {t["name"]: t["state_name"] for t in recorded.tasks()}
    assert states == {"uv, seed 0, + LLM guidance": "Completed", "uv, seed 0, + UTPL": "Cached"}
    (page,) = [a for a in recorded.artifacts() if a["key"] == KEY]
    assert "| + UTPL | 14.25 | +2.00 |" in page["data"]
    assert "2 of 2 runs" in state.message


@pytest.mark.slow
def test_the_flow_names_what_failed(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.ablate import ablate

    monkeypatch.setenv("EZHOI_FAKE_FAIL", "seen")
    state = ablate(overrides=recorded.fake.settings, rows=["llm"], settings=["uv"], seeds=[0], return_state=True)
    assert state.is_failed() and "uv, seed 0, + LLM guidance: seen.csv row 7" in state.message
    refused = ablate(overrides=["seen.epoch=3"], return_state=True)
    assert refused.is_failed() and "Did you mean 'seen.epochs'" in refused.message


@pytest.mark.slow
def test_a_store_that_cannot_be_is_one_message_of_the_flow(recorded: Any) -> None:
    from flows.ablate import ablate

    given = {"rows": ["utpl"], "settings": ["uv"], "seeds": [0]}
    state = ablate(overrides=[*recorded.fake.settings, "store.root=/proc/nowhere"], **given, return_state=True)
    assert state.is_failed() and state.message == "/proc/nowhere: no such file or folder"
