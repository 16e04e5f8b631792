"""A run asks the other workers of its pool for help: whom, and what may go wrong without harm."""

from __future__ import annotations

from typing import Any

import pytest

from flows.server import trials
from flows.server.api import Api
from flows.server.helpers import Workers
from pipeline.engine import graph, provenance
from pipeline.engine.ingredients import ingredients
from pipeline.engine.run import run
from pipeline.errors import ServiceError
from pipeline.store.opening import store_of

STAGE = graph.stage("image_embeddings")


class Server:
    """What is asked of a server."""

    def __init__(self, *, online: int = 3, pool: str = "gpu", fails: str = "") -> None:
        self.online, self.pool, self.fails = online, pool, fails
        self.asked: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.states = {"run-1": "SCHEDULED", "run-2": "RUNNING", "run-3": "COMPLETED"}

    def get(self, path: str) -> Any:
        if path == "/deployments/name/ezhoi-share/share":
            return {"id": "share", "work_pool_name": "gpu"}
        if path == "/flow_runs/mine":
            return {"name": "brave-otter", "work_pool_name": self.pool}
        return {"state_type": self.states[path.rsplit("/", 1)[1]]}

    def post(self, path: str, body: Any) -> Any:
        if self.fails and self.fails in path:
            raise ServiceError("the server is gone")
        if path.endswith("workers/filter"):
            return [{"status": "ONLINE"}] * self.online + [{"status": "OFFLINE"}]
        if path.endswith("create_flow_run"):
            self.asked.append(body)
            return {"id": f"run-{len(self.asked)}"}
        self.cancelled.append(path)
        return {}


def ask(server: Server, fake: Any, *, most: int = 16) -> Server:
    config = fake.config()
    made = run(config, targets=("annotations",))
    need = ingredients(STAGE, config=config, inputs={"annotations": made["annotations"].artifact})
    with Workers(server, "mine", {"profile": "demo"}, most)(STAGE, need) as asked:  # type: ignore[arg-type]
        assert asked == len(server.asked)
        assert server.cancelled == []
    return server


def test_each_other_worker_is_asked_and_who_did_not_come_is_told_so(fake: Any) -> None:
    server = ask(Server(online=4), fake)
    assert [a["name"] for a in server.asked] == [f"image_embeddings-for-brave-otter-{i}" for i in (1, 2, 3)]
    parameters = server.asked[0]["parameters"]
    assert parameters["profile"] == "demo" and set(parameters["inputs"]) == {"annotations"}
    assert [(a["parameters"]["helper"], a["parameters"]["helpers"]) for a in server.asked] == [(1, 3), (2, 3), (3, 3)]
    assert parameters["code"] == provenance.code_digest("image_embeddings")
    assert server.cancelled == ["/flow_runs/run-1/set_state"], "the other two have begun"


class Taken:
    """The server's API, where a worker takes a run just after somebody has read that it waits."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def get(self, path: str) -> Any:
        found = self.api.get(path)
        propose(self.api, str(found["id"]), "PENDING")
        return found

    def post(self, path: str, body: Any) -> Any:
        found = self.api.post(path, body)
        if path == "/flow_runs/filter":
            for run in found:
                propose(self.api, str(run["id"]), "PENDING")
        return found


def propose(api: Api, run: str, state: str) -> str:
    """Propose a state as a worker does, and return the state that the run has afterwards."""
    api.post(f"/flow_runs/{run}/set_state", {"state": {"type": state}})
    return str(api.get(f"/flow_runs/{run}")["state_type"])


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["stage", "study"])
@pytest.mark.parametrize("taken", [False, True])
def test_a_run_that_is_cancelled_while_a_worker_takes_it_does_not_run(shell: Any, whose: str, taken: bool) -> None:
    """A run that only waits is cancelled at once; the worker that has taken one is told to end it."""
    api: Any = Taken(shell.api) if taken else shell.api
    if whose == "stage":
        run = shell.ask("full")
        Workers(api, "mine", {}, 1)._dismiss(run)
    else:
        study = shell.ask("full")
        parent = shell.api.post("/task_runs/", {"flow_run_id": study, "task_key": "trial", "dynamic_key": "0"})["id"]
        flow = shell.api.get(f"/flow_runs/{study}")["flow_id"]
        asked = {"flow_id": flow, "parent_task_run_id": parent, "state": {"type": "SCHEDULED"}}
        run = shell.api.post("/flow_runs/", asked)["id"]
        trials.cancel(api, study)
        assert propose(shell.api, study, "CANCELLING") == "CANCELLED"
    assert shell.api.get(f"/flow_runs/{run}")["state_type"] == ("CANCELLING" if taken else "CANCELLED")
    if taken:
        assert propose(shell.api, run, "RUNNING") == "CANCELLING"
        assert propose(shell.api, run, "CANCELLED") == "CANCELLED"


@pytest.mark.parametrize(
    "server",
    [Server(online=1), Server(pool="cpu"), Server(pool=""), Server(online=0)],
    ids=["alone", "cpu", "none", "0"],
)
def test_nobody_is_asked_where_nobody_is(server: Server, fake: Any) -> None:
    assert ask(server, fake).asked == []


def test_no_more_than_wanted_are_asked(fake: Any) -> None:
    assert len(ask(Server(online=9), fake, most=2).asked) == 2
    assert ask(Server(online=9), fake, most=0).asked == []


@pytest.mark.parametrize("fails", ["workers", "create", "set_state"])
def test_a_server_that_fails_costs_help_and_not_the_run(
    fails: str, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ask(Server(fails=fails), fake)
    assert "the server is gone" in caplog.text


@pytest.mark.slow
def test_a_worker_that_would_make_something_else_refuses(recorded: Any) -> None:
    from flows.share import share

    config = recorded.fake.config()
    made = run(config, targets=("annotations",))["annotations"].artifact
    need = ingredients(STAGE, config=config, inputs={"annotations": made})
    given = {
        "stage": "image_embeddings",
        "inputs": {"annotations": made.fingerprint},
        "fingerprint": need.fingerprint,
        "code": provenance.code_digest("image_embeddings"),
        "overrides": recorded.fake.settings,
    }
    done = share(**given, return_state=True)
    assert done.is_completed() and "no shard was left" in done.message
    for change, says in [
        ({"code": "0"}, "other code of the stage image_embeddings"),
        ({"fingerprint": "0"}, f"would be {need.fingerprint}, not 0"),
        ({"inputs": {"annotations": "0"}}, "does not see the store of the run"),
    ]:
        refused = share(**given | change, return_state=True)
        assert refused.is_failed() and says in refused.message
    assert {a.stage for a in store_of(config).artifacts()} == {"annotations", "vocabulary"}
