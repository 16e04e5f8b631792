"""What the `coco-rel` reader demands of a file's keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import own_samples
import pytest

from pipeline.datasets.own import annotated
from pipeline.errors import DataError

RELATION = {"image_id": 1, "subject_id": 1, "predicate_id": 1}


def small(folder: Path, **changed: Any) -> dict[str, Any]:
    """The content of a file with one picture and one pair, with some keys changed; None takes one out."""
    own_samples.write_small(folder / "own.json")
    content = json.loads((folder / "own.json").read_text()) | changed
    return {key: value for key, value in content.items() if value is not None}


def read(folder: Path, content: dict[str, Any]) -> annotated.Annotated:
    (folder / "own.json").write_text(json.dumps(content))
    return annotated.read(folder / "own.json")


@pytest.mark.parametrize(
    ("key", "end", "entry"),
    [
        ("rel_annotations", "object_id", RELATION),
        ("interactions", "object", {"image_id": 1, "subject": 1, "verb": "feed"}),
    ],
)
def test_an_object_that_is_left_out_is_not_one_that_is_null(
    key: str, end: str, entry: dict[str, Any], tmp_path: Path
) -> None:
    entries = [entry | {end: 2}, entry | {end: None}, entry]
    found = read(tmp_path, small(tmp_path, **{"rel_annotations": None, key: entries}))
    assert found.rows.relations["object"].tolist() == [1, -1]
    called = "relation" if key == "rel_annotations" else "interaction"
    assert [str(error) for error in found.problems.of("E")] == [
        f"{called} 3: has no {end}; for a person acting alone it is null (left out)"
    ]


@pytest.mark.parametrize("extra", [{"shapes": []}, {"imagePath": "a.jpg"}, {"shapes": [1], "imagePath": "a.jpg"}])
@pytest.mark.parametrize("first", [False, True])
def test_keys_of_another_tool_are_passed_over(extra: dict[str, Any], first: bool, tmp_path: Path) -> None:
    content = extra | small(tmp_path) if first else small(tmp_path) | extra
    found = read(tmp_path, content)
    assert len(found.rows.relations) == 1
    assert [note.what for note in found.problems.of("N")] == [f"keys that are not read: {' and '.join(sorted(extra))}"]


def test_a_box_is_written_as_it_was_read(tmp_path: Path) -> None:
    corners = [[0.1, 12.34, 100.1, 23.45], [1 / 3, 2.5, 1.0, 1.0], [3.0, 4.0, 8191.987, 5.125], [100.34, 7.0, 1.0, 2.0]]
    boxes = [{"id": i, "image_id": 1, "category_id": 2 - i % 2, "bbox": box} for i, box in enumerate(corners, 1)]
    size = [{"id": 1, "file_name": "yard.jpg", "width": 9000, "height": 48}]
    for _ in range(2):  # what was written reads as the same
        found = read(tmp_path, small(tmp_path, annotations=boxes, images=size))
        assert not found.problems.found
        boxes = list(annotated.file_content(found)["annotations"])
        assert [box["bbox"] for box in boxes][0::2] == corners[0::2]
        assert boxes[1]["bbox"] == pytest.approx([1 / 3, 2.5, 1.0, 1.0], abs=1e-6)
        assert max(len(str(number)) for number in boxes[1]["bbox"]) <= 10  # not 0.3333333432674408
        assert boxes[3]["bbox"] == corners[3]


@pytest.mark.parametrize("number", [1e39, -1e200])
def test_a_box_of_numbers_that_no_picture_has_is_an_error(number: float, tmp_path: Path) -> None:
    content = small(tmp_path)
    content["annotations"][1]["bbox"][0] = number
    with pytest.raises(DataError, match=r"annotation 2: is empty: its width is 0, .* relation 1 with it"):
        read(tmp_path, content)
