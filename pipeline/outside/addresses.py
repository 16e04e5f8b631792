"""Addresses as they may be shown: without users, passwords and keys."""

from __future__ import annotations

import re

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_PARAMETER = re.compile(r"(?<=[?&])([^=&#\s]*(?:key|token|secret|password|auth)[^=&#\s]*)=[^&#\s]+", re.IGNORECASE)


def shown_address(text: str) -> str:
    """An address, or a text with addresses, without users, passwords and keys in them."""
    return _PARAMETER.sub(rf"\1={HIDDEN}", _USER.sub(f"{HIDDEN}@", text))
