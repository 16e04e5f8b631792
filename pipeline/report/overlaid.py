"""Charts that overlay several runs, which differ in colour and in dash; the page that has a chart explains them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from pipeline.report.svg import DASHES, PERCENT, Plot, words

Series = tuple[int, Sequence[float], Sequence[float]]
"""A curve: number of the run, from 0; steps; values."""
STYLE = "".join(
    f".run-{number}{{--run:{light}}}@media(prefers-color-scheme:dark){{.run-{number}{{--run:{dark}}}}}"
    for number, (light, dark) in enumerate(
        (
            ("#0072b2", "#56b4e9"),
            ("#c45500", "#ffa94d"),
            ("#007a5e", "#3fcf9f"),
            ("#a0457a", "#e58cc0"),
            ("#7a6200", "#e5d04a"),
            ("#57606a", "#b6bec7"),
        )
    )
)
"""Colours of six runs on a light and on a dark page; they go with the page, where its key uses them too."""
ROW = 20
"""The height of a row of `dumbbells`, in pixels."""


def curves(series: Sequence[Series], *, title: str) -> str:
    """Values by step on a logarithmic axis, a line for each run; values that are not positive are left out."""
    positive = [v for _, _, values in series for v in values if v > 0]
    low, high = (log10(min(positive)), log10(max(positive))) if positive else (0.0, 1.0)
    last = max((step for _, steps, _ in series for step in steps), default=1.0)
    plot = Plot(title, "step", "loss", (0, last), (low, high), width=560, height=280)
    decades = [float(power) for power in range(ceil(low), floor(high) + 1)]
    ends = [end for end in (low, high) if all(abs(end - decade) > (high - low) / 10 for decade in decades)]
    plot.axes([(0, "0"), (last, f"{last:,.0f}")], [(value, f"{10**value:.3g}") for value in sorted([*decades, *ends])])
    for number, steps, values in series:
        points = " ".join(f"{plot.x(s)},{plot.y(log10(v))}" for s, v in zip(steps, values, strict=True) if v > 0)
        style = f'class="line run-{number}" style="fill:none;stroke:var(--run)"'
        plot.marks.append(f'<polyline {style} stroke-dasharray="{DASHES[number % len(DASHES)]}" points="{points}"/>')
    return plot.render()


def dumbbells(rows: Sequence[tuple[str, Sequence[float | None]]], *, title: str) -> str:
    """AP (percent) of some classes, a row for each class and a mark for each run: (name, AP of each run)."""
    plot = Plot(title, "AP (%)", "", (0, 100), (0, 1), width=720, height=64 + ROW * len(rows), left=210)
    plot.axes(PERCENT, [])
    for place, (name, values) in enumerate(rows):
        y = plot.y(1 - (place + 0.5) / len(rows))
        plot.marks.append(words(plot.x(0) - 8, y + 4, name if len(name) <= 32 else f"{name[:31]}…", "end"))
        known = [value for value in values if value is not None]
        ends = f'x1="{plot.x(min(known, default=0))}" x2="{plot.x(max(known, default=0))}"'
        plot.marks.append(f'<line class="grid" {ends} y1="{y}" y2="{y}" style="stroke-width:3"/>')
        for number, value in enumerate(values):
            if value is not None:
                says = f"<title>{escape(name)}: {value:.1f}</title>"
                plot.marks.append(_mark(number, plot.x(value), y, says))
    return plot.render()


def _mark(number: int, x: float, y: float, says: str) -> str:
    """The mark of a run; shapes differ too, for readers who cannot tell the colours apart."""
    style = f'class="run-{number}" style="fill:var(--run)"'
    if number % 3 == 1:
        return f'<rect {style} x="{x - 4.5:.2f}" y="{y - 4.5:.2f}" width="9" height="9">{says}</rect>'
    if number % 3 == 2:
        corners = f"{x:.2f},{y - 6:.2f} {x - 6:.2f},{y + 4.5:.2f} {x + 6:.2f},{y + 4.5:.2f}"
        return f'<polygon {style} points="{corners}">{says}</polygon>'
    return f'<circle {style} cx="{x}" cy="{y}" r="5">{says}</circle>'
