"""Writing an evaluation's folder.

report.json       means and AP in percent, switches, counts, digests
per_class.csv     a row for each class, with AP under every protocol and mode
report.html       the page people look at: one file, no script
report.md         the same as Markdown
plots/*.svg       the page's charts
judged.parquet, annotated.parquet    what a comparison with another evaluation needs
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.machine.files import atomic
from pipeline.metrics import evaluated
from pipeline.outside.escaping import to_cell
from pipeline.report import html, markdown
from pipeline.report.content import Content

CHARTS = {
    "means": "mAP by group of classes",
    "before_and_after": "AP of every class, before and after",
    "ap_by_class": "AP by class",
    "precision_recall": "Precision and recall of chosen classes",
    "training_count": "AP against training pairs",
    "calibration": "Calibration of scores",
}


def write(folder: Path, content: Content, *, pictures: Sequence[tuple[str, str]] = ()) -> None:
    """Write all files; each is whole or absent. The Markdown shows ``pictures`` before the charts."""
    plots = folder / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    drawn = html.charts(content)
    for name, text in drawn.items():
        _text(plots / f"{name}.svg", text)
    shown = [*pictures, *((caption, f"plots/{name}.svg") for name, caption in CHARTS.items() if name in drawn)]
    _text(folder / "report.html", html.render(content, drawn))
    _text(folder / "report.md", markdown.render(content, pictures=shown))
    with atomic(folder / "per_class.csv") as temporary:
        cells = content.classes.map(lambda cell: to_cell(cell) if isinstance(cell, str) else cell)
        cells.to_csv(temporary, index=False, float_format="%.6f")
    evaluated.save(folder, content.first.judged)
    _text(folder / "report.json", json.dumps(content.report, indent=1, allow_nan=False) + "\n")


def _text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
