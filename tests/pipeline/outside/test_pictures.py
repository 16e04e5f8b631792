"""Broken, hostile and foreign picture files are one fault, whichever door they come through."""

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import image_files, images
from pipeline.datasets.own import pictures as own
from pipeline.errors import DataError
from pipeline.outside import pictures, reading
from pipeline.outside.pictures import Unreadable
from pipeline.predict import pictures as seen
from pipeline.texts.llm import pictures as shown

NOISE = Image.fromarray(np.random.RandomState(0).randint(0, 255, (20, 30, 3), np.uint8))


def encoded(kind: str, **how: Any) -> bytes:
    content = io.BytesIO()
    NOISE.save(content, kind, **how)
    return content.getvalue()


def bad_exif() -> bytes:
    """A JPEG whose EXIF block has a turned picture and, where a whole number belongs, text."""
    tags = struct.pack(">HHHHLHxx", 1, 0x0112, 3, 0, 1, 6)[2:]
    block = b"MM\0*" + struct.pack(">L", 8) + struct.pack(">H", 2) + tags
    block += struct.pack(">HHLL", 0x0100, 2, 4, 0x61620000) + struct.pack(">L", 0)
    return encoded("JPEG", exif=b"Exif\0\0" + block)


BROKEN = {
    "empty": b"",
    "text": b"no picture",
    "eps": encoded("EPS"),
    "blp": b"BLP2" + b"\xff" * 200,
    "dds": b"DDS " + b"\0" * 200,
    "cut.jpg": encoded("JPEG")[:-200],
    "cut.png": encoded("PNG")[:300],
    "exif": bad_exif(),
    "gif": encoded("GIF")[:40],
}
DOORS: dict[str, Callable[[Path], Any]] = {
    "predict": seen.opened,
    "datasets": lambda path: images.read_rgb(path, upright=True),
    "hico": lambda path: image_files.image_size(path, decode=True),
    "own": own._size,
    "llm": shown._check,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", BROKEN)
def test_each_door_names_the_fault(door: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(BROKEN[kind])
    try:
        DOORS[door](tmp_path / "picture.jpg")
    except DataError as error:
        assert "picture.jpg" in str(error) and "\n" not in str(error)


def test_nothing_is_handed_to_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives EPS to Ghostscript."""
    import subprocess

    def none(*given: object, **named: object) -> None:
        raise AssertionError(f"{given} was called")

    monkeypatch.setattr(subprocess, "check_call", none)
    monkeypatch.setattr(subprocess, "Popen", none)
    for source in (BROKEN["eps"], tmp_path / "a.jpg"):
        (tmp_path / "a.jpg").write_bytes(BROKEN["eps"])
        with pytest.raises(Unreadable, match="it is none of JPEG, PNG, BMP"), pictures.opened(source) as image:
            image.load()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_whatever_is_done_to_a_file(kind: str, tmp_path: Path) -> None:
    """Flipped, cut and added bytes, mostly in the header."""
    chance, whole = random.Random(kind), encoded(kind)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            place = chance.randrange(min(len(content), chance.choice((64, 512, 1 << 20))))
            content[place] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
        (tmp_path / "picture").write_bytes(content[: chance.choice((None, None, chance.randrange(1, len(content))))])
        try:
            seen.opened(tmp_path / "picture")
        except DataError as error:
            assert "picture" in str(error)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_PIXELS", 599)
    with pytest.raises(DataError, match=r"mine: 30 x 20 pixels are more"), pictures.opened(encoded("PNG"), what="mine"):
        raise AssertionError("it was opened")
