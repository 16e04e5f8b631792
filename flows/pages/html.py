"""A run's lineage as a folder of HTML pages beside its record, `<store>/.runs/<run>/index.html`: no server, no script.

The pages are those of Prefect's interface, but the graph is part of the page, so that its boxes are links.
They load nothing: pictures are part of the page, and its policy makes the browser refuse everything else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from flows.pages import compared, drawing
from flows.pages import markdown as pages
from pipeline.engine import changes
from pipeline.engine.execute import Outcome
from pipeline.engine.run import Run
from pipeline.engine.verdict import Verdict
from pipeline.errors import EzhoiError
from pipeline.machine.files import said
from pipeline.outside.escaping import markdown
from pipeline.report.sample import sample
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.html")
STYLE = (
    ":root{--ink:#1f2328;--paper:#fff;--panel:#f3f4f6;--rule:#d1d9e0;--link:#0969da}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--panel:#21262d;--rule:#3d444d;--link:#4493f8}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:var(--ink);"
    "background:var(--paper)}table{border-collapse:collapse;margin:.6rem 0}"
    "td,th{border:1px solid var(--rule);padding:.25rem .6rem;text-align:left}"
    "td{overflow-wrap:anywhere}td:first-child{min-width:9.5rem}td code{white-space:nowrap}"
    "code{background:var(--panel);padding:0 .2rem}img{max-width:100%}a{color:var(--link)}"
    "@media print{@page{size:A4;margin:12mm}body{max-width:none;margin:0;padding:0;font-size:11px}"
    "td,th{padding:.1rem .25rem;overflow-wrap:anywhere}td:first-child{min-width:0}td code{white-space:normal}}"
)


def write(steps: Run, outcomes: Sequence[Outcome]) -> Path | None:
    """Write the pages of a run and return the path of the first one; None if nothing was made or the store is read-only."""
    if not outcomes:
        return None
    folder = steps.store.root / ".runs" / steps.record.id
    artifacts = {o.stage: o.artifact for o in outcomes}
    title = pages.run_title(steps.record)
    try:
        changed = changes.since(steps.relative, artifacts, steps.store)
        folder.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            text = pages.stage_page(
                outcome,
                inputs=artifacts,
                link=_link,
                changes=changed,
                sample=sample(outcome.artifact, artifacts, root=steps.store.root, images=steps.config.data.root),
                run_link=_no_link,
            )
            _save(folder / f"{outcome.stage}.html", f"[{markdown(title)}](index.html)\n\n{text}", outcome.stage)
        verdict = steps.verdict() if steps.record.state == "completed" else None
        report = _save_report(folder, steps, verdict) if "evaluation" in artifacts else None
        page = pages.run_page(
            outcomes,
            title=title,
            state=steps.record.state,
            link=_link,
            changes=changed,
            verdict=verdict,
            run_link=_no_link,
            picture=DRAWING,
            report=None if report is None else report.name,
        )
        graph = drawing.svg(outcomes, {stage: _link(artifact) for stage, artifact in artifacts.items()})
        return _save(folder / "index.html", page, title, graph=graph)
    except (OSError, EzhoiError) as error:
        log.warning("the run's pages cannot be written: %s", said(error))
        return None


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
DRAWING = "<!-- the graph -->"
LINK = re.compile(r"https?://[^/@]+(/.*)?|[\w-]+\.html|picture-\d+")
"""A link may lead to a plain address or to another page of the folder."""
PICTURE = re.compile(r"data:image/(?:jpeg|svg\+xml);base64,[A-Za-z0-9+/=]+")


REPORT = "report.html"
BESIDE = "<h2>AP by class</h2>"
"""The heading in the evaluation's report before which the comparison stands."""
REPORT_STYLE = (
    "<style>.run td,.run th{text-align:left;white-space:normal}.run td{overflow-wrap:anywhere}"
    ".run td code{white-space:nowrap}</style>"
)


def report_of(page: Path | None) -> Path | None:
    """The report of the run that has this lineage page, if there is one."""
    return None if page is None or not page.with_name(REPORT).is_file() else page.with_name(REPORT)


def _save_report(folder: Path, steps: Run, verdict: Verdict | None) -> Path | None:
    """Save the evaluation's report together with the name of this run and its comparison with its relative.

    The report in the evaluation has neither, because several runs may use one evaluation.
    """
    evaluation = steps.artifacts["evaluation"]
    if REPORT not in evaluation.names():
        return None
    text = evaluation.path(REPORT).read_text(encoding="utf-8")
    about = _rendered(pages.about(steps.record, evaluation))
    head, end, rest = text.partition("</h1>")
    text = f'{head}{end}{REPORT_STYLE}<div class="run">{about}</div>{rest}'
    if verdict is not None:
        found = _rendered("\n\n".join(compared.section(verdict, markdown(verdict.relative.line))))
        text = text.replace(BESIDE, f'<div class="run">{found}</div>{BESIDE}', 1)
    path = folder / REPORT
    path.write_text(text, encoding="utf-8")
    return path


def _save(path: Path, text: str, title: str, graph: str = "") -> Path:
    # Pictures go round the reader, which would take a tenth of a second a page for them.
    pictures = PICTURE.findall(text)
    for number, picture in enumerate(pictures):
        text = text.replace(picture, f"picture-{number}")
    body = _rendered(text)
    for number, picture in enumerate(pictures):
        body = body.replace(f'src="picture-{number}"', f'src="{picture}"')
    body = body.replace(f"<p>{escape(DRAWING)}</p>", graph)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    meta = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark">{policy}'
    head = f"{meta}<title>{escape(title)}</title><style>{STYLE}</style>"
    path.write_text(f'<!doctype html><html lang="en">{head}{body}</html>', encoding="utf-8")
    return path


def _rendered(text: str) -> str:
    """Markdown as HTML. Texts are escaped, never read as HTML; a picture from elsewhere is replaced by its name."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.validateLink = _is_allowed  # type: ignore[method-assign]
    for block in (tokens := reader.parse(text)):
        for token in block.children or ():
            if token.type == "image" and not str(token.attrs["src"]).startswith("picture-"):
                token.type, token.tag, token.children = "text", "", None
    return str(reader.renderer.render(tokens, reader.options, {}))


def _is_allowed(url: str) -> bool:
    return LINK.fullmatch(url) is not None


def _link(artifact: Artifact) -> str:
    return f"{artifact.stage}.html"


def _no_link(flow_run: str) -> None:
    """No link to a run in the server: a page on disk does not know where the server was."""
