"""The flow on a real server, with stand-in stages: the states and pages that a user sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.pages import progress
from flows.pages.markdown import key
from flows.server.stage_name import StageName
from pipeline.engine.graph import NAMES
from pipeline.engine.run import run
from pipeline.store import runs
from pipeline.store.store import Store

pytestmark = pytest.mark.slow
ALL = list(NAMES)


def test_the_form_offers_the_stages_of_the_graph() -> None:
    assert tuple(StageName) == NAMES


@dataclass
class Seen:
    """A run that is over: what reads it back from the server, its states, and the stages that it executed."""

    recorded: Any
    states: dict[str, str]
    executed: list[str]


@pytest.fixture(scope="module")
def three(make_fake: Any, make_recorder: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, ...]]:
    """Three runs on one store, which tests only look at: all is computed, nothing is, and what another `utpl.steps` costs."""
    folder = tmp_path_factory.mktemp("three")
    with pytest.MonkeyPatch.context() as patch:
        fake = make_fake(folder, patch)
        patch.setenv("EZHOI_HOME", str(folder / "home"))
        seen = []
        for settings in ((), (), ("utpl.steps=7",)):
            recorded = make_recorder(fake)
            seen.append(Seen(recorded, recorded.run(*settings), fake.executed()))
        yield tuple(seen)


def test_second_run_is_all_cached(three: tuple[Seen, ...]) -> None:
    first, second, _ = three
    assert first.states == dict.fromkeys(ALL, "Completed") and first.executed == ALL
    assert second.states == dict.fromkeys(ALL, "Cached") and second.executed == []
    state = second.recorded.state
    assert state.is_completed() and state.message == f"{len(NAMES)} stages: {len(NAMES)} cached"
    home = Path(second.recorded.fake.root.parent) / "home"
    assert not list((home / "runs").iterdir()), "the note of the process stayed"


def test_it_shares_the_store_with_plain_runs(recorded: Any) -> None:
    run(recorded.fake.config())
    assert set(recorded.run().values()) == {"Cached"}


def test_with_and_without_a_server_the_artifacts_are_equal(three: tuple[Seen, ...], fake: Any) -> None:
    root = three[0].recorded.fake.root
    there = {(a.stage, a.fingerprint): a.digest for a in Store(root).artifacts()}
    here = run(fake.config(f"clip.weights={three[0].recorded.fake.weights}"))
    assert {n: there.get((n, o.artifact.fingerprint)) for n, o in here.items()} == {
        n: o.artifact.digest for n, o in here.items()
    }
    pages = {page.name for page in (root / ".runs").glob("*/*.html")}
    assert pages == {f"{name}.html" for name in (*NAMES, "index")}, "a recorded run has its pages on disk too"


def test_a_change_shows_in_the_states(three: tuple[Seen, ...]) -> None:
    computed = {"utpl", "predictions", "evaluation", "bundle"}
    assert {n for n, s in three[2].states.items() if s == "Completed"} == computed == set(three[2].executed)


def test_targets_and_force(recorded: Any) -> None:
    wanted = {"vocabulary", "descriptions", "text_embeddings"}
    assert set(recorded.run(targets=[StageName.text_embeddings])) == wanted
    states = recorded.run(targets=[StageName.text_embeddings], force=[StageName.descriptions])
    assert states == {"vocabulary": "Cached", "descriptions": "Completed", "text_embeddings": "Cached"}


def test_a_deleted_artifact_is_made_again(recorded: Any) -> None:
    run(recorded.fake.config())
    artifact = Store(recorded.fake.root).find("seen")
    next(artifact._folder.glob("*.parquet")).unlink()
    states = recorded.run()
    assert {n for n, s in states.items() if s == "Completed"} == {"seen"}
    page = next(a for a in recorded.artifacts() if a["key"] == "ezhoi-seen")
    assert "missing; the stage ran again" in page["data"]


def test_edges_of_the_graph(three: tuple[Seen, ...]) -> None:
    recorded = three[0].recorded
    nodes = dict(recorded.api.get(f"/flow_runs/{recorded.id}/graph-v2")["nodes"])
    names = {identity: node["label"] for identity, node in nodes.items()}
    parents = {n["label"]: {names[p["id"]] for p in n["parents"]} for n in nodes.values()}
    assert parents["image_embeddings"] == {"annotations"} and parents["annotations"] == {"vocabulary"}
    assert parents["disparities"] == {"descriptions", "text_embeddings", "vocabulary"}


def test_every_stage_has_its_page_also_when_cached(three: tuple[Seen, ...]) -> None:
    recorded = three[1].recorded
    pages = {a["key"]: a for a in recorded.artifacts()}
    assert set(pages) == {key(name) for name in ALL} | {"ezhoi-lineage"}
    tasks = {t["name"]: t["id"] for t in recorded.tasks()}
    assert all(pages[key(name)]["task_run_id"] == tasks[name] for name in ALL)
    evaluation = pages["ezhoi-evaluation"]
    assert evaluation["description"].endswith("(cached)")
    text = evaluation["data"]
    assert text.index("Result: mAP") < text.index("## Inputs")
    assert "| after UTPL | 20.00 | 21.50 | 14.25 |" in text and "| untrained | 5.00 |" in text
    assert f"[pair_features](../artifact/{pages[key('pair_features')]['id']})" in text
    assert "0.5, 0.5, 0.5, … 8 in all" in pages["ezhoi-seen"]["data"]
    for name in set(ALL) - {"evaluation", "bundle"}:
        assert "Result: mAP" not in pages[key(name)]["data"], f"{name} evaluates nothing"


def test_a_runs_artifacts_are_listed_newest_first_so_results_come_first(three: tuple[Seen, ...]) -> None:
    keys = [artifact["key"] for artifact in three[0].recorded.artifacts()]
    made = [f"ezhoi-{stage.replace('_', '-')}" for stage in ALL]
    assert keys[0] == "ezhoi-lineage" and keys[1:] == made[::-1]


def test_the_lineage_page_colours_hits_and_misses(three: tuple[Seen, ...]) -> None:
    recorded = three[2].recorded
    page = next(a for a in recorded.artifacts() if a["key"] == "ezhoi-lineage")["data"]
    assert f"{len(NAMES) - 4} cached, 4 computed" in page
    utpl = next(a for a in recorded.artifacts() if a["key"] == "ezhoi-utpl")
    assert f"[utpl](../artifact/{utpl['id']})" in page
    words = page[page.index("![") + 2 : page.index("](data:image/svg")].split(", ")
    computed = {"utpl", "predictions", "evaluation", "bundle"}
    assert set(words) == {f"{name} {'computed' if name in computed else 'cached'}" for name in NAMES}
    assert "utpl.steps: 60 -\\> 7" in page and "## Compared with run · rf" in page and "/runs/flow-run/" in page
    assert "| unseen | 14.25 | 14.25 | +0.00 |" in page and "### What was changed" in page
    run = recorded.api.get(f"/flow_runs/{recorded.id}")
    assert run["name"].startswith("run · rf_uc · seed 0 · ") and run["name"].endswith(" · utpl.steps=7")
    assert {"rf_uc", "seed 0"} <= set(run["tags"])
    assert f"# {run['name'][:13]}" in page.replace("\\", "")
    assert "- utpl.steps: 60 -\\> 7" in utpl["data"] and "Computed in" in utpl["data"]


def test_the_logs_last_lines_are_the_answer(three: tuple[Seen, ...]) -> None:
    lines = three[2].recorded.log(until="lineage: ")
    result = next(i for i, line in enumerate(lines) if line.startswith("after UTPL"))
    rest = "\n".join(lines[result:])
    for wanted in ("report: ", "compared with the run of 20", "mAP unseen  14.25", "what was changed:", "lineage: "):
        assert wanted in rest, wanted
    assert "  utpl.steps: 60 -> 7" in lines


def test_a_cached_page_links_the_run_that_computed_it(three: tuple[Seen, ...]) -> None:
    first, second, _ = (seen.recorded for seen in three)
    page = next(a for a in second.artifacts() if a["key"] == "ezhoi-seen")["data"]
    assert f"by [a run of ezhoi](../../runs/flow-run/{first.id})" in page and "Cached, made " in page
    assert "nothing: the same artifact" in page


def test_a_failing_stage_fails_with_its_message(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZHOI_FAKE_FAIL", "seen")
    states = recorded.run()
    assert states["seen"] == "Failed" and "pair_features" not in states
    assert recorded.state.is_failed()
    assert recorded.state.message == "seen.csv row 7: no such class 'fly pig'; remove the row"
    page = next(a for a in recorded.artifacts() if a["key"] == "ezhoi-lineage")["data"]
    assert "**State:** failed" in page
    assert runs.records(Store(recorded.fake.root))[-1].state == "failed"
    monkeypatch.delenv("EZHOI_FAKE_FAIL")
    recorded.fake.executed()
    recorded.run()
    assert recorded.fake.executed() == ALL[ALL.index("seen") :]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"overrides": ["seen.epoch=3"]}, "unknown key 'seen.epoch'. Did you mean 'seen.epochs'?"),
        ({"profile": "none.yaml"}, "none.yaml"),
        ({"profile": "a\0.yaml"}, "a path has no NUL in it"),
        ({"pins": {"seen": "0123abcd"}}, "'seen/0123abcd'"),
        ({"seen": ""}, "'seen/' has no fingerprint"),
        ({"pins": {"seen": ""}}, "'seen/' has no fingerprint"),
        ({"against": "20200101"}, "no run '20200101'; `ezhoi runs` lists them"),
    ],
)
def test_a_mistake_fails_before_anything_runs_with_one_line_in_the_log(
    recorded: Any, asked: dict[str, Any], message: str
) -> None:
    from flows.ezhoi import ezhoi

    given = asked | {"overrides": [*recorded.fake.settings, *asked.get("overrides", [])]}
    state = ezhoi(**given, return_state=True)
    assert state.is_failed() and message in state.message and len(state.message.splitlines()) <= 2
    assert recorded.fake.executed() == [] and not recorded.fake.root.exists()
    recorded.id = str(state.state_details.flow_run_id)
    log = "\n".join(recorded.log(until="Finished in state Failed"))
    assert "Traceback" not in log and log.count(message) == 1, log


def test_long_stages_show_progress(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0.2)
    monkeypatch.setenv("EZHOI_FAKE_SLEEP", "detections:0.6")
    recorded.run(targets=[StageName.detections])
    shown = recorded.artifacts("progress")
    assert [(a["key"], a["data"]) for a in shown] == [("ezhoi-detections-progress", 100.0)]
    assert shown[0]["task_run_id"] in {t["id"] for t in recorded.tasks() if t["name"] == "detections"}


def test_an_unreachable_page_does_not_end_a_run(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx
    from prefect.client.orchestration import SyncPrefectClient

    def refuse(*arguments: Any, **options: Any) -> None:
        raise httpx.ConnectError("gone")

    monkeypatch.setattr(SyncPrefectClient, "create_artifact", refuse)
    assert set(recorded.run().values()) == {"Completed"} and recorded.state.is_completed()
