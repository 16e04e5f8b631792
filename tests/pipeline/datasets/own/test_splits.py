"""Splits of one's own pictures: told ones, drawn ones, and pictures that nearly look the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pipeline.datasets.own import splits
from pipeline.errors import DataError


def test_told_splits_are_taken_and_half_told_ones_refused() -> None:
    assert splits.stated(["train", "VAL", "Test"]) == ["train", "test", "test"]
    assert splits.stated(["", ""]) is None
    with pytest.raises(DataError, match="1 of 2 pictures have no split"):
        splits.stated(["train", ""])
    with pytest.raises(DataError, match=r"split is 'dev'; write train or test"):
        splits.stated(["train", "dev"])


@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 5)), max_size=60),
    st.integers(0, 3),
    st.sampled_from([0.1, 0.2, 0.5]),
)
def test_every_class_keeps_a_picture_for_training(pairs: list[tuple[int, int]], seed: int, share: float) -> None:
    images, classes = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in range(2))
    groups = np.arange(20) // 2 * 2  # pictures 0 and 1 are alike, 2 and 3, ...
    found = splits.drawn(20, images, classes, share=share, seed=seed, groups=groups)
    assert found == splits.drawn(20, images, classes, share=share, seed=seed, groups=groups)
    assert found[::2] == found[1::2], "what is alike is on one side"
    trained = {c for image, c in pairs if found[image] == "train"}
    assert trained == {c for _, c in pairs}
    if not pairs:
        assert found.count("test") == 20 * share


def test_frames_that_look_the_same_are_found_and_others_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(0, 200, (3, 6, 2)).tolist()
    for number, boxes in enumerate(places):
        image = Image.new("RGB", (320, 240), "white")
        for x, y in boxes:
            ImageDraw.Draw(image).rectangle((x, y, x + 60, y + 40), fill=(x, y, 90))
        image.save(tmp_path / f"{number}.png")
        image.resize((200, 150)).save(tmp_path / f"{number}-again.jpg", quality=80)
    files = [tmp_path / f"{n}{end}" for n in range(3) for end in (".png", "-again.jpg")]
    groups = splits.alike(files).tolist()
    assert groups == [0, 0, 2, 2, 4, 4]


def test_pictures_that_are_on_both_sides_are_found_by_their_content(tmp_path: Path) -> None:
    content = {"a": b"one", "b": b"two", "c": b"one", "d": b"one", "e": b"longer", "f": b"two"}
    for name, written in content.items():
        (tmp_path / name).write_bytes(written)
    paths = [*(tmp_path / name for name in content), tmp_path / "gone"]
    told = ["train", "train", "train", "test", "test", "test", "test"]
    assert splits.in_both(paths, told) == [(3, 0), (5, 1)]
    assert splits.in_both(paths, ["train"] * 4 + ["test"] * 3) == [(5, 1)]
    assert splits.in_both([], []) == []
