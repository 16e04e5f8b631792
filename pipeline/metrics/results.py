"""One evaluation: the same detections under any number of protocols and modes, and the report as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.evaluation import Compared, Judged, judge, per_class
from pipeline.metrics.known_objects import known_object_images
from pipeline.metrics.protocols import Protocol, Ties
from pipeline.metrics.remarks import few_found
from pipeline.metrics.summary import summarise

Mode = Literal["default", "known-object"]
MODES: tuple[Mode, ...] = ("default", "known-object")


@dataclass(frozen=True, kw_only=True)
class Means:
    """AP of every class under one protocol and mode, and the means of groups of them."""

    protocol: Protocol
    mode: Mode
    per_class: pd.DataFrame
    """See :func:`pipeline.metrics.evaluation.evaluate`."""
    summary: dict[str, float]
    """Means in percent, see :func:`pipeline.metrics.summary.summarise`."""

    @property
    def key(self) -> str:
        """The protocol and mode, such as ``official`` or ``official known-object``."""
        return self.protocol.name if self.mode == "default" else f"{self.protocol.name} {self.mode}"


@dataclass(frozen=True, kw_only=True)
class Result(Means):
    """The means, with the judged detections behind them, some 33 bytes each."""

    judged: Judged

    def means(self) -> Means:
        """The means without the detections."""
        return Means(protocol=self.protocol, mode=self.mode, per_class=self.per_class, summary=self.summary)


def results(
    detections: Detections,
    annotations: Annotations,
    *,
    protocols: Sequence[Protocol],
    modes: Sequence[Mode],
    setting: str,
    compared: Compared | None = None,
) -> Iterator[Result]:
    """Evaluate under every protocol and mode, one after the other; means are of ``setting``'s seen and unseen classes.

    Arguments:
        compared: the detections with their annotations, if another evaluation of the same boxes has them already.
    """
    groups = annotations.groups
    object_of = {c.hoi_id: c.object_id for c in groups.vocabulary.classes}
    known = None
    if "known-object" in modes:
        known = known_object_images(presence=annotations.presence, object_of=object_of)
    compared = compared or Compared(detections.pairs, annotations.pairs)
    orders: dict[Ties, NDArray[np.int64]] = {}
    for protocol in protocols:
        if protocol.ties not in orders:
            orders[protocol.ties] = compared.rank(detections.scores, protocol.ties)
        for mode in modes:
            judged = judge(
                compared,
                scores=detections.scores,
                rules=protocol,
                known_images=known if mode == "known-object" else None,
                order=orders[protocol.ties],
            )
            table = per_class(judged, classes=np.array(groups.classes), rule=protocol.rule)
            summary = summarise(table, unseen=groups.unseen[setting], rare=groups.rare)
            yield Result(protocol=protocol, mode=mode, per_class=table, judged=judged, summary=summary)


def doubt(found: Sequence[Means]) -> list[str]:
    """A remark where so few annotated pairs are found at any score that boxes or images are probably meant otherwise."""
    table = found[0].per_class
    table = table[table["n_pred"] > 0]  # a file may be of some classes only
    truth = int(table["n_gt"].sum())
    hits = round(float((table["max_recall"] * table["n_gt"]).sum()))
    return few_found(hits, truth)


def report(
    found: Sequence[Means],
    *,
    annotations: Annotations,
    detections: Detections,
    setting: str,
    digests: Mapping[str, str],
) -> dict[str, Any]:
    """The report as plain JSON: means and AP in percent, None where there is nothing to average.

    The first result stands at the top; ``results`` has all of them.
    """
    first, groups = found[0], annotations.groups
    return {
        "protocol": first.protocol.name,
        "mode": first.mode,
        "setting": setting,
        **_means(first.summary),
        "max_recall": _percent(first.per_class["max_recall"].mean()),
        "settings": by_setting(first.per_class, groups.unseen, groups.rare),
        "results": [
            {
                "protocol": r.protocol.name,
                "mode": r.mode,
                **_means(r.summary),
                "switches": {k: v for k, v in dataclasses.asdict(r.protocol).items() if k != "name"},
            }
            for r in found
        ],
        "per_class": class_table(found, annotations, setting).to_dict("records"),
        "counts": {
            "detections": len(detections.pairs),
            "annotated_pairs": len(annotations.pairs),
            "images": len(annotations.images) if annotations.complete else None,
            "images_with_pairs": len(np.unique(annotations.pairs.image)),
            "classes": len(groups.classes),
        },
        "known_objects": annotations.presence_says if any(r.mode == "known-object" for r in found) else None,
        "hico_det": groups.hico,
        "notes": [*annotations.notes, *detections.notes, *doubt(found)],
        "digests": dict(digests),
    } | detections.metadata.as_json


def class_table(found: Sequence[Means], annotations: Annotations, setting: str) -> pd.DataFrame:
    """A row for each class: names, groups, counts, and AP in percent under every protocol and mode (None: not annotated)."""
    groups = annotations.groups
    named = groups.vocabulary.classes
    first = found[0].per_class
    table = pd.DataFrame(
        {
            "hoi_id": [c.hoi_id for c in named],
            "name": [c.name for c in named],
            "verb": [c.verb for c in named],
            "object": [c.object for c in named],
            "unseen": [c.hoi_id in groups.unseen[setting] for c in named],
            "rare": [c.hoi_id in groups.rare for c in named],
            "train_pairs": [groups.train_count.get(c.hoi_id) for c in named],
            "test_pairs": first["n_gt"].tolist(),
            "detections": first["n_pred"].tolist(),
            "max_recall": [_percent(v) for v in first["max_recall"]],
        }
    )
    for r in found:
        name = "ap" if r is found[0] else f"ap {r.key}"
        table[name] = pd.Series([_percent(v) for v in r.per_class["ap"]], dtype=object)
    table["max_recall"] = table["max_recall"].astype(object).where(table["max_recall"].notna(), None)
    return table


def by_setting(
    per_class: pd.DataFrame, unseen: Mapping[str, Collection[int]], rare: Collection[int]
) -> dict[str, dict[str, float | None]]:
    """Seen and unseen means of the same detections under every zero-shot setting's division of the classes."""
    return {
        setting: {k: v for k, v in _means(summarise(per_class, unseen=hidden, rare=rare)).items() if "seen" in k}
        for setting, hidden in unseen.items()
    }


def _means(summary: Mapping[str, float]) -> dict[str, float | None]:
    names = ("full", "rare", "non_rare", "seen", "unseen", "harmonic_mean")
    return {name: summary.get(name) for name in names}


def _percent(value: float) -> float | None:
    return None if np.isnan(value) else 100.0 * float(value)
