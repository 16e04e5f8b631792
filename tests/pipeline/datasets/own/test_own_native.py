"""What the `coco-rel` reader demands of a file's keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import own_samples
import pytest

from pipeline.datasets.own import annotated, native_file

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
    content = small(tmp_path)
    if first and len(extra) == 1:
        content = extra | content
    else:
        content |= extra
    found = read(tmp_path, content)
    assert len(found.rows.relations) == 1
    assert [note.what for note in found.problems.of("N")] == [f"keys that are not read: {' and '.join(sorted(extra))}"]


def test_a_file_of_labelme_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"version": "5", "shapes": [], "imagePath": "a.jpg", "imageData": no JSON')
    assert native_file.read(path) is None
