"""Texts from outside: which characters they may hold, and how a text is put into Markdown and CSV as nothing but a text."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links, private strings
    r"|\x1b[ -/]*[0-~]"
)
"""What a terminal takes for a command."""
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Controls but tab and newline, what turns the direction of writing, byte-order marks, halves of characters."""
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&])")
_ADDRESS = re.compile(r"(://|\bwww\.|@)", re.IGNORECASE)
_FORMULA = "=+\\-@\t\r＝＋－＠"
_TO_QUOTE = re.compile(f"'*[{_FORMULA}]")
_QUOTED = re.compile(f"'+[{_FORMULA}]")


def plain(text: str) -> str:
    """The text without control characters and a terminal's sequences; those that part words become a space."""
    return _UNFIT.sub(lambda found: " " if found[0].isspace() else "", _SEQUENCE.sub("", text))


def unfit(text: str) -> str | None:
    """The first character that `plain` takes away, as U+001B; None if it leaves the text as it is."""
    found = _UNFIT.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def markdown(text: str) -> str:
    """The text for a line or a cell of Markdown: shown as it is, no link, picture or HTML is made of it.

    An address gets an invisible space (U+200B), since some readers make a link of whatever looks like one.
    """
    return _MARKUP.sub(r"\\\1", _ADDRESS.sub("\\1\u200b", " ".join(plain(text).split())))


def to_cell(text: str) -> str:
    """The text for a cell of a table that a spreadsheet may open: ' goes before what it would take for a formula."""
    return f"'{text}" if _TO_QUOTE.match(text) else text


def from_cell(text: str) -> str:
    """What `to_cell` was given."""
    return text[1:] if _QUOTED.match(text) else text
