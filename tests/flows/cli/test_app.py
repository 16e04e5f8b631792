from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from pipeline.engine.graph import NAMES
from pipeline.errors import StoreError
from pipeline.store import runs
from pipeline.store.store import Store


@pytest.fixture
def ezhoi(fake: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the command line in this process, with the test's store."""
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(fake.root))
    monkeypatch.setenv("EZHOI__CLIP__WEIGHTS", str(fake.weights))

    def call(*words: str, code: int = 0, **options: Any) -> str:
        result: Result = CliRunner().invoke(app, list(words), **options)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


@pytest.mark.parametrize(
    "words", [["--help"], ["status"], ["config", "keys"], ["artifacts", "list"], ["run", "--help"]]
)
def test_light_commands_import_nothing_heavy(words: list[str], tmp_path: Path, fake: Any) -> None:
    heavy = ("torch", "prefect", "pandas", "pyarrow", "numpy", "transformers", "open_clip")
    code = (
        f"import sys; sys.argv = ['ezhoi', *{words!r}]\n"
        "from flows.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not found, found"
    )
    environment = fake.environment(EZHOI__STORE__ROOT=str(fake.root), PYTHONPATH="")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--set", "seen.epoch=3"], "Did you mean 'seen.epochs'"),
        (["status", "--profile", "demmo"], "Did you mean 'demo'"),
        (["artifacts", "show", "seen"], "no artifact"),
        (["follow"], "ezhoi up"),
    ],
)
def test_a_mistake_is_one_message(words: list[str], message: str, tmp_path: Path, fake: Any) -> None:
    environment = fake.environment(EZHOI__STORE__ROOT=str(fake.root), EZHOI_HOME=str(tmp_path / "home"))
    command = [sys.executable, "-m", "flows.cli.app", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_every_command_has_an_example(ezhoi: Any) -> None:
    import typer

    def walk(command: Any, path: list[str]) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, [*path, name])
        else:
            assert "Example: ezhoi" in (command.help or ""), path

    walk(typer.main.get_command(app), [])


def test_the_version(ezhoi: Any) -> None:
    assert ezhoi("--version").startswith("ezhoi ")


def test_run_twice(ezhoi: Any, fake: Any) -> None:
    first = ezhoi("run")
    assert first.count(" computed  ") == len(NAMES) and "after UTPL      20.00    21.50    14.25" in first
    assert "untrained        5.00" in first and f"report: {fake.root}/evaluation/" in first
    second = ezhoi("run")
    assert second.count(" cached   ") == len(NAMES) and f": {len(NAMES)} cached; store " in second


def test_run_a_part_and_force(ezhoi: Any, fake: Any) -> None:
    assert "text_embeddings" not in ezhoi("run", "--target", "descriptions")
    ezhoi("run", "--only", "descriptions", "--force", "vocabulary")
    assert fake.executed() == ["vocabulary", "descriptions", "vocabulary"]
    ezhoi("run", "--target", "nothing", code=2)


def test_status(ezhoi: Any) -> None:
    assert f"0 of {len(NAMES)} stages cached" in ezhoi("status")
    ezhoi("run")
    assert f"{len(NAMES)} of {len(NAMES)} stages cached" in ezhoi("status")
    changed = ezhoi("status", "--set", "utpl.steps=7")
    assert (
        "utpl.steps: 60 -> 7" in changed
        and "waits for utpl" in changed
        and f"{len(NAMES) - 4} of {len(NAMES)}" in changed
        and "; 1 would run, 3 more if what they read comes out otherwise: at most about 0" in changed
    )
    found = {s["stage"]: s for s in json.loads(ezhoi("status", "--set", "utpl.steps=7", "--json"))}
    assert found["utpl"]["state"] == "stale" and found["utpl"]["why"] == ["utpl.steps: 60 -> 7"]
    assert found["seen"]["state"] == "fresh" and found["seen"]["code_changed"] is False


def test_list_and_show(ezhoi: Any) -> None:
    ezhoi("run")
    assert f"{len(NAMES)} artifacts" in ezhoi("artifacts", "list") and "1 run" in ezhoi("artifacts", "list", "seen")
    listed = json.loads(ezhoi("artifacts", "list", "annotations", "--json"))
    shown = ezhoi("artifacts", "show", listed[0]["fingerprint"][:8])
    assert "data.world.train_images = 1200" in shown and "images.parquet" in shown and "1 rows" in shown
    assert json.loads(ezhoi("artifacts", "show", "seen", "--json"))["stage"] == "seen"


def test_verify(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    assert f"{len(NAMES)} artifacts checked, 0 faults" in ezhoi("artifacts", "verify")
    store = Store(fake.root)
    path = store.find("seen")._folder / "model.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    found = ezhoi("artifacts", "verify", code=1)
    assert "model.safetensors: damaged" in found and "1 fault" in found
    assert json.loads(ezhoi("artifacts", "verify", "seen", "--json", code=1))["checked"] == 1
    assert "0 faults" in ezhoi("artifacts", "verify", "utpl")
    (store.find("utpl")._folder / "manifest.json").unlink()
    assert "manifest.json: missing" in ezhoi("artifacts", "verify", code=1)


def test_gc_says_asks_and_removes(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    ezhoi("run", "--set", "utpl.steps=7")
    store = Store(fake.root)
    assert "0 to remove" in ezhoi("artifacts", "gc")
    usual = ezhoi("artifacts", "gc", "--keep", "1", "--dry-run")
    assert "2 to remove" in usual and "2 evaluations, bundles and checkpoints" in usual and "evaluation/" not in usual
    assert "0 to remove" in ezhoi("artifacts", "gc", "--keep", "1", "--older-than", "1h", "--dry-run")
    assert "1 to remove" in ezhoi("artifacts", "gc", "--keep", "1", "--stage", "utpl", "--dry-run")
    refused = ezhoi("artifacts", "gc", "--keep", "1", "--results", input="n\n", code=1)
    assert (
        "4 to remove" in refused
        and "rf_uc · seed 0, unseen mAP 14.25" in refused
        and len(store.artifacts()) == len(NAMES) + 4
    )
    assert json.loads(ezhoi("artifacts", "gc", "--keep", "1", "--dry-run", "--json"))["bytes"] > 0
    kept = next(a for a in store.artifacts("evaluation") if a.fingerprint in refused or a.fingerprint[:12] in refused)
    assert "is kept" in ezhoi("artifacts", "keep", kept.fingerprint, "--note", "the paper's")
    assert "kept: the paper's" in ezhoi("artifacts", "list", "evaluation")
    assert "3 to remove" in ezhoi("artifacts", "gc", "--keep", "1", "--results", "--dry-run")
    assert "not kept any more" in ezhoi("artifacts", "release", kept.fingerprint)
    assert CliRunner().invoke(app, ["artifacts", "release", kept.fingerprint]).exit_code == 1
    for age in ("30", "d", "-3d", "3y", "999999d"):
        assert CliRunner().invoke(app, ["artifacts", "gc", "--older-than", age]).exit_code == 1
    ezhoi("artifacts", "gc", "--keep", "1", "--results", input="y\n")
    assert len(store.artifacts()) == len(NAMES)
    assert f"{len(NAMES)} of {len(NAMES)} stages cached" in ezhoi("status", "--set", "utpl.steps=7")


def test_gc_lists_everything_that_it_deletes(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    store = Store(fake.root)
    (record,) = runs.records(store)
    manifest = fake.root / "utpl" / record.stages["utpl"] / "manifest.json"
    manifest.write_text("{")
    (fake.root / ".work").mkdir(exist_ok=True)
    (fake.root / ".work" / "f00.gone-0a1b2c3d").mkdir()
    said = ezhoi("artifacts", "gc", "--keep", "0", "--results", "--dry-run")
    assert f"record and pages of run {record.id}" in said and f"{len(NAMES) + 1} to remove and 1 run, " in said
    assert f"utpl/{record.stages['utpl']}" in said and "not usable: " in said and "interrupted work" not in said
    assert "left by a process that is gone: .work/f00.gone-0a1b2c3d" in said
    as_json = json.loads(ezhoi("artifacts", "gc", "--keep", "0", "--results", "--dry-run", "--json"))
    assert as_json["runs"] == [record.id] and as_json["leftovers"] == [".work/f00.gone-0a1b2c3d"]
    assert [u["stage"] for u in as_json["unusable"]] == ["utpl"] and len(as_json["artifacts"]) == len(NAMES) - 1
    ezhoi("artifacts", "gc", "--keep", "0", "--results", "--yes")
    left = {p.relative_to(fake.root).parts[0] for p in fake.root.rglob("*") if p.is_file()} - {".ran", ".samples"}
    assert left == set(), left


def test_a_record_of_wrong_types_breaks_no_command(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    store = Store(fake.root)
    store.write_record("20260131T120000-0a1b2c.json", '{"id": "/home/me", "started_at": 5, "stages": 6}')
    assert f"{len(NAMES)} artifacts" in ezhoi("artifacts", "list")
    assert f"{len(NAMES)} of {len(NAMES)} stages cached" in ezhoi("status")
    assert "20260131T120000-0a1b2c.json: id" in ezhoi("artifacts", "verify", code=1)
    refused = CliRunner().invoke(app, ["artifacts", "gc", "--keep", "0", "--yes"]).exception
    assert isinstance(refused, StoreError) and "nothing was removed" in str(refused)
    assert len(store.artifacts()) == len(NAMES)


def test_gc_leaves_interrupted_work_unless_told(ezhoi: Any, fake: Any) -> None:
    scratch = fake.root / ".work" / "f00" / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "shard").write_text("1")
    ezhoi("artifacts", "gc", "--yes")
    assert scratch.exists()
    assert "interrupted work" in ezhoi("artifacts", "gc", "--work", "--yes") and not scratch.exists()


def test_runs(ezhoi: Any, fake: Any) -> None:
    assert "no runs: `ezhoi run` makes one" in ezhoi("runs")
    ezhoi("run")
    ezhoi("run", "--set", "utpl.steps=7", "--set", "clip.tokens=cls")
    ezhoi("run", "--set", "seed=1", "--set", "clip.tokens=cls")
    shown = ezhoi("runs", "--sort", "unseen").splitlines()
    assert shown[0].split()[2:7] == ["run", "by", "setting", "seed", "utpl.steps"] or "clip.tokens" in shown[0]
    assert len(shown) == 5 and "in all of them: descriptions.source=llm" not in shown[0]
    assert "2 runs" not in ezhoi("runs", "--seeds") and len(ezhoi("runs", "--filter", "seed=1").splitlines()) == 3
    folded = ezhoi("runs", "--seeds", "--sort", "unseen")
    assert ("from the best" in folded and "one seed tells nothing" in folded) or "no seed in common" in folded
    assert "paired by seed; in brackets" in folded and "not in the table" not in folded
    assert json.loads(ezhoi("runs", "--seeds", "--json"))[0]["standing"]["best"]
    assert ezhoi("runs", "--md").startswith("| when (UTC) | run |")
    assert ezhoi("runs", "--csv").splitlines()[0].startswith("when (UTC),run,by,setting,seed")
    rows = json.loads(ezhoi("runs", "--json", "--last", "2"))
    assert [row["seeds"] for row in rows] == [[1], [0]] and rows[0]["metrics"]["unseen"]["mean"] == 14.25
    for wrong in (["--sort", "map"], ["--filter", "unheard=1"], ["--csv", "--md"]):
        assert CliRunner().invoke(app, ["runs", *wrong]).exit_code == 1


def test_no_text_of_a_record_is_markup_or_a_formula(ezhoi: Any, fake: Any) -> None:
    """The records of a bucket are somebody else's."""
    for edits in ("![x](http://evil/x.png)", "=cmd|x"):
        runs.new("demo", setting="rf_uc", seed=0, changed={"descriptions.edits": edits}).save(Store(fake.root))
    said = ezhoi("runs", "--md")
    assert "![" not in said and "://evil" not in said and r"=cmd\|x" in said
    assert "'=cmd|x" in ezhoi("runs", "--csv")


def test_a_run_is_shown_and_compared(ezhoi: Any, fake: Any, tmp_path: Path) -> None:
    ezhoi("run")
    ezhoi("run", "--set", "utpl.steps=7")
    first, second = runs.records(Store(fake.root))
    said = ezhoi("runs", "show", "newest")
    assert said.startswith(second.id) and f"nearest  {first.line}" in said and "utpl.steps: the profile's -> 7" in said
    assert f"utpl              {second.stages['utpl'][:12]}  computed" in said and "14.25" in said
    assert str(fake.root / ".runs" / second.id / "index.html") in said
    assert json.loads(ezhoi("runs", "show", second.id, "--json"))["changed"]["utpl.steps"] == "7"
    page = tmp_path / "page.html"
    said = ezhoi("runs", "compare", first.id, "newest", "--out", str(page))
    assert "utpl.steps: 60 -> 7" in said and f"page: {page}" in said and "mAP unseen  14.25 -> 14.25" in said
    assert page.read_text().startswith("<!doctype html>")
    store = Store(fake.root)
    store.remove(store.find(f"utpl/{second.stages['utpl']}"))
    assert "computed, removed since" in ezhoi("runs", "show", second.id)
    for wrong in (["show", "2020"], ["compare", "newest", "newest"]):
        assert CliRunner().invoke(app, ["runs", *wrong]).exit_code == 1


def test_a_run_ends_with_its_difference_from_its_relative(ezhoi: Any, fake: Any) -> None:
    assert "no earlier run of this profile and setting to compare with" in ezhoi("run")
    (first,) = runs.records(Store(fake.root))
    said = ezhoi("run", "--set", "utpl.steps=7")
    assert f"compared with ezhoi run of {first.started_at[:16].replace('T', ' ')} UTC ({first.id})" in said
    assert "what was changed:\n  utpl.steps: 60 -> 7\nuse it: ezhoi predict" in said, said
    assert "mAP unseen  14.25 -> 14.25" in said
    again = ezhoi("run", "--set", "utpl.steps=7")
    assert "nothing from which the result is made has changed" in again
    assert f"({first.id})" in ezhoi("run", "--set", "utpl.steps=7", "--against", first.id)
    assert CliRunner().invoke(app, ["run", "--against", "20200101"]).exit_code == 1


def test_a_run_that_is_shown_later_says_how_it_came_to_each_stage(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    said = ezhoi("run", "--target", "utpl", "--set", "utpl.steps=7", "--reuse", "seen")
    record = runs.records(Store(fake.root))[-1]
    assert [record.how(stage) for stage in ("vocabulary", "seen", "utpl")] == ["cached", "reused", "computed"]
    assert "seen              reused" in said
    assert f"  seen              {record.stages['seen'][:12]}  reused" in ezhoi("runs", "show", "newest")


def test_lineage(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    tree = ezhoi("artifacts", "lineage", "disparities")
    assert "  text_embeddings/" in tree and "    descriptions/" in tree and "(see above)" in tree
    assert "text_embeddings --> disparities" in ezhoi("artifacts", "lineage", "disparities", "--mermaid")
    assert json.loads(ezhoi("artifacts", "lineage", "detections", "--json"))["inputs"][0]["stage"] == "annotations"
    store = Store(fake.root)
    store.remove(store.find("descriptions"))
    assert "removed since" in ezhoi("artifacts", "lineage", "disparities")


def test_diff(ezhoi: Any, fake: Any) -> None:
    ezhoi("run")
    ezhoi("run", "--set", "seed=3")
    old, new = (f"seen/{a.fingerprint}" for a in Store(fake.root).artifacts("seen"))
    shown = ezhoi("artifacts", "diff", old, new)
    assert "  detections: seed: 0 -> 3" in shown, "the cause, and not that an input changed"
    assert "content differs: detections, seen" in shown
    assert "model.safetensors" in shown
    found = json.loads(ezhoi("artifacts", "diff", old, new, "--json"))
    assert {d["kind"] for d in found["differences"]} == {"config", "input"}
    assert [(c["stage"], c["name"]) for c in found["causes"]] == [("detections", "seed")]
    assert "made from the same things" in ezhoi("artifacts", "diff", old, old)
    assert CliRunner().invoke(app, ["artifacts", "diff", "seen", "utpl"]).exit_code == 1


def test_config(ezhoi: Any) -> None:
    import yaml

    assert yaml.safe_load(ezhoi("config", "show", "--set", "seed=3"))["seed"] == 3
    assert json.loads(ezhoi("config", "show", "--json"))["profile"] == "demo"
    assert "hico-vitl" in ezhoi("config", "profiles")
    assert "seen.optimiser.lr" in ezhoi("config", "keys") and "seed" in json.loads(ezhoi("config", "keys", "--json"))
