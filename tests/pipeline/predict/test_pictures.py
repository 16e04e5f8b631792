"""Pictures of all kinds, made here: what a person sees of each is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.predict import pictures
from pipeline.predict.pictures import opened

RED, BLUE = (255, 0, 0), (0, 0, 255)


def wide() -> Image.Image:
    """Two pixels: red on the left, blue on the right."""
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), BLUE)
    return image


@pytest.mark.parametrize("as_file", [True, False])
def test_a_picture_is_turned_as_a_person_sees_it(tmp_path: Path, as_file: bool) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turned by a quarter, clockwise
    wide().save(tmp_path / "a.png", exif=exif)
    seen = opened(tmp_path / "a.png") if as_file else opened(Image.open(tmp_path / "a.png"))
    assert seen.size == (1, 2) and seen.getpixel((0, 0)) == RED and seen.getpixel((0, 1)) == BLUE


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), "tif", RED),
        ("L", 7, "png", (7, 7, 7)),
        ("I;16", 0x1234, "png", (0x12, 0x12, 0x12)),
        ("RGBA", (*BLUE, 255), "png", BLUE),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: Any, suffix: str, expected: object) -> None:
    Image.new(mode, (1, 1), colour).save(tmp_path / f"a.{suffix}")
    seen = opened(str(tmp_path / f"a.{suffix}"))
    assert (seen.mode, seen.size, seen.getpixel((0, 0))) == ("RGB", (1, 1), expected)


def test_of_a_moving_picture_the_first_frame_counts(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (3, 3), colour) for colour in (RED, BLUE))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert opened(tmp_path / "a.gif").getpixel((1, 1)) == RED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((2, 3), 9, np.uint8), (9, 9, 9)),
        (np.full((2, 3), 0x0900, np.uint16), (9, 9, 9)),
        (np.full((2, 3, 3), BLUE, np.uint8), BLUE),
        (np.full((2, 3, 4), (*RED, 255), np.uint8), RED),
    ],
)
def test_arrays_are_height_width_channels(values: np.ndarray, expected: object) -> None:
    seen = opened(values)
    assert seen.size == (3, 2) and seen.getpixel((0, 0)) == expected


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 4, 5), np.uint8), np.zeros((2, 2)), np.zeros((0, 2), np.uint8), np.zeros((2, 2, 3), np.uint16)],
)
def test_other_arrays_are_refused_with_their_shape(values: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"^mine: is an array \(.*expected \(height, width\)"):
        opened(values, what="mine")


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    wide().resize((64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:70])
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    (tmp_path / "empty.jpg").touch()
    for name in ("cut.png", "text.jpg", "empty.jpg", "absent.jpg", ""):
        with pytest.raises(DataError, match="cannot be read as a picture") as error:
            opened(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide().save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "MOST_PIXELS", 1)
    with pytest.raises(DataError, match=r"a\.png: 2 x 1 pixels are more than the 1 that are read"):
        opened(tmp_path / "a.png")


def test_the_size_of_a_file_is_that_of_the_picture_as_it_is_seen(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=turned)
    Image.new("RGB", (30, 20)).save(tmp_path / "b.png")
    assert [pictures.size(tmp_path / name) for name in ("a.jpg", "b.png")] == [(20, 30), (30, 20)]
    with pytest.raises(DataError, match=r"c\.jpg: cannot be read as a picture"):
        pictures.size(tmp_path / "c.jpg")
