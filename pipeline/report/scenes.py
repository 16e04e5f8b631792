"""Drawing scenes with their predicted interactions: person blue, object red, a line between them, the class in the corner.

The class is green if the prediction matches an annotated pair of that class (both IoUs at least 0.5), else red.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.images import Images
from pipeline.errors import DataError
from pipeline.store.artifact import Artifact
from pipeline.tables.boxes import iou
from pipeline.vocabulary.vocabulary import Vocabulary

HUMAN, THING = "#2563eb", "#dc2626"
COLUMNS, ROWS, SCALE = 4, 2, 1.5
QUALITY = 85


def write(
    path: Path,
    *,
    annotations: Artifact,
    vocabulary: Vocabulary,
    found: Callable[[int], pd.DataFrame],
    truth: pd.DataFrame,
    root: Path | None,
) -> None:
    """A sheet, as JPEG, of the first test images that have annotated pairs, each with as many predictions as pairs.

    Args:
        found: the predictions of an image, by its id.
    """
    images = Images(annotations, split="test", root=root)
    tiles: list[Image.Image] = []
    for image_id in truth["image_id"].drop_duplicates().tolist():
        try:
            image = images.open(image_id)
        except DataError:  # it was left out of the run
            continue
        mine = found(image_id).nlargest((truth["image_id"] == image_id).sum(), "score")
        tiles.append(draw(image, mine, truth[truth["image_id"] == image_id], vocabulary))
        if len(tiles) == COLUMNS * ROWS:
            break
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    sheet = Image.new("RGB", (COLUMNS * width, ROWS * height), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % COLUMNS * width, i // COLUMNS * height))
    sheet.save(path, "JPEG", quality=QUALITY)


def draw(image: Image.Image, found: pd.DataFrame, annotated: pd.DataFrame, vocabulary: Vocabulary) -> Image.Image:
    """The image enlarged, with the predicted pairs of `found`, judged by the annotated ones."""
    canvas = image.resize((int(image.width * SCALE), int(image.height * SCALE)), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=12)
    for line, row in enumerate(found.to_dict("records")):
        human = [SCALE * row[f"h{c}"] for c in CORNERS]
        thing = [SCALE * row[f"o{c}"] for c in CORNERS]
        pen.rectangle(human, outline=HUMAN, width=2)
        pen.rectangle(thing, outline=THING, width=2)
        pen.line(
            [*np.reshape(human, (2, 2)).mean(axis=0), *np.reshape(thing, (2, 2)).mean(axis=0)], fill="#111111", width=2
        )
        label = f"{vocabulary.hoi(row['hoi_id']).name} {row['score']:.2f}"
        corner = (4, 4 + 16 * line)
        pen.rectangle(pen.textbbox(corner, label, font=font), fill="white")
        pen.text(corner, label, fill="#166534" if _matches(row, annotated) else "#991b1b", font=font)
    return canvas


def _matches(row: dict[Hashable, Any], annotated: pd.DataFrame) -> bool:
    same = annotated[annotated["hoi_id"] == row["hoi_id"]]
    human, thing = (
        iou(same[columns].to_numpy(), np.array([row[c] for c in columns]))
        for columns in ([f"{side}{c}" for c in CORNERS] for side in "ho")
    )
    return bool((np.minimum(human, thing) >= 0.5).any())
