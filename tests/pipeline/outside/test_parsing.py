"""Strict parsing: keys given twice, encodings, depth, numbers, and the lines that errors name."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
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
        assert parsing.json_value(json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8-sig")) == value


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
    with pytest.raises(ValueError, match="is given twice"):
        parsing.json_value(text.encode("utf-16"))


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
    with pytest.raises(yaml.YAMLError, match="'b' is given twice, in lines 3 and 5"):
        parsing.yaml_value("a: 1\nc:\n  b: 1\n  d: 1\n  b: 1\n")
    with pytest.raises(yaml.YAMLError, match="'b' is given twice, in lines 1 and 1"):
        parsing.yaml_value("{b: 1, b: 2}")
    assert parsing.yaml_value("x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n")["y"] == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "text", ["!!int x", "!!bool x", "!!timestamp x", "? [a]\n: 1", "!!python/object/apply:os.getcwd []", "\x00"]
)
def test_what_yaml_cannot_make_is_a_yaml_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parsing.yaml_value(text)


def test_files_are_utf_8_and_named(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    for content, words in {
        b'{"a": "caf\xe9"}': "not valid JSON",
        b'{\n"a": 1,\n"a": 2}': "given twice, in lines 2 and 3",
        b"[" * 100_000: "nested too deeply",
        b"": "not valid JSON",
        gzip.compress(b"[1]")[:-9]: "cannot be read",
        b"[" + b"9" * 5000 + b"]": "not valid JSON",
    }.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            parsing.json_file(path)
        assert str(path) in str(caught.value) and len(str(caught.value)) < 500
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf[1]"))
    assert parsing.json_file(path) == [1]
    with pytest.raises(DataError, match=r"absent.*cannot be read"):
        parsing.read_text(tmp_path / "absent")
    path.write_bytes(b"one\ntw\xf6\n")
    with pytest.raises(DataError, match=r"texts\.json, line 2: not UTF-8 \(byte 0xf6\)"):
        parsing.read_text(path)


def test_long_values_are_not_printed_whole() -> None:
    assert parsing.shown("a" * 5000).endswith("... (5002 letters)") and len(parsing.shown("a" * 5000)) < 120
    assert parsing.shown(10**5000) == "a number of thousands of digits"
    assert parsing.shown(1.5) == "1.5"


@pytest.mark.parametrize("packed", [True, False])
def test_json_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """A few megabytes of gzip can hold as many gigabytes."""
    monkeypatch.setattr(parsing, "LARGEST_JSON", 1 << 20)
    path = tmp_path / "a.json"
    for size, refused in ((1 << 20, False), ((1 << 20) + 1, True)):
        content = b"[" + b" " * (size - 2) + b"]"
        path.write_bytes(gzip.compress(content) if packed else content)
        if refused:
            with pytest.raises(DataError, match=r"a\.json: has more than 1 MiB.*, the most that is read"):
                parsing.json_file(path)
        else:
            assert parsing.json_file(path) == []
