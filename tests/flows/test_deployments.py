"""The deployments as a user meets them: declared, submitted, refused, run by a worker of a real server."""

from __future__ import annotations

from typing import Any

import pytest

from flows.server import following
from flows.server.api import Api
from pipeline.engine.graph import NAMES
from pipeline.engine.run import run
from pipeline.errors import ServiceError
from pipeline.store import runs
from pipeline.store.store import Store

pytestmark = pytest.mark.slow


def test_the_form_has_types_descriptions_and_choices(deployed: Api) -> None:
    found = {d["name"]: d for d in deployed.post("/deployments/filter", {})}
    assert {"full", "world", "describe", "embed", "train", "utpl", "evaluate"} <= set(found)
    form = found["full"]["parameter_openapi_schema"]["properties"]
    asked = {
        "profile",
        "setting",
        "seed",
        "overrides",
        "targets",
        "force",
        "reuse",
        "seen",
        "pins",
        "against",
        "dry_run",
    }
    assert set(form) == asked and all(field["description"] for field in form.values())
    assert form["setting"]["enum"] == ["profile", "rf_uc", "nf_uc", "uo", "uv", "default"]
    assert form["dry_run"]["type"] == "boolean" and form["force"]["type"] == "array"
    assert found["utpl"]["parameters"] == {"targets": ["evaluation", "bundle"], "reuse": ["seen"]}
    predicts = found["predict"]["parameter_openapi_schema"]["properties"]
    assert {"pictures", "model", "boxes", "detector", "classes", "adapt", "examples"} <= set(predicts)
    assert all(field["description"] for field in predicts.values())
    assert predicts["adapt"]["type"] == "boolean" and predicts["classes"]["type"] == ["string", "null"]
    assert "ezhoi" in found["utpl"]["tags"] and "never trained" in found["utpl"]["description"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"profile": "demmo"}, "'profile'.*'demmo' does not match"),
        ({"setting": "uvv"}, "'setting'.*'uvv' is not one of"),
        ({"seed": -1}, "'seed'.*-1 is less than the minimum of 0"),
        ({"seed": "one"}, "'seed'.*'one' is not of type"),
        ({"overrides": ["seen.epochs:3"]}, "'overrides.*'seen.epochs:3' does not match"),
        ({"force": ["sene"]}, "'force.*'sene' is not one of"),
        ({"seen": "not hex"}, "'seen'.*'not hex' does not match"),
        ({"dry_run": "perhaps"}, "'dry_run'.*'perhaps' is not of type 'boolean'"),
    ],
)
def test_a_wrong_parameter_is_refused_when_submitted(deployed: Api, parameters: Any, message: str) -> None:
    with pytest.raises(ServiceError, match=f"(?s){message}"):
        following.trigger(deployed, deployment="full", parameters=parameters)


def test_an_unknown_parameter_is_named(shell: Any) -> None:
    assert "sede" in shell.prefect("deployment", "run", "ezhoi/full", "-p", "sede=3", code=1)


def test_run_full_from_the_shell(shell: Any) -> None:
    given = ["-p", "profile=demo", "-p", "setting=uv", "-p", f"overrides={shell.overrides()}"]
    shell.prefect("deployment", "run", "ezhoi/full", *given)
    shell.prefect("worker", "start", "--pool", "ezhoi-gpu", "--type", "process", "--run-once")
    last = shell.ended(following.newest_run(shell.api))
    assert last.state == "Completed", last.message
    seen = Store(shell.fake.root).find("seen")
    assert seen.manifest.config["setting"] == "uv"
    record = runs.records(Store(shell.fake.root))[-1]
    assert record.deployment == "full" and record.flow_run == last.id
    assert seen.manifest.made_by == {"run": record.id, "deployment": "full", "flow_run": last.id}


def test_utpl_alone_says_which_checkpoint_it_uses_or_why_none_fits(shell: Any) -> None:
    asked = shell.ask("utpl")
    shell.work("ezhoi-gpu")
    refused = shell.ended(asked)
    assert refused.state == "Failed" and "no seen artifact" in refused.message and refused.tasks == ()

    old = run(shell.fake.config("seen.epochs=3"), targets=("seen",))["seen"].artifact
    new = run(shell.fake.config("seen.epochs=4"), targets=("seen",))["seen"].artifact
    shell.fake.executed()
    newest, pinned = shell.ask("utpl"), shell.ask("utpl", "utpl.steps=7", seen=old.fingerprint)
    shell.work("ezhoi-gpu")
    assert {shell.ended(asked).state for asked in (newest, pinned)} == {"Completed"}
    assert "seen" not in shell.fake.executed()
    made = {a.manifest.config["utpl"]["steps"]: a for a in Store(shell.fake.root).artifacts("utpl")}
    used = {steps: a.manifest.inputs[0].fingerprint for steps, a in made.items()}
    assert used == {60: new.fingerprint, 7: old.fingerprint}
    assert {t.stage: t.state for t in shell.ended(pinned).tasks}["seen"] == "Reused"


def test_a_dry_run_of_a_deployment_shows_the_plan(shell: Any) -> None:
    run(shell.fake.config())
    shell.fake.executed()
    asked = shell.ask("full", "utpl.steps=7", dry_run=True)
    shell.work("ezhoi-gpu")
    last = shell.ended(asked)
    assert last.state == "Planned" and last.message.startswith(
        f"{len(NAMES) - 4} of {len(NAMES)} stages cached; 1 would run, 3 more if what they read comes "
        "out otherwise: at most about 0"
    )
    assert shell.fake.executed() == [] and last.tasks == ()
    chosen = {"flow_run_id": {"any_": [last.id]}, "key": {"any_": ["ezhoi-plan"]}}
    page = shell.api.post("/artifacts/filter", {"artifacts": chosen})[0]["data"]
    assert "| utpl | stale |" in page and "utpl.steps: 60 -\\> 7" in page
