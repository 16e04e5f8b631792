"""Splitting texts into sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.texts.sentences import split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("  \n ", ()),
        ("One sentence without an end", ("One sentence without an end",)),
        ("A person rides.  The horse\nruns! Where? There.", ("A person rides.", "The horse runs!", "Where?", "There.")),
        ('It is "big." The person looks up.', ('It is "big."', "The person looks up.")),
        ("It is 1.5 m high. 2 hands hold it.", ("It is 1.5 m high.", "2 hands hold it.")),
    ],
)
def test_split(text: str, parts: tuple[str, ...]) -> None:
    assert split(text) == parts


@given(st.text())
def test_no_sentence_is_empty(text: str) -> None:
    assert all(part.strip() == part != "" for part in split(text))
