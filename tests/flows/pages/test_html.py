"""The pages of a run without a server."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from flows.pages import drawing, html
from pipeline.engine import graph, run
from pipeline.engine.execute import Outcome
from pipeline.outside.escaping import markdown


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
    assert len(files) == len(graph.NAMES) + 1
    for file in files:
        links = set(re.findall(r'href="([^"]+)"', file.read_text()))
        assert links and all((file.parent / link).is_file() for link in links), (file, links)


def test_one_can_walk_from_the_report_to_the_descriptions(fake: Any) -> None:
    page = written(fake).parent / "evaluation.html"
    for stage in ("predictions", "utpl", "text_embeddings", "descriptions", "vocabulary"):
        assert f'<a href="{stage}.html">{stage}</a>' in page.read_text()
        page = page.with_name(f"{stage}.html")


def test_the_graph_has_every_stage_and_edge_and_tells_cached_from_computed(fake: Any) -> None:
    written(fake)
    text = written(fake, "utpl.steps=7").read_text()
    svg = text[text.index("<svg") : text.index("</svg>")]
    assert svg.count("<a ") == len(graph.NAMES)
    boxes = {state: svg.count(fill) - 1 for state, (fill, _) in drawing.COLOURS.items()}  # one of each in the legend
    assert boxes == {"Completed": 4, "Cached": len(graph.NAMES) - 4, "Reused": 0}
    assert svg.count("<path") == sum(len(stage.resolved(fake.config()).inputs) for stage in graph.STAGES)
    assert "utpl.steps: 60 -&gt; 7" in text


def test_texts_are_never_read_as_html(fake: Any, tmp_path: Path) -> None:
    given = "| a |\n| --- |\n| <script>alert(1)</script> |\n\n[x](javascript:alert(1))"
    text = html._save(tmp_path / "x.html", given, "<b>").read_text()
    assert "<script>" not in text and 'href="javascript' not in text and "<title>&lt;b" in text


HOSTILE = "![x](http://evil.example/a.png) <img src=http://evil.example/b.png> [y](javascript:z) http://evil.example/c"


def targets(page: str) -> list[str]:
    """Where the tags of a page lead, or what they load."""
    found: list[str] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attributes: found.extend(
        v or "" for k, v in attributes if k in ("href", "src")
    )
    reader.feed(page)
    return found


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    own = "![curve](data:image/svg+xml;base64,AAAA)"
    given = f"{own}\n\n{HOSTILE}\n\n[a](https://example.org/x) [b](seen.html) [c](//evil.example) [d](http://u:p@evil.example/)"
    text = html._save(tmp_path / "x.html", f"{given} [e](file:///etc/passwd) ![f](../../x.png)", "t").read_text()
    assert targets(text) == ["data:image/svg+xml;base64,AAAA", "https://example.org/x", "seen.html"]
    assert '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;' in text


def test_the_texts_of_artifacts_make_no_links(fake: Any, monkeypatch: Any) -> None:
    """Samples, first rows, metrics and configuration, on the pages of files and so on Prefect's."""
    monkeypatch.setattr(html, "sample", lambda *_, **__: f"- **x**: {markdown(HOSTILE)}")
    page = written(fake, f"descriptions.action_template={HOSTILE}")
    found = "".join(file.read_text() for file in page.parent.glob("*.html"))
    assert "evil.example" in found and not [target for target in targets(found) if "evil" in target]
