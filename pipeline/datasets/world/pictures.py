"""Scenes as picture files with a table of their boxes: pictures to predict with a model of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.datasets.world.scenes import Scene, draw, sample
from pipeline.machine.files import atomic
from pipeline.vocabulary.vocabulary import Vocabulary

SPLIT = "fresh"
"""Name of these scenes' split, on which nothing is trained or evaluated."""
BOXES_FILE = "boxes.parquet"


def write(folder: Path, *, count: int, vocabulary: Vocabulary) -> list[Path]:
    """Write fresh scenes as `NNN.png`, and beside them `BOXES_FILE`: file_name, label, score (1), x1 .. y2 in pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = [sample(split=SPLIT, index=index) for index in range(count)]
    paths = [folder / f"{index:03d}.png" for index in range(count)]
    for path, scene in zip(paths, scenes, strict=True):
        with atomic(path) as temporary:
            draw(scene).save(temporary, format="PNG")
    with atomic(folder / BOXES_FILE) as temporary:
        _boxes(scenes, [path.name for path in paths], vocabulary).to_parquet(temporary, index=False)
    return paths


def _boxes(scenes: Sequence[Scene], names: Sequence[str], vocabulary: Vocabulary) -> pd.DataFrame:
    """All boxes of the scenes, as `ezhoi predict --boxes` reads them."""
    rows = [
        (name, label, 1.0, *box)
        for name, scene in zip(names, scenes, strict=True)
        for label, box in (
            *(("person", box) for box in scene.humans),
            *((vocabulary.objects[number].name, box) for number, box in scene.objects),
        )
    ]
    return pd.DataFrame(rows, columns=["file_name", "label", "score", "x1", "y1", "x2", "y2"])
