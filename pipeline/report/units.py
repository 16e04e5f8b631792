"""Quantities for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time for people, such as 0.4 s, 75 s, 12 min or 3.2 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
