"""Images with their best detections drawn as SVG over the picture: person blue, object orange and dashed, numbered."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL.Image import Image

from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.diagnosis import ImageScore

WIDTH = 440
"""Pixels of a picture's width in the page; larger images are shrunk before they are embedded."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn image and its legend."""

    name: str
    svg: str
    score: ImageScore
    legend: tuple[tuple[int, str, float, bool], ...]
    """(number, class, score, right) of each drawn detection."""
    annotated: tuple[str, ...]


def picture(
    score: ImageScore,
    detections: Detections,
    annotations: Annotations,
    open_image: Callable[[int], Image | None] | None,
) -> Picture:
    """Draw the image with as many of its best detections as it has annotated pairs."""
    vocabulary = annotations.groups.vocabulary
    mine = annotations.pairs.image == score.image
    boxes = [detections.pairs.human[list(score.rows)], detections.pairs.object[list(score.rows)]]
    truth = [annotations.pairs.human[mine], annotations.pairs.object[mine]]
    image = open_image(score.image) if open_image else None
    corners = np.concatenate([*boxes, *truth])[:, 2:]
    width, height = image.size if image else np.ceil(corners.max(axis=0)).astype(int).tolist()
    row = annotations.images.iloc[score.image]
    names = [vocabulary.hoi(h).name for h in detections.pairs.hoi[list(score.rows)]]
    return Picture(
        name=str(row.get("file_name", row.get("image_id"))),
        svg=_draw(image, (width, height), boxes, truth),
        score=score,
        legend=tuple(
            zip(
                range(1, len(names) + 1),
                names,
                detections.scores[list(score.rows)].tolist(),
                score.hits,
                strict=True,
            )
        ),
        annotated=tuple(vocabulary.hoi(h).name for h in annotations.pairs.hoi[mine]),
    )


def _draw(image: Image | None, size: tuple[int, int], found: list[np.ndarray], truth: list[np.ndarray]) -> str:
    width, height = size
    unit = max(width, height) / WIDTH
    parts = [f'<rect class="nothing" width="{width}" height="{height}"/>']
    if image is not None:
        parts = [f'<image width="{width}" height="{height}" preserveAspectRatio="none" href="{_data(image)}"/>']
    parts += [_box(box, "annotated", unit) for boxes in truth for box in boxes]
    for place, (human, thing) in enumerate(zip(*found, strict=True), start=1):
        ends = [
            (human[0] + human[2]) / 2,
            (human[1] + human[3]) / 2,
            (thing[0] + thing[2]) / 2,
            (thing[1] + thing[3]) / 2,
        ]
        line = " ".join(f'{name}="{value:.1f}"' for name, value in zip(("x1", "y1", "x2", "y2"), ends, strict=True))
        parts.append(f'<line class="link" {line} stroke-width="{unit:.2f}"/>')
        parts += [_box(human, "person", unit), _box(thing, "object", unit)]
        label = (
            f'x="{human[0] + 3 * unit:.1f}" y="{human[1] + (1 + 13 * place) * unit:.1f}" font-size="{13 * unit:.1f}"'
        )
        parts.append(f'<text class="number" {label} stroke-width="{3 * unit:.2f}">{place}</text>')
    inside = "".join(parts)
    return f'<svg class="picture" role="img" viewBox="0 0 {width} {height}" width="{WIDTH}">{inside}</svg>'


def _box(box: np.ndarray, kind: str, unit: float) -> str:
    x1, y1, x2, y2 = box.tolist()
    dash = {"object": f"{6 * unit:.1f} {3 * unit:.1f}", "annotated": f"{unit:.1f} {2 * unit:.1f}"}.get(kind, "")
    shape = f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
    return f'<rect class="{escape(kind)}" {shape} stroke-width="{2 * unit:.2f}" stroke-dasharray="{dash}"/>'


def _data(image: Image) -> str:
    """The picture as a data URI, no wider than twice the shown width."""
    small = image.convert("RGB")
    small.thumbnail((2 * WIDTH, 2 * WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
