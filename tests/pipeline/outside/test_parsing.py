"""Strict parsing: keys given twice, encodings, depth, numbers, and the lines that errors name."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.outside import parsing

NAMES = st.text(max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_has_no_faults_is_read_as_it_is(value: Any) -> None:
    for indent in (None, 1):
        assert parsing.json_value(json.dumps(value, indent=indent)) == value
        assert parsing.json_value("\ufeff" + json.dumps(value, indent=indent, ensure_ascii=False)) == value


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), st.integers(0, 3), VALUES)
def test_a_key_given_twice_is_found_wherever_it_is(name: str, others: dict[str, Any], above: int, value: Any) -> None:
    """An object of one key a line, `name` first and last, behind `above` lines and inside of another object."""
    others.pop(name, None)
    lines = [
        f"{json.dumps(key)}: {json.dumps(content)}" for key, content in [(name, 1), *others.items(), (name, value)]
    ]
    text = "\n" * above + '[{"other": ' + "{" + ",\n".join(lines) + "}}]"
    places = f"in lines {above + 1} and {above + len(lines)}"
    with pytest.raises(ValueError, match=f"is given twice, {places}"):
        parsing.json_value(text)


def test_of_several_keys_given_twice_the_first_one_is_named_with_its_own_lines() -> None:
    for text in ('{"a": 1,\n"b": 2,\n"b": 3,\n"a": 4}', '{"b": 1,\n"b": 2,\n"b": {"c": 3, "c": 4}}'):
        key, *lines = parsing.twice(text)
        assert key == "b"
        with pytest.raises(ValueError, match=f"the key 'b' is given twice, in lines {lines[0]} and {lines[1]};"):
            parsing.json_value(text)


class Counting(str):
    """A text that tells how many of its characters were counted, and how often it was compared."""

    looked_at = compared = 0

    def count(self, sub: str, start: Any = 0, end: Any = None) -> int:
        Counting.looked_at += (len(self) if end is None else end) - start
        return super().count(sub, start, end)

    def __eq__(self, other: object) -> bool:
        Counting.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_the_lines_of_a_key_given_twice_are_counted_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [*range(300), 299]
    monkeypatch.setattr(Counting, "looked_at", 0)
    text = Counting("{" + ",\n".join(f'"{key}": 1' for key in keys) + "}")
    assert parsing.twice(text) == ("299", 300, 301)
    assert 0 < Counting.looked_at <= len(text)
    monkeypatch.setattr(Counting, "compared", 0)
    with pytest.raises(parsing.TwiceError):
        parsing.once([(Counting(key), 1) for key in keys])
    assert Counting.compared < len(keys)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("10", 10),
        ("-0", 0),
        ("1e3", 1000.0),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("2.", 2.0),
        ("~", None),
        ("off", "off"),
    ],
)
def test_yaml_numbers_are_decimal(text: str, value: Any) -> None:
    found = parsing.yaml_value(text)
    assert found == value and type(found) is type(value)
    assert parsing.yaml_scalar(text) == (text if text == "" else value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a #b", "a #b"),
        ("  a ", "a"),
        ("5 # five", "5 # five"),
        ("[1, 2]", [1, 2]),
        ("[1, 2] # x", "[1, 2] # x"),
        ("{a: 1}", {"a": 1}),
        ("a: 1", "a: 1"),
        ("- a", "- a"),
        ('"a # b"', "a # b"),
        ('"a" # b', '"a" # b'),
        ("'~/x'", "~/x"),
        ("~/x", "~/x"),
        ("|", "|"),
        ("*x", "*x"),
        ("&x", "&x"),
        ("&x 3", "&x 3"),
        ("!!int 3", "!!int 3"),
        ("%", "%"),
        ("", ""),
        ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
        ("a\nb", "a\nb"),
    ],
)
def test_a_value_in_one_line_is_yaml_only_where_it_is_meant_so(text: str, value: Any) -> None:
    assert parsing.yaml_scalar(text) == value


def test_yaml_keys_given_twice_are_named_with_their_lines() -> None:
    with pytest.raises(ValueError, match="'b' is given twice, in lines 3 and 5"):
        parsing.yaml_value("a: 1\nc:\n  b: 1\n  d: 1\n  b: 1\n")
    with pytest.raises(ValueError, match="'b' is given twice, in lines 1 and 1"):
        parsing.yaml_value("{b: 1, b: 2}")
    assert parsing.yaml_value("x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n")["y"] == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "text",
    [
        "!!int x",
        "!!bool x",
        "!!timestamp x",
        "? [a]\n: 1",
        "!!python/object/apply:os.getcwd []",
        "\x00",
        '"\\UFFFFFFFF"',
    ],
)
def test_what_yaml_cannot_make_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        parsing.yaml_value(text)


def test_a_hundred_brackets_are_not_too_many() -> None:
    assert parsing.yaml_value("[" * 99 + "{}" + "]" * 99) != []


@pytest.mark.parametrize("parse", [parsing.yaml_value, parsing.yaml_node])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: [2", "line 2: while parsing a flow sequence, expected ',' or ']'"),
        ("a: b: c", "line 1: mapping values are not allowed here"),
        ("a\x00", r"character 2 is U\+0000"),
        ("*" + "x" * 100_000, "line 1: found undefined alias"),
        ("[" * 100_000, "it is nested too deeply"),
        ("[" * 100 + "{" + "}" + "]" * 100, "it is nested too deeply"),
    ],
)
def test_faults_of_yaml_are_a_line_with_its_number(parse: Callable[[str], Any], text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 320


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1,", r"Expecting value: line 1 column 4 .*is it whole\?"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 5_000 + "]", "a number of thousands of digits"),
    ],
)
def test_faults_of_json_are_a_line(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parsing.json_value(text)
    assert len(str(caught.value)) < 320


def test_what_a_few_lines_multiply_is_shown_in_few() -> None:
    laughs = ["a0: &a0 ha"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert len(parsing.shown(parsing.yaml_value("\n".join(laughs)))) < 120


def test_long_values_are_not_printed_whole() -> None:
    assert parsing.shown("a" * 5000).endswith("... (5000 letters)") and len(parsing.shown("a" * 5000)) < 120
    assert parsing.shown(10**5000) == "a number of thousands of digits"
    assert parsing.shown([10**5000]) == "a number of thousands of digits"
    assert parsing.shown(1.5) == "1.5" and parsing.shown([1, {"a": "b"}]) == "[1, {'a': 'b'}]"
    assert len(parsing.shown([["a" * 5000] * 50] * 50)) < 120


def test_a_scalar_of_a_library_is_shown_as_its_value() -> None:
    assert [parsing.shown(v) for v in (np.int64(48), np.float32(0.5), np.bool_(True), np.str_("a"))] == [
        "48",
        "0.5",
        "True",
        "'a'",
    ]


def test_why_an_entry_is_not_read_is_said_without_pythons_names() -> None:
    def why(read: Callable[[], Any]) -> str:
        with pytest.raises(Exception) as caught:
            read()
        return parsing.why_not_read(caught.value)

    assert why(lambda: {}["bbox"]) == "'bbox' is missing"
    assert why(lambda: json.loads("[1]")["bbox"]) == "a value is of another kind than it has to be"
    assert why(lambda: "x".nothing) == "a value is of another kind than it has to be"  # type: ignore[attr-defined]
    assert why(lambda: int("x")).startswith("invalid literal")
