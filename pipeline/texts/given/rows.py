"""One text as a file gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A text about a class, or about how it differs from another one; `origin` is the file and place, for people to read."""

    hoi_id: int
    text: str
    origin: str
    other_id: int | None = None
