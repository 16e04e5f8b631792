"""A run's lineage as a folder of HTML pages beside its record, `<store>/.runs/<run>/index.html`: no server, no script.

The pages are those of Prefect's interface, with the graph drawn as SVG since mermaid would need a script from elsewhere.
They load nothing: pictures are part of the page, and its policy has the browser refuse all else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from flows.pages import markdown as pages
from pipeline.engine.execute import Outcome
from pipeline.engine.run import Run
from pipeline.errors import EzhoiError
from pipeline.outside.escaping import markdown
from pipeline.report.sample import sample
from pipeline.store import changes
from pipeline.store.artifact import Artifact

log = logging.getLogger("ezhoi.html")
BOX, GAP = (138, 44), (44, 18)
"""Width and height of a stage's box, and the space between boxes, in pixels."""
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{border:1px solid #ddd;padding:.25rem .6rem;text-align:left}"
    "code{background:#f3f3f3;padding:0 .2rem}img{max-width:100%}a{color:#1f5f8b}"
)


def write(steps: Run, outcomes: Sequence[Outcome]) -> Path | None:
    """Write the pages of a run; the path of the first one, or None if nothing was made or the store is read-only."""
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
        page = pages.run_page(
            outcomes,
            title=title,
            state=steps.record.state,
            link=_link,
            changes=changed,
            verdict=steps.verdict() if steps.record.state == "completed" else None,
            run_link=_no_link,
            drawing=DRAWING,
        )
        hits = {o.stage for o in outcomes if o.hit}
        return _save(folder / "index.html", page, title, drawing=graph(artifacts, hits=hits))
    except (OSError, EzhoiError) as error:
        log.warning("the run's pages cannot be written: %s", error)
        return None


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
DRAWING = "<!-- the graph -->"
LINK = re.compile(r"https?://[^/@]+(/.*)?|[\w-]+\.html|picture-\d+")
"""Where a link may lead: to a plain address, or to another page of the folder."""
PICTURE = re.compile(r"data:image/(?:jpeg|svg\+xml);base64,[A-Za-z0-9+/=]+")


def graph(artifacts: Mapping[str, Artifact], *, hits: set[str]) -> str:
    """The run's graph as SVG: stages in columns by how far they are from the start, cached and computed told apart."""
    column: dict[str, int] = {}
    for name, artifact in artifacts.items():  # in running order: inputs come first
        column[name] = max((column[r.stage] + 1 for r in artifact.manifest.inputs if r.stage in column), default=0)
    place: dict[str, tuple[int, int]] = {}
    for name, x in column.items():
        y = sum(other == x for other in [column[done] for done in place])
        lower = x % 2 * (BOX[1] + GAP[1]) // 2  # so that an edge past a column is seen beside its boxes
        place[name] = (8 + x * (BOX[0] + GAP[0]), 8 + y * (BOX[1] + GAP[1]) + lower)
    edges = [
        _edge(place[r.stage], place[name])
        for name, artifact in artifacts.items()
        for r in artifact.manifest.inputs
        if r.stage in place
    ]
    boxes = [_box(name, place[name], artifacts[name], cached=name in hits) for name in place]
    width = max(x for x, _ in place.values()) + BOX[0] + 8
    height = max(y for _, y in place.values()) + BOX[1] + 34
    legend = (
        f'<rect x="8" y="{height - 18}" width="12" height="12" fill="{pages.HIT}"/>'
        f'<text x="26" y="{height - 8}">from the store</text>'
        f'<rect x="130" y="{height - 18}" width="12" height="12" fill="{pages.MISS}"/>'
        f'<text x="148" y="{height - 8}">computed in this run</text>'
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" font-family="sans-serif" font-size="12">'
        f"{''.join(edges)}{''.join(boxes)}{legend}</svg>"
    )


def _box(name: str, at: tuple[int, int], artifact: Artifact, *, cached: bool) -> str:
    x, y = at
    fill, line = (pages.HIT, "#4b7f5a") if cached else (pages.MISS, "#b0701a")
    return (
        f'<a href="{name}.html"><rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="5" fill="{fill}" '
        f'stroke="{line}"/><text x="{x + BOX[0] / 2}" y="{y + 19}" text-anchor="middle" font-weight="600">{name}</text>'
        f'<text x="{x + BOX[0] / 2}" y="{y + 35}" text-anchor="middle" fill="#555">{artifact.fingerprint[:8]}</text></a>'
    )


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + BOX[0], start[1] + BOX[1] / 2, end[0], end[1] + BOX[1] / 2
    bend = (x2 - x1) / 2
    return f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" stroke="#bbb"/>'


def _save(path: Path, text: str, title: str, drawing: str = "") -> Path:
    # Pictures go round the reader, which would take a tenth of a second a page for them.
    pictures = PICTURE.findall(text)
    for number, picture in enumerate(pictures):
        text = text.replace(picture, f"picture-{number}")
    body = _rendered(text)
    for number, picture in enumerate(pictures):
        body = body.replace(f'src="picture-{number}"', f'src="{picture}"')
    body = body.replace(f"<p>{escape(DRAWING)}</p>", drawing)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f'<meta charset="utf-8">{policy}<title>{escape(title)}</title><style>{STYLE}</style>'
    path.write_text(f'<!doctype html><html lang="en">{head}{body}</html>', encoding="utf-8")
    return path


def _rendered(text: str) -> str:
    """Markdown as HTML: texts are escaped, never read as HTML; pictures from elsewhere are their names."""
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
    """A page on disk does not know where the server was."""
