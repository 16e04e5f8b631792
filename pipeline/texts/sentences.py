"""Sentences of a text."""

import re

_END = re.compile(r"""(?:(?<=[.!?])|(?<=[.!?]["')\]]))\s+(?=["'(\[]?[A-Z0-9])""")


def split(text: str) -> tuple[str, ...]:
    """The sentences of `text`, whitespace collapsed; a text without full stop is one sentence, an empty one none."""
    return tuple(part.strip() for part in _END.split(" ".join(text.split())) if part.strip())
