"""The report as one HTML file without scripts, links to styles or pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from pipeline.metrics import diagnosis
from pipeline.report import svg
from pipeline.report.content import Content, confused_verbs, number, shown_groups, shown_protocols
from pipeline.report.pictures import picture

PICTURES = 3
"""How many of the best and of the worst images are drawn."""


def charts(content: Content) -> dict[str, str]:
    """The report's charts as SVG, by the name of their file."""
    unseen = dict(zip(content.classes["hoi_id"], content.classes["unseen"], strict=True))
    chosen = list(content.curves) or diagnosis.telling_classes(content.classes)
    vocabulary = content.annotations.groups.vocabulary
    curves = [
        (vocabulary.hoi(h).name, bool(unseen[h]), *diagnosis.precision_recall(content.first.judged, h)) for h in chosen
    ]
    drawn = {}
    compared = content.first.protocol.name
    if len(models := [(row.label, row.means[compared]) for row in content.rows[::-1] if compared in row.means]) > 1:
        drawn["means"] = svg.means(models, [g for g in shown_groups(content) if g in models[-1][1]])
    for name, frame in content.before.items():
        if name == content.compared_with:
            drawn["before_and_after"] = svg.before_and_after(content.classes, 100 * frame["ap"].to_numpy(), name)
    drawn |= {
        "ap_by_class": svg.ap_by_class(content.classes),
        "precision_recall": svg.precision_recall(curves),
        "training_count": svg.training_count(content.classes),
    }
    table = diagnosis.calibration(content.first.judged)
    return drawn | ({"calibration": svg.calibration(table)} if len(table) else {})


def render(content: Content, drawn: Mapping[str, str]) -> str:
    """Make the page; ``drawn`` are its :func:`charts`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "name": lambda text: str(text).replace("_", " ")}
    scores = diagnosis.image_scores(content.first.judged)
    best, worst = scores[:PICTURES], scores[len(scores) - PICTURES :][::-1] if len(scores) > PICTURES else []
    leakage = content.leakage or {}
    touches = leakage.get("touches", [])
    annotated = _with_gains(content)[content.classes["test_pairs"] > 0]
    return environment.get_template("page.html.jinja").render(
        c=content,
        report=content.report,
        groups=shown_groups(content),
        protocols=shown_protocols(content),
        charts={name: Markup(text) for name, text in drawn.items()},
        chart_style=Markup(svg.STYLE),
        confusions=confused_verbs(content).to_dict("records"),
        calibration_error=diagnosis.calibration_error(diagnosis.calibration(content.first.judged)),
        galleries=[
            (title, [picture(s, content.detections, content.annotations, content.open_image) for s in chosen])
            for title, chosen in (("Went best", best), ("Went worst", worst))
            if chosen
        ],
        Markup=Markup,
        class_rows=annotated.sort_values(["unseen", "ap"], ascending=[False, False]).to_dict("records"),
        touches=touches,
        leakage=flat({k: v for k, v in leakage.items() if k != "touches"}),
    )


def _with_gains(content: Content) -> pd.DataFrame:
    """The table of classes with AP `before` and the `gain` over it, in percent, where the report has such a model."""
    if content.compared_with is None:
        return content.classes
    before = 100 * content.before[content.compared_with]["ap"].to_numpy(dtype=float)
    return content.classes.assign(before=before, gain=content.classes["ap"].astype(float) - before)


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """A JSON value as rows of name and text, with nested names joined by dots."""
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in value[:30])
        return [(name, shown + (f" and {len(value) - 30} more" if len(value) > 30 else ""))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]
