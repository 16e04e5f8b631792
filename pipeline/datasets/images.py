"""Reading images: from the annotations artifact where they were rendered, from disk otherwise.

HICO-DET's boxes refer to the pixels as they are stored: an EXIF orientation is not applied, as the official annotations (made
and evaluated in MATLAB, whose `imread` does not turn images) and the code of the field do. An image whose stored size is not
the annotated one is therefore an error: its boxes would lie elsewhere. Annotation tools show pictures turned, so the boxes of
one's own data refer to the turned ones (`UPRIGHT` in the schema of the list of images). Grey, palette and CMYK images become
RGB.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from PIL import ExifTags, Image, ImageOps

from pipeline.datasets.dataset import SPLITS
from pipeline.errors import DataError
from pipeline.outside import pictures
from pipeline.outside.exif import TURNED
from pipeline.outside.pictures import Unreadable
from pipeline.store.artifact import Artifact

if TYPE_CHECKING:
    import torch  # seconds and 0.3 GB, which only tensors of pixels need

UPRIGHT = b"upright"
"""Key in the schema of `<split>-images.parquet`; it is there if boxes refer to the images as they are shown."""

EXHAUSTIVE = "exhaustive"
"""Column of `<split>-images.parquet`: whether an image's annotation is exhaustive; it is missing if all are."""


class Images:
    """The images of one split, by id.

    Args:
        annotations: the artifact; its `<split>-images.parquet` lists ids and file names, its `pixels-<split>-*` hold rendered
            ones.
        split: "train" or "test".
        root: folder of the image files, where they are not in the artifact.
    """

    def __init__(self, annotations: Artifact, *, split: str, root: Path | None = None) -> None:
        table = annotations.table(f"{split}-images.parquet").sort_values("image_id")
        schema = pq.read_schema(annotations.path(f"{split}-images.parquet"))
        self._upright = UPRIGHT in (schema.metadata or {})
        self.ids: list[int] = table["image_id"].tolist()
        self.sizes: dict[int, tuple[int, int]] = dict(
            zip(self.ids, zip(table["width"], table["height"], strict=True), strict=True)
        )
        self.incomplete: frozenset[int] = (
            frozenset(table.loc[~table[EXHAUSTIVE], "image_id"]) if EXHAUSTIVE in table else frozenset()
        )
        """Ids of the images whose annotation is not exhaustive."""
        self._files = dict(zip(self.ids, table["file_name"], strict=True))
        self._root = root
        self._bytes: dict[int, bytes] = {}
        for name in annotations.names(f"pixels-{split}-*"):
            shard = pq.read_table(annotations.path(name))
            self._bytes |= dict(zip(shard["image_id"].to_pylist(), shard["png"].to_pylist(), strict=True))
        self._cache: dict[tuple[int, int], torch.Tensor] = {}

    def open(self, image_id: int) -> Image.Image:
        """The image, RGB; DataError naming the file if it is missing, damaged or not of the annotated size."""
        if image_id in self._bytes:
            return Image.open(io.BytesIO(self._bytes[image_id])).convert("RGB")
        path = (self._root or Path()) / self._files[image_id]
        size = self.sizes[image_id]
        return read_rgb(path, what=f"image {image_id}", size=size, upright=self._upright)

    def file(self, image_id: int) -> str:
        """The image's file name, as the annotations have it."""
        return self._files[image_id]

    def squares(self, image_ids: Sequence[int], size: int) -> torch.Tensor:
        """Images squashed to size x size, as uint8 (n, 3, size, size). Rendered ones are small and stay in memory."""
        import torch

        found = []
        for image_id in image_ids:
            key = (image_id, size)
            pixels = self._cache.get(key)
            if pixels is None:
                pixels = square(self.open(image_id), size)
                if image_id in self._bytes:
                    self._cache[key] = pixels
            found.append(pixels)
        return torch.stack(found)


def of_splits(annotations: Artifact, *, root: Path | None) -> dict[str, Images]:
    """The images of each split; the arguments are those of `Images`."""
    return {split: Images(annotations, split=split, root=root) for split in SPLITS}


def read_upright(path: Path) -> Image.Image:
    """An image file decoded as RGB, turned as its EXIF orientation says; DataError as `read_rgb` raises it."""
    return read_rgb(path, upright=True)


def read_rgb(
    path: Path, *, what: str = "image", size: tuple[int, int] | None = None, upright: bool = False
) -> Image.Image:
    """An image file decoded as RGB.

    Args:
        what: what the message calls it.
        size: the annotated width and height; None, or numbers below 1, if unknown.
        upright: whether it is turned as its EXIF orientation says.

    Raises DataError naming the file if it is missing, empty, cut short, no image, too large (`reading.MOST_PIXELS`) or of
    another size.
    """
    try:
        with pictures.opened(path, what=f"{what}: {path}") as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation)
            converted = (ImageOps.exif_transpose(image) if upright else image).convert("RGB")
    except Unreadable as error:
        raise DataError(f"{what}: {path} cannot be read ({error})") from error
    if size is not None and min(size) > 0 and converted.size != size:
        turned = orientation in TURNED and converted.size == size[::-1]
        raise DataError(
            f"{what}: {path} is {converted.width} x {converted.height} pixels, annotated are {size[0]} x {size[1]}"
            + (": its EXIF orientation was applied before it was annotated; store it turned" if turned else "")
        )
    return converted


def square(image: Image.Image, size: int) -> torch.Tensor:
    """An image squashed to a square, bicubic: uint8 (3, size, size)."""
    import torch

    resized = image.resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).contiguous()


def pixels(image: Image.Image) -> torch.Tensor:
    """An RGB image as uint8 (height, width, 3), of which parts are cut without a copy of the whole."""
    import torch

    return torch.from_numpy(np.array(image))


def quick_square(whole: torch.Tensor, box: tuple[int, int, int, int], size: int) -> torch.Tensor:
    """A part of an image squashed to a square, uint8 (3, size, size), in a fifth of Pillow's time.

    It is equal to Pillow's `crop` and `resize` but for rounding, most where a small part is enlarged.

    Args:
        whole: `pixels` of the image.
        box: left, top, right and bottom of the part; what of it lies outside of the image is black.
    """
    import torch

    left, top, right, bottom = box
    part = whole[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if part.shape[:2] != (bottom - top, right - left):
        inside, part = part, whole.new_zeros(bottom - top, right - left, 3)
        part[max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]] = inside
    # Colours lie side by side, in and out: torch then resizes bytes as they are.
    planes = part.contiguous().permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, size=(size, size), mode="bicubic", antialias=True)[0]
