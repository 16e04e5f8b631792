"""Charts of the report as SVG text: they scale, need no script, and follow the page's light or dark colours.

Seen and unseen classes differ in colour (blue and orange of Okabe and Ito, which colour-blind people can tell apart) and in
shape or dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

import numpy as np
import pandas as pd
from numpy.typing import NDArray

STYLE = """
.chart { --ink: #1f2328; --faint: #c9d1d9; --seen: #0072b2; --unseen: #c45500; color: var(--ink); background: transparent;
  font: 12px system-ui, sans-serif; max-width: 100%; height: auto }
@media (prefers-color-scheme: dark) { .chart { --ink: #e6edf3; --faint: #484f58; --seen: #56b4e9; --unseen: #ffa94d } }
.chart text { fill: var(--ink) } .chart .grid { stroke: var(--faint); stroke-width: 1 }
.chart .seen { fill: var(--seen); stroke: var(--seen) } .chart .unseen { fill: var(--unseen); stroke: var(--unseen) }
.chart .line { fill: none; stroke-width: 2 } .chart .bar { stroke: none }
"""
DASHES = ("", "7 3", "2 3", "9 3 2 3")
POINTS = 300
"""The number of points to which a line is thinned."""


@dataclass
class Plot:
    """A chart of linear axes; add marks, then :meth:`render`."""

    title: str
    x_label: str
    y_label: str
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    width: int = 460
    height: int = 300
    left: int = 56
    """The space before the axis, in pixels, for the numbers or names beside it."""
    marks: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        low, high = _wide(self.x_range)
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - 20), 2)

    def y(self, value: float) -> float:
        low, high = _wide(self.y_range)
        return round(self.height - 44 - (value - low) / (high - low) * (self.height - 64), 2)

    def axes(self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> None:
        """Add grid lines and numbers."""
        left, right, bottom, top = self.x(self.x_range[0]), self.x(self.x_range[1]), *map(self.y, self.y_range)
        for value, text in y_ticks:
            self.marks.append(
                f'<line class="grid" x1="{left}" x2="{right}" y1="{self.y(value)}" y2="{self.y(value)}"/>'
            )
            self.marks.append(words(left - 6, self.y(value) + 4, text, "end"))
        for value, text in x_ticks:
            self.marks.append(
                f'<line class="grid" x1="{self.x(value)}" x2="{self.x(value)}" y1="{bottom}" y2="{top}"/>'
            )
            self.marks.append(words(self.x(value), bottom + 16, text))
        self.marks.append(words((left + right) / 2, self.height - 8, self.x_label))
        middle = (bottom + top) / 2
        self.marks.append(
            f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
            f"{escape(self.y_label)}</text>"
        )

    def render(self) -> str:
        """The SVG element; it carries its own style, so it is a whole file too."""
        inside = "\n".join(self.marks)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="{self.width}" '
            f'height="{self.height}" viewBox="0 0 {self.width} {self.height}"><title>{escape(self.title)}</title>'
            f"<style>{STYLE}</style>\n{inside}\n</svg>"
        )


def _wide(ends: tuple[float, float]) -> tuple[float, float]:
    """A range with a width: where all values are equal, the value is its lower end."""
    low, high = ends
    return (low, high) if high > low else (low, low + 1)


TENTHS = [(k / 5, f"{k / 5:.1f}") for k in range(6)]
PERCENT = [(20.0 * k, str(20 * k)) for k in range(6)]


def means(models: Sequence[tuple[str, Mapping[str, float]]], groups: Sequence[str]) -> str:
    """mAP (percent) of every group of classes, a bar a model; later models are darker. ``models``: (name, {group: mAP})."""
    plot = Plot("mAP by group", "", "mAP (%)", (0, len(groups)), (0, 100))
    plot.axes([(k + 0.5, group.replace("_", " ")) for k, group in enumerate(groups)], PERCENT)
    wide = 0.84 / len(models)
    for place, (name, values) in enumerate(models):
        style = f'class="bar seen" fill-opacity="{0.25 + 0.75 * (place + 1) / len(models):.2f}"'
        for k, group in enumerate(groups):
            if (value := values.get(group)) is None or value != value:
                continue
            left, top = plot.x(k + 0.08 + place * wide), plot.y(value)
            size = f'width="{plot.x(wide * 0.93) - plot.x(0):.2f}" height="{max(plot.y(0) - top, 0.5):.2f}"'
            plot.marks.append(
                f'<rect {style} x="{left}" y="{top}" {size}><title>{escape(name)}: {value:.1f}</title></rect>'
            )
        row = plot.height + 18 * place + 4
        plot.marks.append(f'<rect {style} x="60" y="{row - 6}" width="14" height="12"/>')
        plot.marks.append(words(82, row + 4, name, "start"))
    plot.height += 18 * len(models)
    return plot.render()


def before_and_after(classes: pd.DataFrame, before: Sequence[float] | NDArray[np.float64], name: str) -> str:
    """AP of every class against that of another model (percent); above the line the evaluated one is better.

    ``classes``: ap (percent or None), unseen, name; ``before``: the other model's AP of the same rows; ``name``: its name.
    """
    plot = Plot("AP of every class", f"AP, {name} (%)", "AP (%)", (0, 100), (0, 100))
    plot.axes(PERCENT, PERCENT)
    corners = f'x1="{plot.x(0)}" y1="{plot.y(0)}" x2="{plot.x(100)}" y2="{plot.y(100)}"'
    plot.marks.append(f'<line stroke="currentColor" stroke-dasharray="4 3" {corners}/>')
    rows = classes.assign(before=before)
    rows = rows[rows["ap"].notna() & rows["before"].notna()].sort_values("unseen")
    for row in rows.to_dict("records"):
        label = f"{escape(row['name'])}: {row['before']:.1f} before, {row['ap']:.1f}"
        plot.marks.append(_dot(plot.x(row["before"]), plot.y(row["ap"]), label, unseen=row["unseen"]))
    return plot.render()


def lines(columns: Mapping[str, Sequence[float]], *, title: str) -> str:
    """Values by step, a line for each column, on a logarithmic axis. Values that are not positive are left out."""
    positive = [v for column in columns.values() for v in column if v > 0]
    low, high = (log10(min(positive)), log10(max(positive))) if positive else (0.0, 1.0)
    longest = max((len(column) for column in columns.values()), default=1)
    plot = Plot(title, "step", "", (1, longest), (low, high), width=640, height=240)
    steps, ends = dict.fromkeys((1, longest)), dict.fromkeys((low, high))
    decades = [float(power) for power in range(ceil(low), floor(high) + 1)]
    far = [end for end in ends if all(abs(end - decade) > (high - low) / 10 for decade in decades)]
    plot.axes(
        [(step, f"{step:,}") for step in steps], [(value, f"{10**value:.3g}") for value in sorted([*decades, *far])]
    )
    for place, (name, column) in enumerate(columns.items()):
        step = max(1, len(column) // POINTS)
        points = " ".join(f"{plot.x(i + 1)},{plot.y(log10(v))}" for i, v in list(enumerate(column))[::step] if v > 0)
        style = f'class="line {("seen", "unseen")[place % 2]}" style="fill:none" stroke-dasharray="{DASHES[place // 2 % 4]}"'
        plot.marks.append(f'<polyline {style} points="{points}"/>')
        left = 60 + 140 * place
        plot.marks.append(f'<line {style} x1="{left}" x2="{left + 28}" y1="10" y2="10"/>')
        plot.marks.append(words(left + 34, 14, name, "start"))
    return plot.render()


def ap_by_class(classes: pd.DataFrame) -> str:
    """A bar for each class, best first. ``classes``: name, ap (percent or None), unseen."""
    rows = classes[classes["ap"].notna()].sort_values("ap", ascending=False).to_dict("records")
    plot = Plot("AP by class", "classes, best first", "AP (%)", (0, max(len(rows), 1)), (0, 100), width=940, height=280)
    plot.axes([(0, "1"), (max(len(rows), 1), str(len(rows)))], PERCENT)
    wide = max((plot.x(1) - plot.x(0)) * 0.9, 0.5)
    for place, row in enumerate(rows):
        top = plot.y(row["ap"])
        plot.marks.append(
            f'<rect class="bar {_group(row["unseen"])}" x="{plot.x(place)}" y="{top}" width="{wide:.2f}" '
            f'height="{max(plot.y(0) - top, 1):.2f}"><title>{escape(row["name"])} {row["ap"]:.1f}</title></rect>'
        )
        if row["unseen"]:
            # A tick under the axis tells unseen classes without colour, and where their bar is too low to see.
            base = plot.y(0)
            plot.marks.append(
                f'<rect class="bar unseen" x="{plot.x(place)}" y="{base + 2}" width="{wide:.2f}" height="5"/>'
            )
    return plot.render()


def precision_recall(curves: Sequence[tuple[str, bool, NDArray[np.float64], NDArray[np.float64]]]) -> str:
    """Curves of some classes: (name, unseen, recall, precision)."""
    plot = Plot("Precision and recall", "recall", "precision", width=460, height=300 + 18 * len(curves))
    below = 18 * len(curves)
    plot.height -= below
    plot.axes(TENTHS, TENTHS)
    used = {False: 0, True: 0}
    for place, (name, unseen, recall, precision) in enumerate(curves):
        dash = DASHES[used[unseen] % len(DASHES)]
        used[unseen] += 1
        shown = np.unique(np.linspace(0, len(recall) - 1, 200).astype(int))[: len(recall)]
        points = " ".join(f"{plot.x(recall[i])},{plot.y(precision[i])}" for i in shown)
        style = f'class="line {_group(unseen)}" style="fill:none" stroke-dasharray="{dash}"'
        plot.marks.append(f'<polyline {style} points="{points}"/>')
        row = plot.height + 18 * place + 4
        plot.marks.append(f'<line {style} x1="60" x2="100" y1="{row}" y2="{row}"/>')
        plot.marks.append(words(108, row + 4, f"{name} ({_group(unseen)})", "start"))
    plot.height += below
    return plot.render()


def training_count(classes: pd.DataFrame) -> str:
    """AP against the number of training pairs, unseen classes as squares. ``classes``: train_pairs, ap, name, unseen, rare."""
    rows = classes[classes["ap"].notna() & classes["train_pairs"].notna()].to_dict("records")
    most = max([9, *(row["train_pairs"] for row in rows)])
    plot = Plot("AP and training pairs", "annotated training pairs", "AP (%)", (0, log10(most + 1) * 1.03), (0, 100))
    ticks = [(log10(n + 1), f"{n:,}") for n in (0, 1, 10, 100, 1000, 10000) if n <= most]
    plot.axes(ticks, PERCENT)
    if most >= 10:
        edge = plot.x(log10(10))
        plot.marks.append(
            f'<line stroke="currentColor" stroke-dasharray="4 3" x1="{edge}" x2="{edge}" y1="{plot.y(0)}" y2="{plot.y(100)}"/>'
        )
        plot.marks.append(words(edge - 4, plot.y(96), "rare", "end"))
    for row in rows:
        x, y = plot.x(log10(row["train_pairs"] + 1)), plot.y(row["ap"])
        label = f"{escape(row['name'])}: {row['train_pairs']:,} pairs, AP {row['ap']:.1f}"
        plot.marks.append(_dot(x, y, label, unseen=row["unseen"]))
    return plot.render()


def calibration(table: pd.DataFrame) -> str:
    """Precision against score, a dot for each bin with the share of detections as area; the line is perfect calibration."""
    low, high = min(0.0, table["score"].min()), max(1.0, table["score"].max())
    plot = Plot("Calibration of scores", "score", "share that is right", (low, high), (0, 1))
    plot.axes([(low + (high - low) * k / 5, f"{low + (high - low) * k / 5:.3g}") for k in range(6)], TENTHS)
    if (low, high) == (0.0, 1.0):
        corners = f'x1="{plot.x(0)}" y1="{plot.y(0)}" x2="{plot.x(1)}" y2="{plot.y(1)}"'
        plot.marks.append(f'<line stroke="currentColor" stroke-dasharray="4 3" {corners}/>')
    total = table["count"].sum()
    points = " ".join(f"{plot.x(s)},{plot.y(p)}" for s, p in zip(table["score"], table["precision"], strict=True))
    plot.marks.append(f'<polyline class="line seen" style="fill:none" points="{points}"/>')
    for row in table.to_dict("records"):
        plot.marks.append(
            f'<circle class="seen" cx="{plot.x(row["score"])}" cy="{plot.y(row["precision"])}" '
            f'r="{3 + 12 * (row["count"] / total) ** 0.5:.1f}" fill-opacity=".5">'
            f"<title>{row['count']:,} detections</title></circle>"
        )
    return plot.render()


def _dot(x: float, y: float, label: str, *, unseen: bool) -> str:
    """A class as a mark with a hover title (escaped already): unseen ones are squares."""
    if unseen:
        corner = f'x="{x - 3:.2f}" y="{y - 3:.2f}" width="6" height="6"'
        return f'<rect class="unseen" {corner} fill-opacity=".8"><title>{label}</title></rect>'
    return f'<circle class="seen" cx="{x}" cy="{y}" r="2.5" fill-opacity=".5"><title>{label}</title></circle>'


def _group(unseen: bool) -> str:
    return "unseen" if unseen else "seen"


def words(x: float, y: float, text: str, anchor: str = "middle") -> str:
    """The words of a chart at a place in pixels."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
