import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.machine.files import sentence
from pipeline.store import digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_order_of_keys_is_irrelevant(value: dict[str, object]) -> None:
    assert digest.of_value(value) == digest.of_value(dict(reversed(value.items())))


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.data())
def test_any_change_changes_it(value: dict[str, int], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    assert digest.of_value(value) != digest.of_value(value | {key: value[key] + 1})
    assert digest.of_value(value) != digest.of_value({k: v for k, v in value.items() if k != key})


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_files_are_a_set(entries: list[tuple[str, str]]) -> None:
    assert digest.of_files(entries) == digest.of_files(reversed(entries))


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError):
        digest.of_value({"lr": float("nan")})


def test_equal_in_another_process() -> None:
    code = "from pipeline.store import digest; print(digest.of_value({'b': [1.5, None], 'a': 'ü'}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == digest.of_value({"a": "ü", "b": [1.5, None]})


def test_a_folder_counts_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    before = digest.of_path(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest.of_path(tmp_path)
    (tmp_path / "b").write_text("two")
    assert len({before, renamed, digest.of_path(tmp_path)}) == 3


@pytest.mark.parametrize("name", ["a.jpg", "a.JPG", "a.jpeg", "a.Jpeg", "a.png", "a.webp", "b/c/a.jpg", "model.bin"])
def test_the_content_of_every_file_of_a_folder_counts(tmp_path: Path, name: str) -> None:
    """A stage reads the pictures and the weights in it; equal names and sizes say nothing."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"one")
    before = digest.of_path(tmp_path)
    path.write_bytes(b"two")
    assert digest.of_path(tmp_path) != before


def test_what_nobody_has_touched_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are of gigabytes, and every stage of a run names them."""
    read: list[str] = []
    of_file = digest.of_file
    monkeypatch.setattr(digest, "of_file", lambda path: (read.append(path.name), of_file(path))[1])
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    long_ago = path.stat()
    monkeypatch.setattr(digest, "SETTLED_NS", 10**18)
    found = {digest.of_path(path), digest.of_path(path)}
    assert read == ["weights"] * 2, (
        "it has just been written, and may be again before the clock of its file system ticks"
    )
    monkeypatch.setattr(digest, "SETTLED_NS", 0)
    found |= {digest.of_path(path), digest.of_path(path)}
    digest.of_path(tmp_path)
    assert read == ["weights"] * 3 and found == {of_file(path)}
    while path.stat().st_ctime_ns == long_ago.st_ctime_ns:
        path.write_bytes(b"two")
    os.utime(path, ns=(long_ago.st_atime_ns, long_ago.st_mtime_ns))
    assert digest.of_path(path) == of_file(path) not in found, "the time of its content is set back, and it is read"


def test_a_file_that_was_written_just_before_a_long_reading_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of gigabytes take longer than a clock's step, in which somebody may write them again."""
    path, read = tmp_path / "weights", 0
    path.write_bytes(b"one")
    now = path.stat().st_ctime_ns

    def slowly(path: Path) -> str:
        nonlocal now, read
        now, read = now + 5 * digest.SETTLED_NS, read + 1
        return digest.of_bytes(path.read_bytes())

    monkeypatch.setattr(digest, "of_file", slowly)
    monkeypatch.setattr("time.time_ns", lambda: now)
    for _ in range(3):
        digest.of_path(path)
    assert read == 2, "only as the second reading begins has it been as it is for long"


def test_so_does_that_of_a_large_one(tmp_path: Path) -> None:
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        file.truncate(65 << 20)
    before = digest.of_path(tmp_path)
    with (tmp_path / "pytorch_model.bin").open("r+b") as file:
        file.write(b"x")
    assert digest.of_path(tmp_path) != before


def test_a_file_larger_than_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (digest.CHUNK + 1))
    whole = digest.of_file(path)
    path.write_bytes(b"x" * digest.CHUNK + b"y")
    assert digest.of_file(path) != whole


def test_a_disk_with_a_fault_is_told_with_the_file() -> None:
    """What the memory of a process has at its beginning cannot be read, which the system tells as it tells a bad disk."""
    with pytest.raises(OSError) as caught:
        digest.of_file(Path("/proc/self/mem"))
    assert sentence(caught.value).startswith("/proc/self/mem: the disk reports an error")


def test_the_content_behind_links_counts_and_a_circle_ends(tmp_path: Path) -> None:
    """A folder of pictures may be a folder of links to folders, and a stage reads what is there."""
    folder, elsewhere = tmp_path / "given", tmp_path / "elsewhere"
    for one in (folder, elsewhere):
        one.mkdir()
    (elsewhere / "a.jpg").write_bytes(b"one")
    (folder / "ride horse").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    (folder / "itself").symlink_to("itself")
    before = digest.of_path(folder)
    assert digest.of_path(folder) == before
    (elsewhere / "a.jpg").write_bytes(b"two")
    assert digest.of_path(folder) != before


def test_a_folder_in_a_cache_of_python_counts_and_one_below_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "__pycache__" / "given"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a").write_text("one")
    before = digest.of_path(folder)
    (folder / "__pycache__" / "a.pyc").write_text("any")
    assert digest.of_path(folder) == before
    (folder / "a").write_text("two")
    assert digest.of_path(folder) != before


def test_a_name_that_is_not_utf_8_counts(tmp_path: Path) -> None:
    before = digest.of_path(tmp_path)
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"one")
    assert digest.of_path(tmp_path) != before
