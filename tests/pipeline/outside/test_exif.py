"""The size of a picture as a person sees it, of all formats and orientations."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from pipeline.datasets.own.pictures import Pictures, Size
from pipeline.outside import exif
from pipeline.predict import pictures

FORMATS = ("jpg", "png", "webp", "tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", FORMATS)
def test_the_size_is_that_of_the_picture_turned_upright(ending: str, orientation: int, tmp_path: Path) -> None:
    turning, path = Image.Exif(), tmp_path / f"a.{ending}"
    turning[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(path, exif=turning)
    with Image.open(path) as image:
        seen = ImageOps.exif_transpose(image).size
    assert seen == ((20, 30) if orientation in exif.TURNED else (30, 20))
    assert pictures.size(path) == pictures.opened(path).size == seen
    found = Pictures.under(tmp_path)
    assert not found.read_sizes(found.files) and found.sizes == {path.name: Size(seen, (30, 20))}


@pytest.mark.parametrize("turns", [True, False])
def test_a_turned_tiff_is_turned_once_whether_pillow_turns_its_size_or_not(
    turns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turning = Image.Exif()
    turning[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.tif", exif=turning)
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "size", (20, 30) if turns else (30, 20))
    with Image.open(tmp_path / "a.tif") as image:
        assert exif.sizes(image) == ((20, 30), (30, 20))
