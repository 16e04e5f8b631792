"""Which picture an image is and how large: names and splits that no table can hold, sizes that are not the picture's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import own_samples
import pandas as pd
import pytest
from own_samples import DATA, WORDS

from pipeline.datasets.own import annotated, shown
from pipeline.datasets.own.pictures import Pictures, Size
from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import Boxes, Images, Raw, Relations

HALF = "x\ud800"
SAMPLES = {
    "coco-rel": "coco-rel/good/interactions.json",
    "by hand": "coco-rel/good/by-hand.json",
    "label-studio": "label-studio/good/project-1-at-2026-03-09-09-00-0a1b2c3d.json",
    "ppdm": "ppdm/good/trainval.json",
    "labelme": "labelme/good/street",
}


def halved(value: Any, name: str) -> Any:
    """A JSON value whose every text at a key, or in a list at it, ends with half of a character."""
    if isinstance(value, list):
        return [halved(part, name) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        key: part + HALF
        if key == name and isinstance(part, str)
        else [text + HALF for text in part]
        if key == name and isinstance(part, list) and all(isinstance(text, str) for text in part)
        else halved(part, name)
        for key, part in value.items()
    }


@pytest.mark.parametrize(
    ("sample", "key"),
    [
        ("coco-rel", "file_name"),
        ("coco-rel", "split"),
        ("coco-rel", "name"),
        ("by hand", "verb"),
        ("label-studio", "image"),
        ("label-studio", "from_id"),
        ("label-studio", "rectanglelabels"),
        ("label-studio", "labels"),
        ("ppdm", "file_name"),
        ("labelme", "imagePath"),
        ("labelme", "label"),
        ("labelme", "description"),
    ],
)
@pytest.mark.parametrize("with_pictures", [False, True])
def test_half_of_a_character_is_a_fault_that_is_told(
    sample: str, key: str, with_pictures: bool, tmp_path: Path
) -> None:
    source = DATA / SAMPLES[sample]
    for path in source.glob("*.json") if source.is_dir() else [source]:
        value = halved(json.loads(path.read_text(encoding="utf-8")), key)
        (tmp_path / path.name).write_text(json.dumps(value))
    if sample == "ppdm":
        (tmp_path / "ids.yaml").write_bytes((DATA / "ppdm" / "ids.yaml").read_bytes())
    pictures = own_samples.pictures() if with_pictures else None
    found = annotated.read(tmp_path, vocabulary=WORDS, pictures=pictures)
    texts = [text for problem in found.problems.found for text in (problem.where, problem.what, problem.effect)]
    assert any("\\ud800" in text for text in texts) and found.problems.of("E")
    pd.Series(texts, dtype="str")  # as the list of what was left out has them


def test_an_image_with_half_of_a_character_is_left_out_alone() -> None:
    images = Images(word="image")
    for name, split in (("a.jpg", "train"), ("b\udcff.jpg", "test"), ("ü.jpg", "test\ud83d")):
        images.add(name, 9, 9, where=str(len(images.names)), split=split)
    problems = Problems("own.json")
    found = shown.find(_raw(images, [], []), None, problems)
    assert found.keep.tolist() == [True, False, False]
    assert [(problem.where, problem.what) for problem in problems.found] == [
        ("image 1", "its file name b\\udcff.jpg has U+DCFF, half of a character"),
        ("image 2", "its split test\\ud83d has U+D83D, half of a character"),
    ]


def _raw(images: Images, box_image: list[int], corners: list[list[float]]) -> Raw:
    """Boxes without relations."""
    none = np.zeros(0, dtype=np.int32)
    count = len(box_image)
    return Raw(
        file="own.json",
        layout="coco-rel",
        images=images,
        boxes=Boxes(
            image=np.array(box_image, dtype=np.int32).view(Counting),
            label=np.zeros(count, dtype=np.int32),
            labels=["person"],
            corners=np.array(corners, dtype=np.float64).reshape(-1, 4),
            where=str,
        ),
        relations=Relations(image=none, subject=none, object=none, verb=none, verbs=[], where=str),
    )


class Counting(np.ndarray[Any, Any]):
    """An array that tells how many of its entries were compared or reckoned with."""

    looked_at = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        Counting.looked_at += self.size
        plain = (one.view(np.ndarray) if isinstance(one, Counting) else one for one in inputs)
        return getattr(ufunc, method)(*plain, **options)


def test_sizes_before_the_orientation_are_judged_by_each_images_own_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures stored 40 x 20 and shown 20 x 40: every other one has a box that fits what is shown alone."""
    count = 50
    images, names = Images(word="image"), [f"{i}.jpg" for i in range(count)]
    for name in names:
        images.add(name, 40, 20, where=name)
    pictures = Pictures(Path("nowhere"), dict.fromkeys(names, 1), {name: Size((20, 40), (40, 20)) for name in names})
    box_image = [*range(count - 1, -1, -1), -1, *range(count)]
    high, wide = [0.0, 0.0, 15.0, 38.0], [0.0, 0.0, 38.0, 15.0]
    corners = [[0.0, 0.0, 5.0, 5.0] if i < 0 else wide if i % 2 else high for i in box_image]
    monkeypatch.setattr(Counting, "looked_at", 0)
    problems = Problems("own.json")
    found = shown.find(_raw(images, box_image, corners), pictures, problems)
    assert found.keep.tolist() == [i % 2 == 0 for i in range(count)]
    assert problems.count() == {"E": count // 2, "W": count // 2, "N": 0}
    assert Counting.looked_at <= 3 * len(box_image), "one look at the boxes for all images, not one for each"
