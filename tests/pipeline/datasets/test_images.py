"""Image files as users have them: damaged ones are named, unusual ones become RGB, none is turned."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from split_tables import one_a_split

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.images import Images, read_rgb
from pipeline.errors import DataError

PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "images"


def gradient(width: int = 40, height: int = 20) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([columns * 6, rows * 12, columns + rows], -1).astype(np.uint8))


def test_a_truncated_jpeg_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    gradient(400, 300).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"image 7: .*cut\.jpg cannot be read .*truncated"):
        read_rgb(path, what="image 7")


def test_an_empty_a_missing_a_broken_and_no_image_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(DataError, match=r"empty\.jpg cannot be read \(it is empty \(0 bytes\)\)"):
        read_rgb(tmp_path / "empty.jpg")
    with pytest.raises(DataError, match=r"missing\.jpg cannot be read .*No such file"):
        read_rgb(tmp_path / "missing.jpg")
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"text\.jpg cannot be read \(it is none of JPEG"):
        read_rgb(tmp_path / "text.jpg")
    gradient().save(tmp_path / "broken.png")
    content = bytearray((tmp_path / "broken.png").read_bytes())
    content[45] ^= 0xFF
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        read_rgb(tmp_path / "broken.png")


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "1", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.jpg" if mode in ("CMYK", "L") else "image.png")
    if mode == "I;16":
        Image.fromarray(np.full((20, 40), 300, np.uint16)).save(path)
    else:
        gradient().convert(mode).save(path)
    image = read_rgb(path, size=(40, 20))
    assert (image.mode, image.size) == ("RGB", (40, 20))


def test_cmyk_and_palette_keep_the_colours(tmp_path: Path) -> None:
    red = Image.new("RGB", (16, 16), (200, 30, 40))
    red.convert("CMYK").save(tmp_path / "red.jpg", quality=95)
    red.convert("P").save(tmp_path / "red.png")
    for name in ("red.jpg", "red.png"):
        found = np.asarray(read_rgb(tmp_path / name)).reshape(-1, 3).mean(0)
        assert np.abs(found - (200, 30, 40)).max() < 30, (name, found)


def turned(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient().save(path, exif=exif, quality=95)


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    turned(tmp_path / "stored.jpg", 6)
    image = read_rgb(tmp_path / "stored.jpg", size=(40, 20))
    assert image.size == (40, 20)
    assert np.asarray(image)[10, 38, 0] > np.asarray(image)[10, 1, 0] + 150  # left is left


def test_an_annotated_size_that_is_not_the_stored_one_is_an_error(tmp_path: Path) -> None:
    turned(tmp_path / "turned.jpg", 6)
    with pytest.raises(DataError, match=r"turned\.jpg is 40 x 20 pixels, annotated are 20 x 40: its EXIF orientation"):
        read_rgb(tmp_path / "turned.jpg", size=(20, 40))
    with pytest.raises(DataError, match=r"is 40 x 20 pixels, annotated are 41 x 20$"):
        read_rgb(tmp_path / "turned.jpg", size=(41, 20))


def test_an_unknown_annotated_size_is_no_error(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    assert read_rgb(tmp_path / "a.png", size=(0, 0)).size == (40, 20)


def test_images_are_found_under_the_root_by_their_names(tmp_path: Path, artifact: Callable) -> None:
    gradient().save(tmp_path / "a.png")
    rows = [(5, "train", "a.png", 40, 20), (6, "test", "b.png", 40, 20)]
    table = pd.DataFrame(rows, columns=["image_id", "split", "file_name", "width", "height"])
    images = Images(artifact(tmp_path / "annotations", **one_a_split(images=table)), split="train", root=tmp_path)
    assert images.ids == [5] and images.open(5).size == (40, 20)
    assert images.squares([5], 8).shape == (1, 3, 8, 8)


def test_real_photographs_are_read() -> None:
    if not PHOTOGRAPHS.is_dir():
        pytest.skip(f"{PHOTOGRAPHS} is not there: no photographs to read")
    sizes = {path.name: read_rgb(path).size for path in PHOTOGRAPHS.rglob("*.jpg")}
    assert len(sizes) == 10 and sizes["COCO_val2014_000000439180.jpg"] == (640, 360)


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG file of some hundred bytes that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1 << 16))), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 14_000, 60_000])
def test_a_picture_of_too_many_pixels_is_named_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    from pipeline.datasets.image_files import image_size
    from pipeline.texts.llm import pictures

    (tmp_path / "ride horse").mkdir()
    path = bomb(tmp_path / "ride horse" / "bomb.png", side, side)
    for read in (lambda: read_rgb(path), lambda: image_size(path), lambda: pictures.read(tmp_path, HICO, most=1)):
        with pytest.raises(DataError, match=r"bomb\.png.*(pixels are more than|exceeds limit)"):
            read()


def test_a_picture_file_that_is_too_large_to_send_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.outside import reading
    from pipeline.texts.llm import pictures

    (tmp_path / "ride horse").mkdir()
    gradient().save(tmp_path / "ride horse" / "a.png")
    monkeypatch.setattr(reading, "LARGEST_PICTURE", 10)
    with pytest.raises(DataError, match=r"a\.png is larger than"):
        pictures.read(tmp_path, HICO, most=1)
