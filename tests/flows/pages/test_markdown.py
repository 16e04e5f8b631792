from __future__ import annotations

from typing import Any

from flows.pages import markdown
from pipeline.engine.run import Outcome, run


def test_keys_are_what_prefect_allows() -> None:
    assert markdown.key("text_embeddings") == "ezhoi-text-embeddings"


def test_size() -> None:
    assert [markdown.size(n) for n in (0, 999, 1500, 2_000_000, 3_100_000_000)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.0 MB",
        "3.1 GB",
    ]


def test_a_cell_cannot_break_the_table() -> None:
    assert markdown.table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |"


def test_what_is_escaped_is_not_escaped_again() -> None:
    assert markdown.table(["a"], [["x\\|y"]]) == "| a |\n| --- |\n| x\\|y |"


def test_values_are_shown_as_they_are() -> None:
    values = {"failing.ride_horse": "![x](http://evil/a) | `b` <i>"}
    assert markdown._of_values("metric", values).splitlines()[2] == (
        "| failing.ride\\_horse | !\\[x\\](http://\u200bevil/a) \\| \\`b\\` \\<i\\> |"
    )


def test_result_rows() -> None:
    metrics = {"full": 20.0, "seen": 21.456, "unseen": None, "untrained_full": 1, "losses": {"a": 2}}
    assert markdown.result_rows(metrics) == [["trained", "20.00", "21.46", "–"], ["untrained", "1.00", "–", "–"]]
    assert markdown.result_rows({"rows": 3}) == []


def test_a_stage_page_says_everything(fake: Any) -> None:
    made = run(fake.config(), targets=("text_embeddings",))
    outcome = made["text_embeddings"]
    text = markdown.stage_page(outcome, inputs={n: o.artifact for n, o in made.items()})
    manifest = outcome.artifact.manifest
    for part in (manifest.digest, manifest.fingerprint, "clip.architecture", "| clip.weights |", "objects.parquet"):
        assert part in text
    assert "**In this run:** Completed, computed in" in text and "[descriptions](../key/ezhoi-descriptions)" in text
    assert "numpy " in text and "Traceback" not in text


def test_a_page_shows_first_rows_without_opening_a_file(fake: Any) -> None:
    outcome = run(fake.config(), targets=("annotations",))["annotations"]
    for path in outcome.artifact._folder.glob("*.parquet"):
        path.unlink()
    assert "First rows" in markdown.stage_page(outcome, inputs={})


def test_mermaid_has_every_edge_once(fake: Any) -> None:
    made = run(fake.config())
    graph = markdown.mermaid([o.artifact for o in made.values()])
    edges = [line.strip() for line in graph.splitlines() if "-->" in line]
    expected = {f"{r.stage} --> {o.stage}" for o in made.values() for r in o.artifact.manifest.inputs}
    assert set(edges) == expected and len(edges) == len(expected)
    assert "legend" not in graph and "click" not in graph


def test_a_run_page_of_a_run_that_failed_early(fake: Any) -> None:
    outcome = run(fake.config(), targets=("annotations",))["annotations"]
    again = Outcome("annotations", outcome.artifact, hit=True)
    text = markdown.run_page([again], title="Run 1", state="failed")
    assert "**State:** failed · 1 of 1 stages" in text and "class annotations,hit fromStore" in text
