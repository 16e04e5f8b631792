"""Pictures as a person sees them, RGB of 8 bits: an EXIF orientation is applied, and of moving pictures the first frame counts.

Images of datasets are read otherwise (`pipeline/datasets/images.py`), since their annotations are in the pixels as stored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.errors import DataError
from pipeline.outside import exif, pictures, reading
from pipeline.outside.pictures import Unreadable

DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow with grey values of 16 bits, which it would clip at 255."""


def opened(source: Path | str | Image.Image | NDArray[Any], *, what: str = "picture") -> Image.Image:
    """Open a file, a picture of Pillow or an array as RGB, turned upright. Transparency is dropped.

    Args:
        source: an array is (H, W) or (H, W, 3 or 4) of uint8, or (H, W) of uint16; its channels are red, green, blue.
        what: the name in messages of a picture that is no file.

    Raises:
        DataError: it cannot be decoded, is cut short, has more than `reading.MOST_PIXELS` pixels or none, or is an array of
            another kind.
    """
    if isinstance(source, np.ndarray):
        return _upright(_of_array(source, what), what)
    if isinstance(source, Image.Image):
        return _upright(source, what)
    path = Path(source)
    try:
        with pictures.opened(path) as image:
            return _upright(image, str(path))
    except Unreadable as error:
        raise DataError(f"{path}: cannot be read as a picture ({error})") from error


def size(path: Path) -> tuple[int, int]:
    """Width and height of a picture file, turned upright, by its header alone; DataError if it is none."""
    try:
        with pictures.opened(path) as image:
            return exif.sizes(image)[0]
    except Unreadable as error:
        raise DataError(f"{path}: cannot be read as a picture ({error})") from error


def _upright(image: Image.Image, what: str) -> Image.Image:
    reading.check_pixels(*image.size, what=what)
    if image.mode == "F":
        raise DataError(f"{what}: holds floating-point values; save it with 8 or 16 bits a value")
    turned = ImageOps.exif_transpose(image)
    if turned.mode in DEEP:
        turned = Image.fromarray((np.asarray(turned).clip(0, 65535) // 256).astype(np.uint8))
    return turned.convert("RGB")


def _of_array(values: NDArray[Any], what: str) -> Image.Image:
    grey = values.ndim == 2
    colour = values.ndim == 3 and values.shape[2] in (3, 4)
    fits = (values.dtype == np.uint8 and (grey or colour)) or (values.dtype == np.uint16 and grey)
    if not fits or not values.size:
        raise DataError(
            f"{what}: is an array {values.shape} of {values.dtype}; expected (height, width) or (height, width, 3 or 4) of "
            "uint8, or (height, width) of uint16"
        )
    return Image.fromarray(np.ascontiguousarray(values))
