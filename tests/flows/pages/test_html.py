"""The pages of a run without a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flows.pages import html
from pipeline.engine import run
from pipeline.engine.run import Outcome


def written(fake: Any, *settings: str) -> Path:
    outcomes: list[Outcome] = []
    pages: list[Path | None] = []
    run.run(
        fake.config(*settings),
        on_outcome=outcomes.append,
        on_end=lambda steps: pages.append(html.write(steps, outcomes)),
    )
    assert pages[0] is not None
    return pages[0]


def test_every_link_leads_somewhere(fake: Any) -> None:
    page = written(fake)
    files = sorted(page.parent.glob("*.html"))
    assert len(files) == 11
    for file in files:
        links = set(re.findall(r'href="([^"]+)"', file.read_text()))
        assert links and all((file.parent / link).is_file() for link in links), (file, links)


def test_one_can_walk_from_the_report_to_the_descriptions(fake: Any) -> None:
    page = written(fake).parent / "evaluation.html"
    for stage in ("utpl", "text_embeddings", "descriptions", "annotations"):
        assert f'<a href="{stage}.html">{stage}</a>' in page.read_text()
        page = page.with_name(f"{stage}.html")


def test_the_graph_has_every_stage_and_edge_and_tells_cached_from_computed(fake: Any) -> None:
    written(fake)
    text = written(fake, "utpl.steps=7").read_text()
    svg = text[text.index("<svg") : text.index("</svg>")]
    assert svg.count("<a ") == 10 and svg.count(html.pages.MISS) == 3 and svg.count(html.pages.HIT) == 9
    from pipeline.engine import graph

    assert svg.count("<path") == sum(len(stage.inputs) for stage in graph.STAGES)
    assert "utpl.steps: 60 -&gt; 7" in text


def test_texts_are_never_read_as_html(fake: Any, tmp_path: Path) -> None:
    given = "| a |\n| --- |\n| <script>alert(1)</script> |\n\n[x](javascript:alert(1))"
    text = html._save(tmp_path / "x.html", given, "<b>").read_text()
    assert "<script>" not in text and 'href="javascript' not in text and "<title>&lt;b" in text
