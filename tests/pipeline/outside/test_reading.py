"""Files that people write: whatever they hold, it is a value or one error that names the file."""

import gzip
import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.outside import reading


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("read", [reading.text, reading.json_value, reading.yaml_value, reading.yaml_node])
@pytest.mark.parametrize("content", ["è".encode("latin-1"), "è".encode("utf-16"), b"\xff\xfe\x00"])
def test_another_encoding_is_named(read, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file, line 1: not UTF-8 \(byte 0x\w\w\); save it as UTF-8"):
        read(written(tmp_path, content))


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert reading.text(written(tmp_path, b"\xef\xbb\xbfa\n")) == "a\n"
    assert reading.json_value(written(tmp_path, b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}
    assert reading.yaml_value(written(tmp_path, b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


@pytest.mark.parametrize("read", [reading.json_value, reading.yaml_value, reading.yaml_node])
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
def test_what_is_nested_too_deep_is_named(read, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file: not valid (JSON|YAML): it is nested too deeply"):
        read(written(tmp_path, content))


def test_a_file_is_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 1 << 20)
    assert reading.text(written(tmp_path, b"a" * (1 << 20))) == "a" * (1 << 20)
    with pytest.raises(ConfigError, match=r"profile x: is larger than 1 MiB"):
        reading.text(written(tmp_path, b"a" * ((1 << 20) + 1)), what="profile x", error=ConfigError)
    with pytest.raises(DataError, match="zero: is larger"):
        reading.text(Path("/dev/zero"))


def test_a_file_may_be_gzipped_and_unpacks_within_the_bound(tmp_path: Path) -> None:
    assert reading.json_value(written(tmp_path, gzip.compress(b"\xef\xbb\xbf[1]"))) == [1]
    path = written(tmp_path, gzip.compress(b"1" * (1 << 20)))
    assert path.stat().st_size < 2_000 and len(reading.text(path, largest=1 << 20)) == 1 << 20
    with pytest.raises(DataError, match=r"file: is larger than 0 MiB"):
        reading.text(path, largest=(1 << 20) - 1)
    for cut in (gzip.compress(b"[1]")[:-9], gzip.compress(b"[1]")[:11], b"\x1f\x8b"):
        with pytest.raises(DataError, match=r"file: cannot be read: "):
            reading.json_value(written(tmp_path, cut))


def test_faults_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file: not valid JSON: the key 'a' is given twice, in lines 1 and 2"):
        reading.json_value(written(tmp_path, b'{"a": 1,\n"a": 2}'))
    with pytest.raises(DataError, match=r"file: not valid JSON: Expecting property name.*line 1 column 2"):
        reading.json_value(written(tmp_path, b"{"))
    with pytest.raises(DataError, match=r"file: not valid YAML: line 1: "):
        reading.yaml_value(written(tmp_path, b"a: [1"))
    with pytest.raises(DataError, match=r"file, line 2: not UTF-8 \(byte 0xf6\)"):
        reading.text(written(tmp_path, b"one\ntw\xf6\n"))


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none: cannot be read: No such file"):
        reading.text(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"profile x: cannot be read: Is a directory"):
        reading.text(tmp_path, what="profile x", error=ConfigError)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe: cannot be read: it is a pipe"):
        reading.text(tmp_path / "pipe")


def test_pixels_have_a_bound() -> None:
    reading.check_pixels(9_000, 9_000, what="x")
    with pytest.raises(DataError, match="x: 10000 x 10000 pixels are more than the 89,478,485"):
        reading.check_pixels(10_000, 10_000, what="x")
