"""Texts from outside: plain characters only, and nothing but a text in Markdown, HTML and spreadsheets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.outside.escaping import (
    brief,
    code,
    for_terminal,
    from_cell,
    half,
    markdown,
    plain,
    to_cell,
    unfit,
    with_halves_told,
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A \x1b[1;31mred\x1b[0m horse", "A red horse"),
        ("\x1b]0;title\x07A horse", "A horse"),
        ("\x1b]8;;http://x\x1b\\A horse\x1b]8;;\x1b\\", "A horse"),
        ("\x1bP1$r\x1b\\A horse", "A horse"),
        ("\x1b]1337;File=x:AAAA\x9cA horse", "A horse"),
        ("\x9b2JA horse", "A horse"),
        ("\x1b]no end", "no end"),
        ("\x1bcA horse", "A horse"),
        ("a\x00b\x07c\x7fd\x84e", "abcde"),
        ("two\rwords\x0bhere\x85now", "two words here now"),
        ("lines\nand\ttabs", "lines\nand\ttabs"),
        ("turned \u202eback\u202c \u2066x\u2069", "turned back x"),
        ("\ufeffa \ud83d half", "a  half"),
        ("ünïcode, שלום, 馬 and 🐎", "ünïcode, שלום, 馬 and 🐎"),
    ],
)
def test_only_characters_of_a_text_are_left(text: str, left: str) -> None:
    assert plain(text) == left and plain(left) == left
    assert (unfit(text) is None) == (text == left)


@given(st.text())
def test_nothing_unfit_is_left(text: str) -> None:
    assert unfit(plain(text)) is None and plain(plain(text)) == plain(text)


def test_the_first_unfit_character_is_named() -> None:
    assert unfit("a\x1b[2Jb\x00") == "U+001B" and unfit("a\u202e") == "U+202E"


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://evil/a.png)",
        "[x](http://evil)",
        "<http://evil>",
        "<img src=x onerror=y>",
        "`code` *stars* _lines_ ~~gone~~ | cell",
        "&lt;b&gt; &#91;x](y)",
        "trailing \\",
        "[x]: http://evil",
    ],
)
def test_a_text_is_shown_as_it_is(text: str) -> None:
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(f"- **name**: {markdown(text)}")
    assert "<img" not in shown and "<a" not in shown and "<code" not in shown and "<s>" not in shown
    from html.parser import HTMLParser

    words: list[str] = []
    parser = HTMLParser()
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed(shown)
    assert "".join(words).strip().replace("\u200b", "") == f"name: {text}"


def test_no_reader_makes_a_link_of_an_address() -> None:
    for text in ("http://evil/x", "see www.evil.org", "a@evil.org"):
        assert text not in markdown(text) and markdown(text).replace("\u200b", "") == text


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx", "＝x", "'=x", "''=x"])
def test_a_formula_is_a_text_in_a_spreadsheet(text: str) -> None:
    assert to_cell(text) == f"'{text}" and from_cell(to_cell(text)) == text


@given(st.text(alphabet="'=+-@a \t"))
def test_cells_come_back(text: str) -> None:
    assert from_cell(to_cell(text)) == text and to_cell(text)[:1] not in tuple("=+-@\t")


def test_other_cells_stay() -> None:
    for text in ("A horse.", "'quoted'", "it's", "", "a=b"):
        assert to_cell(text) == from_cell(text) == text


def test_a_terminal_gets_colours_and_with_bars_moves_and_nothing_else() -> None:
    text = "\x1b[1;31mred\x1b[0m\x1b[2A\x1b[2K\x1b[?25l\rbar\x1b[?1049h\x1b]52;c;AAAA\x07\x1b[6n"
    assert for_terminal(text) == "\x1b[1;31mred\x1b[0m bar"
    assert for_terminal(text, moves=True) == "\x1b[1;31mred\x1b[0m\x1b[2A\x1b[2K\x1b[?25l\rbar"


def test_code_ends_where_it_should() -> None:
    assert code("a`![x](y)`\nb") == "`a'![x](y)' b`" and code("") == "`-`"


def test_a_message_quotes_the_two_ends_of_a_long_line() -> None:
    assert brief("a\nb") == "a\nb" and brief("x" * 1_000) == "x" * 1_000
    assert brief("one\n" + "a" * 600 + "b" * 600) == f"one\n{'a' * 500}... (400 letters) ...{'b' * 300}"
    assert brief("\x1b[31mred\x00") == "red"


@given(st.text(st.characters(codec=None)))
def test_a_text_has_half_of_a_character_where_no_file_can_hold_it(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        sign = text[error.start]
        assert half(text) == f"U+{ord(sign):04X}"
        assert with_halves_told(text) == text.encode("utf-8", "backslashreplace").decode()
    else:
        assert half(text) is None and with_halves_told(text) == text
