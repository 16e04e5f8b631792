"""The first rows of a table as short text: what a manifest shows of its files, so that a page need not open them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROWS = 5
LARGEST = 64 << 20
"""Tables above this size (bytes) have no preview."""


def head(path: Path) -> tuple[dict[str, str], ...] | None:
    """The first rows of a Parquet file, values shortened; None for a large or empty one."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path)
    if not table.metadata.num_rows or path.stat().st_size > LARGEST:
        return None
    batch = next(table.iter_batches(batch_size=ROWS))
    return tuple({name: short(value) for name, value in row.items()} for row in batch.to_pylist())


def short(value: Any) -> str:
    """A value in at most about 160 characters: few digits, three items of a list, the size of bytes."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, list | tuple):
        shown = ", ".join(short(v) for v in value[:3])
        return f"[{shown}, … {len(value)} in all]" if len(value) > 3 else f"[{shown}]"
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"
