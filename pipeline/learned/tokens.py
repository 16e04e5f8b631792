"""The cached frozen image tokens of a split (f_vis of Eq. 3), by image id.

A training batch wants a few rows of files of many gigabytes. The `image_embeddings` stage writes one image a row group,
its values plain and uncompressed in one page, so a row lies in the file as it does in memory and the file's footer says
where: reading it is one copy from a memory map. Any Parquet reader reads the same values, only more slowly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline.errors import DataError
from pipeline.store.artifact import Artifact

LARGEST_HEADER = 1024
"""Bytes; more than the header and the list levels of a page can take."""


class FrozenTokens:
    """Read from the `image_embeddings` artifact; nothing but the footers is loaded before it is asked for.

    `ids` are the images it holds, in order.
    """

    def __init__(self, embeddings: Artifact, split: str) -> None:
        self._rows: dict[int, tuple[int, int]] = {}
        self._maps: list[np.ndarray] = []
        for name in embeddings.names(f"{split}-*"):
            ids, starts, self._shape, content = _index(embeddings.path(name))
            self._rows |= {i: (len(self._maps), start) for i, start in zip(ids, starts, strict=True)}
            self._maps.append(content)
        self.ids = list(self._rows)

    def of(self, image_ids: list[int]) -> Tensor:
        """(B, tokens, d_a) as float32; tokens is 1 + D, or 1 where only CLS was kept."""
        found = np.empty((len(image_ids), *self._shape), np.float16)
        for row, image_id in zip(found.reshape(len(image_ids), -1), image_ids, strict=True):
            file, start = self._rows[image_id]
            row[:] = np.frombuffer(self._maps[file], np.float16, len(row), start)
        return torch.from_numpy(found).float()


def _index(path: Path) -> tuple[list[int], list[int], tuple[int, ...], np.ndarray]:
    """Image ids, where in the file each one's values start, the shape of a row, and the file as a memory map."""
    try:
        file = pq.ParquetFile(path)
        ids = file.read(columns=["image_id"]).column("image_id").to_pylist()
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}). Run again: the stage recomputes it.") from error
    metadata = file.schema_arrow.metadata or {}
    shape = tuple(int(n) for n in metadata.get(b"shape:tokens", b"0").split(b","))
    column = file.schema_arrow.names.index("tokens")
    size = 2 * int(np.prod(shape))
    starts = []
    for group in range(file.metadata.num_row_groups):
        chunk = file.metadata.row_group(group).column(column)
        spare = chunk.total_compressed_size - size
        plain = chunk.compression == "UNCOMPRESSED" and set(chunk.encodings) == {"RLE", "PLAIN"}
        if not (plain and chunk.num_values * 2 == size and 0 <= spare < LARGEST_HEADER):
            raise DataError(
                f"{path}: its row groups are not laid out as the stage image_embeddings writes them. "
                "Remove the artifact and run again."
            )
        starts.append(chunk.data_page_offset + spare)
    return ids, starts, shape, np.memmap(path, np.uint8, mode="r")
