"""Texts from outside: which characters they may hold, and how a text is put into Markdown and CSV as nothing but a text."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links, private strings
    r"|\x1b[ -/]*[0-~]"
)
"""Sequences that a terminal takes for a command."""
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters except tab and newline, changes of the direction of writing, byte-order marks, halves of characters."""
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, which JSON can write and UTF-8 cannot."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
"""Colours, which a program's own output may set in a terminal."""
_COLOUR_OR_MOVE = re.compile(r"(\x1b\[[0-9;]*m|\x1b\[[0-9]*[AGK]|\x1b\[\?25[hl]|\r)")
"""Colours and the movements by which bars are drawn over themselves."""
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&])")
_ADDRESS = re.compile(r"(://|\bwww\.|@)", re.IGNORECASE)
_BRACKET = re.compile(r"\\.|[\[\]<]")
"""The beginnings of links, pictures and HTML, and what is escaped already."""
LONGEST_LINE, KEPT, END = 1_000, 500, 300
"""The most letters of a line of a message; of a longer line so many are kept at its beginning and at its end."""
_FORMULA = "=+\\-@\t\r＝＋－＠"
_TO_QUOTE = re.compile(f"'*[{_FORMULA}]")
_QUOTED = re.compile(f"'+[{_FORMULA}]")


def plain(text: str) -> str:
    """The text without control characters and a terminal's sequences; those that separate words become a space."""
    return _UNFIT.sub(lambda found: " " if found[0].isspace() else "", _SEQUENCE.sub("", text))


def brief(text: str) -> str:
    """The text for a message: `plain`, and no line longer than `LONGEST_LINE`, whatever was quoted in it."""
    lines = plain(text).split("\n")
    cut = [f"{line[:KEPT]}... ({len(line) - KEPT - END:,} letters) ...{line[-END:]}" for line in lines]
    return "\n".join(line if len(line) <= LONGEST_LINE else short for line, short in zip(lines, cut, strict=True))


def unfit(text: str) -> str | None:
    """The first character that `plain` removes, written as U+001B; None if it leaves the text unchanged."""
    found = _UNFIT.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def half(text: str) -> str | None:
    """The first half of a character, as U+D800, for which no file can hold the text; None if there is none."""
    found = None if text.isascii() else _HALF.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def with_halves_told(text: str) -> str:
    """The text with \\ud800 in place of every half of a character, so that files and tables can hold it."""
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def for_terminal(text: str, *, moves: bool = False) -> str:
    """The text with colours, and with `moves` what draws bars, but without anything else that a terminal obeys."""
    parts = (_COLOUR_OR_MOVE if moves else _COLOUR).split(text)
    return "".join(part if place % 2 else plain(part) for place, part in enumerate(parts))


def markdown(text: str) -> str:
    """The text for a line or a cell of Markdown, where it is shown literally: it becomes no link, picture or HTML.

    An address gets an invisible space (U+200B), since some readers make a link of everything that looks like one.
    """
    return _MARKUP.sub(r"\\\1", _ADDRESS.sub("\\1\u200b", " ".join(plain(text).split())))


def code(text: str) -> str:
    """The text as code in Markdown, in one line, which nothing in the text can end."""
    line = " ".join(plain(text).replace("`", "'").split())
    return f"`{line or '-'}`"


def without_links(text: str) -> str:
    """A text that is Markdown already, such as that of a report, without links, pictures and HTML."""
    return _ADDRESS.sub("\\1\u200b", _BRACKET.sub(lambda found: found[0] if found[0][1:] else f"\\{found[0]}", text))


def to_cell(text: str) -> str:
    """The text for a cell of a table that a spreadsheet may open; it gets a leading ' if it would be taken for a formula."""
    return f"'{text}" if _TO_QUOTE.match(text) else text


def from_cell(text: str) -> str:
    """What `to_cell` was given."""
    return text[1:] if _QUOTED.match(text) else text
