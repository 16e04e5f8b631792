"""An object that is read part by part is the one that the strict parser reads whole, wherever the pieces end."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.outside import reading, streaming

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.just("\U0001f600\n")
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=9,
)


def joined(path: Path, **options: Any) -> dict[str, Any]:
    """The parts of a file put together again."""
    found: dict[str, Any] = {}
    for key, first, part in streaming.parts(path, **options):
        if first is None:
            found[key] = part
        else:
            assert len(found.setdefault(key, [])) == first
            found[key] += part
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few bytes, so that their ends fall everywhere; batches of three."""
    monkeypatch.setattr(reading, "PIECE", 5)
    monkeypatch.setattr(streaming, "BATCH", 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_the_parts_are_the_whole(small: None, tmp_path: Path, value: Any, ascii: bool, indent: int | None) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" * ascii + json.dumps(value, ensure_ascii=ascii, indent=indent).encode())
    assert joined(path) == value
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert joined(path) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=3), st.data())
def test_a_broken_file_is_refused_wherever_it_is_refused_whole(
    small: None, tmp_path: Path, value: Any, data: Any
) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(1, len(text) - 1))
    broken = data.draw(
        st.sampled_from([text[:at], text[:at] + text[at + 1 :], text[:at] + '"' + text[at:], text + ","])
    )
    path = tmp_path / "x.json"
    path.write_text(broken)
    try:
        wanted = reading.json_value(path)
    except DataError:
        with pytest.raises(DataError):
            joined(path)
    else:
        assert joined(path) == wanted


def test_a_key_that_is_given_twice(small: None, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text, lines in (
        ('{"a": 1,\n "b": 2,\n "a": 3}', "1 and 3"),
        ('{"a": [\n{"b": 1},\n{"b": 1,\n "c": 2,\n "b": 3}]}', "3 and 5"),
        ('{"a": {"x": [],\n "x": []}}', "1 and 2"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=f"is given twice, in lines {lines}; keep one"):
            joined(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": [1, 2,\n 3 4]}', "Expecting ',' delimiter: line 2 column 4"),
        ('{"a": [{"b": 1}, {"b" 1}]}', "Expecting ':' delimiter: line 1 column 23"),
        ('{"a": [1', "Expecting ',' delimiter: line 1 column 9; is it whole"),
        ('{"a": 1} x', "Extra data: line 1 column 10"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"a": ' + "1" * 5_000 + "}", "thousands of digits"),
    ],
)
def test_where_a_file_breaks(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        joined(path)


def test_what_is_no_object_and_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(" [1]")
    with pytest.raises(streaming.NoObjectError):
        joined(path)
    path.write_bytes(b'{"a":\n "\xff"}')
    with pytest.raises(DataError, match=r"line 2: not UTF-8 \(byte 0xff"):
        joined(path)


def test_an_entry_and_a_list_have_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": ["b" * 100]}))
    monkeypatch.setattr(reading, "PIECE", 5)
    monkeypatch.setattr(streaming, "LARGEST_VALUE", 50)
    with pytest.raises(DataError, match="line 1: a value of more than 50 letters"):
        joined(path)
    path.write_text(json.dumps({"a": [1] * 9}))
    monkeypatch.setattr(streaming, "MOST_ENTRIES", 8)
    with pytest.raises(DataError, match="more than 8 entries"):
        joined(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.text(max_size=30), st.booleans())
def test_a_text_that_is_passed_over_has_any_length(small: None, tmp_path: Path, long: str, ascii: bool) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": long, "b": [long], "c": 1}, ensure_ascii=ascii), encoding="utf-8")
    assert joined(path, passed_over=("a", "b", "c")) == {"a": "", "b": [long], "c": 1}
    path.write_text(json.dumps({"a": long})[:-2], encoding="utf-8")
    with pytest.raises(DataError, match="Unterminated string"):
        joined(path, passed_over=("a",))


def test_it_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": list(range(50))}))
    monkeypatch.setattr(reading, "PIECE", 20)
    told: list[tuple[int, int]] = []
    joined(path, on_progress=lambda done, total: told.append((done, total)))
    size = path.stat().st_size
    assert told[-1] == (size, size) and [done for done, _ in told] == sorted({done for done, _ in told})


class Counting(str):
    """A text that tells how many of its characters were counted."""

    looked_at = 0

    def count(self, sub: str, start: Any = 0, end: Any = None) -> int:
        Counting.looked_at += (len(self) if end is None else end) - start
        return super().count(sub, start, end)


@pytest.mark.parametrize("piece", [100, reading.PIECE])
def test_the_lines_of_many_keys_are_counted_in_one_pass(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = streaming._Window._more

    def counting(window: streaming._Window) -> bool:
        found = more(window)
        window._text = Counting(window._text)
        return found

    monkeypatch.setattr(streaming._Window, "_more", counting)
    monkeypatch.setattr(reading, "PIECE", piece)
    monkeypatch.setattr(Counting, "looked_at", 0)
    path = tmp_path / "x.json"
    path.write_text(text := "{" + ",\n".join(f'"{key}": {key}' for key in [*range(300), 299]) + "}")
    with pytest.raises(DataError, match="the key '299' is given twice, in lines 300 and 301"):
        joined(path)
    assert 0 < Counting.looked_at <= 2 * len(text), "once, and where a window's end cut a value Python counted too"
