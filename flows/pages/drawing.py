"""A run's graph as an SVG picture from top to bottom, which tells cached, reused and computed stages apart.

Prefect's interfaces show Markdown pages in a column of about 690 pixels, and only the newer one draws mermaid. A picture is
shown by both. Its colours fit a light and a dark page, since a picture does not know the page's theme.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from flows.pages.states import WORDS, state_name, word
from pipeline.engine.execute import Outcome

BOX, GAP = (158, 44), (22, 34)
"""Width and height of a stage's box, and the space between boxes, in pixels."""
MARGIN = 8
COLOURS = {"Cached": ("#cfe8d5", "#4b7f5a"), "Reused": ("#cfe0f5", "#3f6ea6"), "Completed": ("#ffd9a8", "#b0701a")}
"""Fill and outline of a box, by the name of the task's state."""
LINE = "#8b949e"
"""The colour of lines and of words outside of boxes, legible on white and on nearly black."""


def svg(outcomes: Sequence[Outcome], links: Mapping[str, str] | None = None) -> str:
    """The graph, at most as wide as a Prefect page; `links` has the pages of the stages."""
    made = {o.stage: o for o in outcomes}
    place = _places(made)
    width = max(x for x, _ in place.values()) + BOX[0] + MARGIN
    height = max(y for _, y in place.values()) + BOX[1] + MARGIN + 28
    edges = [
        _edge(place[r.stage], place[name])
        for name, outcome in made.items()
        for r in outcome.artifact.manifest.inputs
        if r.stage in place
    ]
    boxes = []
    for name, outcome in made.items():
        box = _box(outcome, place[name])
        boxes.append(f'<a href="{escape(links[name])}">{box}</a>' if links and name in links else box)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto" font-family="system-ui, sans-serif" font-size="13">'
        f"{''.join(edges)}{''.join(boxes)}{_legend(height)}</svg>"
    )


def image(outcomes: Sequence[Outcome]) -> str:
    """The graph as an image for a Markdown page; it needs no other file."""
    words = ", ".join(f"{o.stage} {word(o)}" for o in outcomes)
    return f"![{words}](data:image/svg+xml;base64,{b64encode(svg(outcomes).encode()).decode()})"


def _places(made: Mapping[str, Outcome]) -> dict[str, tuple[float, float]]:
    """The upper left corners of the boxes: a row for every distance from the start, centred."""
    row: dict[str, int] = {}
    for name, outcome in made.items():  # in running order: inputs come first
        row[name] = max((row[r.stage] + 1 for r in outcome.artifact.manifest.inputs if r.stage in row), default=0)
    rows = [[name for name in made if row[name] == y] for y in range(max(row.values()) + 1)]
    step, widest = BOX[0] + GAP[0], max(map(len, rows))
    return {
        name: (
            MARGIN + (x + (widest - len(names)) / 2) * step + _aside(names, y, widest),
            MARGIN + y * (BOX[1] + GAP[1]),
        )
        for y, names in enumerate(rows)
        for x, name in enumerate(names)
    }


def _aside(names: Sequence[str], row: int, widest: int) -> float:
    """How far a stage that is alone in its row is moved to one side, so that lines that pass it stay visible."""
    return 0.0 if len(names) > 1 or widest < 2 else (BOX[0] if row % 2 else -BOX[0]) / 3


def _box(outcome: Outcome, at: tuple[float, float]) -> str:
    (x, y), (fill, line) = at, COLOURS[state_name(outcome)]
    middle = x + BOX[0] / 2
    return (
        f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="6" fill="{fill}" stroke="{line}"/>'
        f'<text x="{middle}" y="{y + 19}" text-anchor="middle" font-weight="600" fill="#1f2328">{outcome.stage}</text>'
        f'<text x="{middle}" y="{y + 35}" text-anchor="middle" fill="#444c56" font-family="monospace">'
        f"{outcome.artifact.fingerprint[:12]}</text>"
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + BOX[0] / 2, start[1] + BOX[1], end[0] + BOX[0] / 2, end[1]
    bend = (y2 - y1) / 2
    return f'<path d="M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}" fill="none" stroke="{LINE}"/>'


def _legend(height: float) -> str:
    parts = []
    for place, (state, says) in enumerate(WORDS.items()):
        x, (fill, line) = MARGIN + 100 * place, COLOURS[state]
        parts.append(
            f'<rect x="{x}" y="{height - 20}" width="12" height="12" rx="2" fill="{fill}" stroke="{line}"/>'
            f'<text x="{x + 18}" y="{height - 9}" fill="{LINE}">{says}</text>'
        )
    return "".join(parts)
