"""Tables of others with a column of another type: refused with an error of ours, or taken for what it means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_columns import COLUMNS, ROWS
from PIL import Image

from pipeline.boxes import imported
from pipeline.config.detections import Detections
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import EzhoiError
from pipeline.metrics import annotations, detections
from pipeline.predict import boxes_file, examples
from pipeline.texts.given import texts

BOXES = ("hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2")
PAIR = {name: [10.0] * ROWS if name.endswith("1") else [100.0] * ROWS for name in BOXES}
BOX = {name[1:]: PAIR[name] for name in BOXES[:4]}
TRUTH = {"file_name": ["a.jpg"] * ROWS, "image_id": [7] * ROWS, "hoi_id": [1, 2, 3], "split": ["test"] * ROWS, **PAIR}
FOUND = {"file_name": ["a.jpg"] * ROWS, "hoi_id": [1, 2, 3], "score": [0.5] * ROWS, "prior": [0.5] * ROWS, **PAIR}
DETECTED = {"image_id": [1, 2, 3], "object_id": [0, 1, 2], "score": [0.5] * ROWS, **BOX}
TEXTS = {"class": ["ride horse", "feed horse", "hug dog"], "text": ["a horse", "a horse", "a dog"]}
EXAMPLES = {"file_name": ["a.jpg"] * ROWS, "verb": ["ride"] * ROWS, "object": ["horse"] * ROWS, **PAIR}


def _found(path: Path) -> None:
    pd.DataFrame(TRUTH).to_parquet(path.with_name("truth.parquet"))
    truth = annotations.read(path.with_name("truth.parquet"))
    detections.check(detections.read(path, HICO)[0], truth)


def _imported(path: Path) -> None:
    images = pd.DataFrame(
        {"image_id": [1, 2, 3], "file_name": ["a1.jpg", "b2.jpg", "c3.jpg"], "width": 640, "height": 480}
    )
    imported.read(Detections(source="parquet", path=str(path)), images, HICO.objects)


def _boxes(path: Path) -> None:
    boxes_file.read(path, ["a1.jpg", "b2.jpg", "c3.jpg"], HICO)


def _examples(path: Path) -> None:
    Image.new("RGB", (200, 200)).save(path.with_name("a.jpg"))
    examples.read(path, HICO)


def _texts(path: Path) -> None:
    texts.descriptions(path, HICO)


@pytest.mark.parametrize(
    ("table", "door"),
    [
        pytest.param(TRUTH, annotations.read, id="annotations"),
        pytest.param(FOUND, _found, id="detections by name"),
        pytest.param({"image_id": [7] * ROWS, **FOUND} | {"file_name": None}, _found, id="detections by number"),
        pytest.param(DETECTED, _imported, id="imported boxes"),
        pytest.param(DETECTED, _boxes, id="boxes of pictures by number"),
        pytest.param(
            DETECTED | {"file_name": ["a1.jpg"] * ROWS, "label": ["dog"] * ROWS}, _boxes, id="boxes of pictures"
        ),
        pytest.param(EXAMPLES, _examples, id="examples by verb and object"),
        pytest.param(EXAMPLES | {"class": ["ride horse"] * ROWS}, _examples, id="examples by class"),
        pytest.param(TEXTS | {"hoi_id": [HICO.find(name).hoi_id for name in TEXTS["class"]]}, _texts, id="texts"),
    ],
)
def test_a_column_of_another_type_is_no_fault_of_ours(
    table: dict[str, list[object] | None], door: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "given.parquet"
    whole = {name: pa.array(values) for name, values in table.items() if values is not None}
    for name in whole:
        for kind, column in COLUMNS.items():
            pq.write_table(pa.table(whole | {name: column}), path)
            try:
                door(path)
            except EzhoiError:
                pass
            except Exception as error:
                raise AssertionError(f"{name}: {kind}") from error
