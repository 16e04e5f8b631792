from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt

from flows.pages import markdown, plans
from pipeline.engine import changes
from pipeline.engine.execute import Outcome
from pipeline.engine.run import Run, run
from pipeline.engine.status import StageStatus
from pipeline.report.sample import within_a_page


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
    assert markdown.result_rows(metrics) == [["after UTPL", "20.00", "21.46", "–"], ["untrained", "1.00", "–", "–"]]
    assert markdown.result_rows({"rows": 3}) == []


def test_a_stage_page_says_everything(fake: Any) -> None:
    made = run(fake.config(), targets=("text_embeddings",))
    outcome = made["text_embeddings"]
    text = markdown.stage_page(outcome, inputs={n: o.artifact for n, o in made.items()})
    manifest = outcome.artifact.manifest
    for part in (manifest.digest, manifest.fingerprint, "clip.architecture", "| clip.weights |", "objects.parquet"):
        assert part in text
    assert "**In this run:** Computed in" in text and "[descriptions](../key/ezhoi-descriptions)" in text
    assert "numpy " in text and "Traceback" not in text


def test_a_page_shows_first_rows_without_opening_a_file(fake: Any) -> None:
    outcome = run(fake.config(), targets=("annotations",))["annotations"]
    for path in outcome.artifact._folder.glob("*.parquet"):
        path.unlink()
    assert "First rows" in markdown.stage_page(outcome, inputs={})


def test_a_wide_table_is_shown_turned_and_without_empty_columns(tmp_path: Path, artifact: Any) -> None:
    wide = pd.DataFrame({f"c{n}": [n, n + 100] for n in range(13)} | {"never": [None, None], "once": [None, "x"]})
    narrow = wide[["c0", "never", "once"]]
    shown = [markdown._first_rows(artifact(tmp_path / name, main=of)) for name, of in (("w", wide), ("n", narrow))]
    assert shown[1] == ("main.parquet", "| c0 | once |\n| --- | --- |\n| 0 | None |\n| 100 | x |")
    assert shown[0] is not None
    assert shown[0][1].splitlines()[:3] == ["| column | row 1 | row 2 |", "| --- | --- | --- |", "| c0 | 0 | 100 |"]
    assert "never" not in shown[0][1] and shown[0][1].splitlines()[-1] == "| once | None | x |"


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
    assert "**State:** failed · 1 cached" in text and "![annotations cached](data:image/svg+xml;base64," in text


HOSTILE = "\x1b]0;owned\x07`![p](http://evil.example/p)[l](http://evil.example/l)<img src=http://evil.example/i>| x"


def loaded(text: str) -> list[str]:
    """What a reader of Markdown makes of a page that leads elsewhere or is HTML."""
    found: list[str] = []
    pending = list(MarkdownIt("gfm-like", {"linkify": False}).parse(text))
    while pending:
        token = pending.pop()
        pending += token.children or []
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        found += [target] * ("evil" in target) + [token.content] * ("html" in token.type)
    return found


def test_nothing_that_a_manifest_or_a_record_says_becomes_a_link(fake: Any) -> None:
    """A bucket that others write to: every text of its manifests and records is hostile, and their digests hold."""
    for artifact in (o.artifact for o in run(fake.config()).values()):
        told = dict.fromkeys(("made_at", "host", "device", "git_commit", "code"), HOSTILE)
        named = {name: {HOSTILE: HOSTILE} for name in ("packages", "metrics")}
        by = dict.fromkeys(("run", "deployment", "flow_run"), HOSTILE)
        inputs = [r.model_copy(update={"part": (*r.part, HOSTILE)}) for r in artifact.manifest.inputs]
        update = told | named | {"made_by": by, "seconds": {HOSTILE: 1.0}, "inputs": tuple(inputs)}
        path = fake.root / artifact.stage / artifact.fingerprint / "manifest.json"
        path.write_text(artifact.manifest.model_copy(update=update).sealed().as_json())
    steps: list[Run] = []
    made = run(fake.config(), on_end=steps.append)
    assert all(outcome.hit for outcome in made.values())
    artifacts = {name: outcome.artifact for name, outcome in made.items()}
    record = steps[0].record.model_copy(update={"profile": HOSTILE, "flow_run": HOSTILE, "deployment": HOSTILE})
    changed = changes.Changes(record, dict.fromkeys(artifacts, (HOSTILE,)))
    status = StageStatus("seen", "stale", "0" * 32, None, (HOSTILE,), False)
    pages = [markdown.stage_page(outcome, inputs=artifacts, changes=changed) for outcome in made.values()]
    pages += [markdown.run_page([*made.values()], title=markdown.run_title(record), state="x", changes=changed)]
    pages += [plans.page([status], title=HOSTILE)]
    assert loaded(HOSTILE) and not any(loaded(page) for page in pages)
    assert not any("\x1b" in page for page in pages)
    assert markdown.run_in_prefect("5f1c6e0a-0000-4000-8000-0123456789ab") and not markdown.run_in_prefect("x)![](y")


def test_a_report_that_somebody_else_wrote_makes_no_links_either() -> None:
    report = f"# R\n\n| mAP | {HOSTILE} |\n|---|---|\n| **bold** \\[kept\\] | \\\\[l](http://evil.example/l) |\n"
    text = within_a_page(report)
    assert loaded(report) and loaded(text) == []
    assert "| **bold** \\[kept\\] |" in text, "what is escaped already stays as it is"
