"""What a report says, before it is HTML or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from PIL.Image import Image

from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.diagnosis import confusions
from pipeline.metrics.means import UNSEEN_FIRST
from pipeline.metrics.published import EZ_HOI
from pipeline.metrics.results import Result

SIDE_BY_SIDE = ("official", "upt")
"""The protocols whose means every report shows side by side."""
SYNTHETIC = "Synthetic scenes, a synthetic CLIP, simulated detections: these numbers say nothing about HICO-DET."
"""The warning on every page with numbers of the rendered world."""
Summary = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table of means: a model, or a reference."""

    label: str
    means: Mapping[str, Summary]
    """The summary by protocol; a missing protocol shows as a dash."""
    reference: bool = False
    """Whether it is somebody else's number or a floor, not the evaluated detections."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """An artifact or file from which the report was computed."""

    name: str
    digest: str
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of a whole report."""

    title: str
    report: Mapping[str, Any]
    """The JSON; see :func:`pipeline.metrics.results.report`."""
    classes: pd.DataFrame
    """See :func:`pipeline.metrics.results.class_table`."""
    first: Result
    rows: Sequence[Row]
    annotations: Annotations
    detections: Detections
    origins: Sequence[Origin] = ()
    warning: str | None = None
    leakage: Any = None
    """The leakage report of the annotations: what touched the unseen classes before they were evaluated."""
    open_image: Callable[[int], Image | None] | None = None
    """Opens an image by its place; without it, or without the image, only boxes are drawn."""
    curves: Sequence[int] = ()
    """Classes (``hoi_id``) whose precision-recall curves are drawn; empty: those with the most annotated pairs."""
    before: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Per-class results of other models by name, for the Markdown's table of classes."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The 95 % intervals, over test images, of the detections' mAP under the first protocol, by group."""
    compared_with: str | None = None
    """The model of ``before`` with which the evaluated model's classes are drawn."""


def shown_groups(content: Content) -> tuple[str, ...]:
    """The groups of classes of which any row has a mean: a dataset without frequent classes needs no such column."""
    return tuple(g for g in UNSEEN_FIRST if any(g in means for row in content.rows for means in row.means.values()))


def shown_protocols(content: Content) -> tuple[str, ...]:
    """The protocols whose means are shown side by side: the configured one, and those of every report."""
    return tuple(dict.fromkeys([content.first.protocol.name, *SIDE_BY_SIDE]))


def published_rows(setting: str) -> list[Row]:
    """The paper's numbers of a setting; their evaluation follows the ``upt`` protocol."""
    return [
        Row(label=f"EZ-HOI, {backbone} (paper)", means={"upt": means}, reference=True)
        for backbone, means in EZ_HOI.get(setting, {}).items()
    ]


def confused_verbs(content: Content, *, count: int = 15) -> pd.DataFrame:
    """The most frequent confusions of verbs: object, verb, taken_for, count, and of how many annotated pairs."""
    vocabulary = content.annotations.groups.vocabulary
    counted = confusions(
        content.detections.pairs,
        content.detections.scores,
        content.annotations.pairs,
        object_of=vocabulary.object_of,
    )
    total = counted.groupby("hoi_id")["count"].sum()
    wrong = counted[(counted["taken_for"] >= 0) & (counted["taken_for"] != counted["hoi_id"])].head(count)
    named = [(vocabulary.hoi(h), vocabulary.hoi(t)) for h, t in zip(wrong["hoi_id"], wrong["taken_for"], strict=True)]
    return pd.DataFrame(
        {
            "object": [c.object.replace("_", " ") for c, _ in named],
            "verb": [c.verb.replace("_", " ") for c, _ in named],
            "taken_for": [t.verb.replace("_", " ") for _, t in named],
            "count": wrong["count"].tolist(),
            "of": [int(total[h]) for h in wrong["hoi_id"]],
        }
    )


def number(value: float | None, digits: int = 2) -> str:
    """A number for people; a dash for None and nan."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"
