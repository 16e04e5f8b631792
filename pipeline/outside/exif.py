"""EXIF orientations, by which a picture file says how it is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

TURNED = (5, 6, 7, 8)
"""Orientations that exchange width and height."""


def sizes(image: Image.Image) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of a picture as a person sees it, and as it is stored in its file.

    Args:
        image: as Pillow opened it, before anything is decoded: of a TIFF the orientation is gone then.
    """
    from PIL import ExifTags, TiffImagePlugin

    turned = image.getexif().get(ExifTags.Base.Orientation) in TURNED
    stored = image.size
    if isinstance(
        image, TiffImagePlugin.TiffImageFile
    ):  # the one format whose size Pillow, by its version, turns itself
        stored = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
    return (stored[::-1] if turned else stored), stored
