"""Names of files as tables and systems of all kinds write them."""

from __future__ import annotations

from typing import Any


def base_name(value: Any) -> Any:
    """A file's name without folders; anything else as it is."""
    return value.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(value, str) else value
