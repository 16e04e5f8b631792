"""Runs side by side as one HTML file that can be sent to a co-author: it needs no other file."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from flows.pages.markdown import VARIANTS
from flows.pages.rendering import render
from pipeline.metrics.means import MAIN
from pipeline.report import overlaid
from pipeline.report.content import SYNTHETIC
from pipeline.store.runs import USUAL
from pipeline.studies.side_by_side import Against, ClassRow, SideBySide

IN_TITLE = 3
"""The most differing keys that a title names."""
CLASSES = 24
"""How many classes the chart of those that moved most has."""
CAUSES = 40
"""How many lines of causes are shown."""
TEXTS = 60
"""How many descriptions are shown in full."""


def page(found: SideBySide) -> str:
    """The whole page."""
    return render(
        "side_by_side",
        s=found,
        title="Runs compared" + (f": {', '.join(found.asked)}" if 0 < len(found.asked) <= IN_TITLE else ""),
        warning=SYNTHETIC if any(c.rendered for c in found.columns) else None,
        named=[_differing(found, place) for place in range(len(found.columns))],
        says=says(found),
        usual=USUAL,
        loop_of={c.letter: place for place, c in enumerate(found.columns)},
        means=_means(found),
        draws=max(a.compared.draws for a in found.against),
        removed=any(c.removed for c in found.columns),
        curves=_curves(found),
        dumbbells=_dumbbells(found.classes),
        moved=sum(row.moved > 0 for row in found.classes),
        longest=CAUSES,
        shown_texts=TEXTS,
    )


def says(found: SideBySide) -> list[str]:
    """The answer in a sentence for every run but the first."""
    return [
        " ".join([_sentence(against), *(f"Note: {note}." for note in against.compared.notes)])
        for against in found.against
    ]


def _differing(found: SideBySide, place: int) -> str:
    """The keys that a run sets of those in which the runs differ, as in `seed=1 · utpl.steps=80`."""
    return " · ".join(f"{key}={row[place]}" for key, row in found.asked.items() if row[place] is not None)


def _sentence(against: Against) -> str:
    letter, gain = against.column.letter, against.compared.gains.get("unseen")
    if gain is None:
        return f"{letter}: no mAP of unseen classes on both sides to compare with A's."
    start = f"{letter} has {gain.after:.2f} % mAP on unseen classes, A {gain.before:.2f} ({gain.difference:+.2f})"
    if gain.interval is None:
        return f"{start}. Whether that is chance is not known: {against.compared.why_no_interval}."
    if gain.interval == (0.0, 0.0):
        return f"{letter} and A have {gain.after:.2f} % mAP on unseen classes, whatever test images are drawn."
    low, high = gain.interval
    word = "more than the choice of test images explains" if gain.sure else "which may be chance"
    return f"{start}, 95 % interval [{low:+.2f}, {high:+.2f}]: {word}."


def _means(found: SideBySide) -> list[dict[str, Any]]:
    """A row for each model and group of classes; only differences of the final result have intervals."""
    rows = []
    for model, prefix in VARIANTS:
        for group in MAIN:
            values = [c.metrics.get(prefix + group) for c in found.columns]
            if all(value is None for value in values):
                continue
            cells: list[dict[str, Any]] = [{"value": values[0]}]
            for value, against in zip(values[1:], found.against, strict=True):
                known = against.compared.gains.get(group) if not prefix else None
                plain = None if value is None or values[0] is None else value - values[0]
                cells.append(
                    {
                        "value": value,
                        "gain": plain,
                        "interval": known.interval if known is not None else None,
                        "sure": known is not None and known.sure,
                    }
                )
            rows.append({"model": model, "group": group, "cells": cells})
    return rows


def _curves(found: SideBySide) -> list[dict[str, Any]]:
    charts = []
    for stage, curves in found.curves.items():
        series = [("ABCDEF".index(c.letters[0]), c.steps, c.losses) for c in curves]
        shared = [f"{', '.join(c.letters)} share one" for c in curves if len(c.letters) > 1]
        each = max(c.each for c in curves)
        notes = [f"loss of {stage} by step", *([f"means of {each} steps"] if each > 1 else []), *shared]
        charts.append({"svg": Markup(overlaid.curves(series, title=f"Losses of {stage}")), "says": "; ".join(notes)})
    return charts


def _dumbbells(classes: tuple[ClassRow, ...]) -> Markup | None:
    chosen = [(row.name, row.ap) for row in classes[:CLASSES] if row.moved]
    return Markup(overlaid.dumbbells(chosen, title="AP of the classes that moved most")) if chosen else None
