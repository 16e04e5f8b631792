"""The sample annotations beside this file: their pictures as a list, and rows as their CSV files have them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from pipeline.datasets.own.annotated import Annotated
from pipeline.datasets.own.pictures import Pictures, Size

DATA = Path(__file__).with_name("data")
WORDS = DATA / "vocabulary.yaml"
Row = tuple[str, ...]


def pictures() -> Pictures:
    """The pictures of the samples, without files."""
    with (DATA / "pictures.csv").open(encoding="utf-8", newline="") as file:
        sizes = {
            row["file_name"]: Size(
                (int(row["shown_width"]), int(row["shown_height"])), (int(row["file_width"]), int(row["file_height"]))
            )
            for row in csv.DictReader(file)
        }
    return Pictures(Path("nowhere"), dict.fromkeys(sizes, 1), sizes)


def blank(root: Path) -> None:
    """Draw blank pictures of the samples' sizes, one of them stored turned."""
    for name, size in pictures().sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", size.stored)
        exif = image.getexif()
        if size.stored != size.shown:
            exif[0x0112] = 6
        image.save(path, exif=exif)


def write_small(path: Path) -> None:
    """One picture with one pair, its words in the file."""
    boxes = [{"id": i, "image_id": 1, "category_id": i, "bbox": [i, i, 20, 30]} for i in (1, 2)]
    content = {
        "images": [{"id": 1, "file_name": "yard.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "goose"}],
        "annotations": boxes,
        "rel_categories": [{"id": 1, "name": "feed", "ing": "feeding"}],
        "rel_annotations": [{"image_id": 1, "subject_id": 1, "object_id": 2, "predicate_id": 1}],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def expected(path: Path) -> list[Row]:
    """image, verb, object, hx1 .. oy2 of a table, sorted."""
    with path.open(encoding="utf-8", newline="") as file:
        return sorted(tuple(row) for row in list(csv.reader(file))[1:])


def table(found: Annotated) -> list[Row]:
    """The same of what was read."""
    rows, words = found.rows, found.vocabulary

    def corners(box: int) -> Row:
        return tuple(f"{rows.boxes[c][box]:.2f}" for c in ("x1", "y1", "x2", "y2")) if box >= 0 else ("",) * 4

    return sorted(
        (
            rows.images["file_name"][r.image],
            words.verbs[r.verb_id].name,
            words.objects[rows.boxes["object_id"][r.object]].name if r.object >= 0 else "",
            *corners(r.subject),
            *corners(r.object),
        )
        for r in rows.relations.itertuples()
    )


def same(found: list[Row], wanted: list[Row]) -> None:
    """Equal words, and corners to 0.03 pixels."""
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        numbers = [[float(cell) if cell else None for cell in row[3:]] for row in (mine, theirs)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.03)
