"""The cached frozen image tokens of a split (f_vis of Eq. 3), by image id.

A training batch wants a few rows of files of many gigabytes. The `image_embeddings` stage writes one image a row group,
its values plain and uncompressed in one page, so a row lies in the file as it does in memory, at a place that the file's
footer tells: reading it is one copy from a memory map. A file with another layout, as another release of pyarrow may write
it, is read through pyarrow: the values are the same, but it is slower, and a warning says so.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models.precision import Precision, computing_in
from models.transfer import stacked
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.store.artifact import Artifact

if TYPE_CHECKING:
    from models.clip import Clip

log = logging.getLogger("ezhoi.tokens")
LARGEST_HEADER = 1024
"""The most bytes that the header and the list levels of a page can take."""


def frozen(
    clip: Clip, images: Sequence[Tensor], kept: Literal["all", "cls"], *, precision: Precision = "fp32"
) -> Tensor:
    """The frozen CLIP's tokens of images as they are cached: (B, 1 + D, d_a) or (B, 1, d_a) in float16, each of unit length.

    Args:
        images: B images (3, S, S), as `Clip.preprocess` makes them.
        kept: whether all tokens are kept or CLS alone.
        precision: the precision of the pass; tokens are scaled to unit length in fp32.
    """
    with computing_in(precision, clip.device):
        tokens = clip.embed_images(stacked(images, clip.device))
    return torch.nn.functional.normalize(tokens[:, : 1 if kept == "cls" else None].float(), dim=-1).half()


class FrozenTokens:
    """The cached tokens of the artifact `image_embeddings`. Only the footers are read before an image is asked for.

    `ids` are the images it holds, in order.
    """

    def __init__(self, embeddings: Artifact, split: str) -> None:
        self._rows: dict[int, tuple[_Mapped | _Anyhow, int]] = {}
        slow = []
        for name in embeddings.names(f"{split}-*"):
            ids, self._shape, file = _open(embeddings.path(name))
            self._rows |= {image_id: (file, row) for row, image_id in enumerate(ids)}
            slow += [name] if isinstance(file, _Anyhow) else []
        self.ids = list(self._rows)
        if slow:
            log.warning(
                "%d files of tokens (the first is %s) have the layout of another release of pyarrow and are slow to read",
                len(slow),
                slow[0],
            )

    def of(self, image_ids: list[int]) -> Tensor:
        """(B, tokens, d_a) as float32; tokens is 1 + D, or 1 where only CLS was kept."""
        found = np.empty((len(image_ids), *self._shape), np.float16)
        for row, image_id in zip(found.reshape(len(image_ids), -1), image_ids, strict=True):
            file, number = self._rows[image_id]
            row[:] = file.row(number)
        return torch.from_numpy(found).float()


class _Mapped:
    """A file as a memory map, with the places where the values of each row start."""

    def __init__(self, path: Path, starts: list[int], size: int) -> None:
        self.starts, self.size = starts, size
        self.content = np.memmap(path, np.uint8, mode="r")

    def row(self, number: int) -> np.ndarray:
        return np.frombuffer(self.content, np.float16, self.size, self.starts[number])


class _Anyhow:
    """A file of any layout, read by row groups, of which the last one is kept."""

    def __init__(self, path: Path, firsts: list[int]) -> None:
        self.path, self.firsts = path, firsts
        self.last: tuple[int, np.ndarray] = (-1, np.empty((0, 0)))

    def row(self, number: int) -> np.ndarray:
        group = bisect_right(self.firsts, number) - 1
        kept, values = self.last
        if kept != group:
            column = pq.ParquetFile(self.path).read_row_group(group, columns=["tokens"]).column("tokens")
            values = np.stack([row.values.to_numpy(zero_copy_only=False) for row in column])
            self.last = (group, values)
        found: np.ndarray = values[number - self.firsts[group]]
        return found


def _open(path: Path) -> tuple[list[int], tuple[int, ...], _Mapped | _Anyhow]:
    """Image ids, the shape of a row, and the file that gives the rows."""
    try:
        file = pq.ParquetFile(path)
        ids = file.read(columns=["image_id"]).column("image_id").to_pylist()
        column = file.schema_arrow.names.index("tokens")
    except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({reading.why(error)}). Run again: the stage recomputes it."
        ) from error
    metadata = file.schema_arrow.metadata or {}
    shape = tuple(int(n) for n in metadata.get(b"shape:tokens", b"0").split(b","))
    size = 2 * int(np.prod(shape))
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    starts = []
    for chunk in (group.column(column) for group in groups):
        spare = chunk.total_compressed_size - size
        plain = chunk.compression == "UNCOMPRESSED" and set(chunk.encodings) == {"RLE", "PLAIN"}
        if plain and chunk.num_values * 2 == size and 0 <= spare < LARGEST_HEADER:
            starts.append(chunk.data_page_offset + spare)
    if len(starts) == len(groups):
        return ids, shape, _Mapped(path, starts, size // 2)
    firsts = [0, *accumulate(group.num_rows for group in groups)]
    return ids, shape, _Anyhow(path, firsts[:-1])
