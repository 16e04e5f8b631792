"""The first rows of a table as short text. A manifest keeps them, so that a page need not open the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 5
ITEMS = 3
"""How many items of a list are shown."""
LARGEST = 64 << 20
"""Tables above this size (bytes) have no preview."""


def head(path: Path) -> tuple[dict[str, str], ...] | None:
    """The first rows of a Parquet file, values shortened; None for a large or empty one."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path)
    if not table.metadata.num_rows or path.stat().st_size > LARGEST:
        return None
    batch = next(table.iter_batches(batch_size=ROWS))
    return tuple({name: _shown(batch[name][row]) for name in batch.schema.names} for row in range(len(batch)))


def short(value: Any) -> str:
    """A value in at most about 160 characters: few digits, three items of a list, the size of bytes."""
    if isinstance(value, list | tuple):
        return _listed([short(v) for v in value[:ITEMS]], len(value))
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"


def _shown(value: pa.Scalar[Any]) -> str:
    """`short` of a value in a table. Only what is shown is converted to Python, since a list may hold a hundred thousand."""
    import pyarrow as pa

    if not isinstance(value, pa.ListScalar) or not value.is_valid:
        return short(value.as_py())
    return _listed([_shown(item) for item in value.values[:ITEMS]], len(value.values))


def _listed(items: list[str], count: int) -> str:
    shown = ", ".join(items)
    return f"[{shown}, … {count} in all]" if count > ITEMS else f"[{shown}]"
