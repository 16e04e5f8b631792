"""Files are whole or absent, and what a file system refuses is one sentence that names the path."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from pipeline.errors import StoreError
from pipeline.learned import checkpoint
from pipeline.machine import files
from pipeline.tables.tensors import refused_as_usual


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, r"^stage seen: no space left for /store/out\. Free some .* is kept\.$"),
        (errno.EROFS, r"^stage seen: /store/out cannot be written: its file system is read-only"),
        (errno.EFBIG, r"^stage seen: /store/out: a file may not grow so large here\. Look at `ulimit -f`"),
        (errno.ENAMETOOLONG, r"^stage seen: /store/out: the name is too long"),
    ],
)
def test_what_a_stage_is_refused_is_one_message(number: int, says: str) -> None:
    with pytest.raises(StoreError, match=says), files.refusals("stage seen", path=Path("/store/out")):
        raise OSError(number, "whatever the system says")


def test_a_fault_of_the_code_stays_one() -> None:
    with pytest.raises(FileNotFoundError), files.refusals("stage seen", path=Path("/store/out")):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "nowhere.parquet")


def test_a_full_disk_is_told_whichever_library_writes(tmp_path: Path) -> None:
    """pyarrow's OSError has the number and no file name. (It deletes what it could not write: no path of a device here.)"""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def parquet() -> None:
        with Path("/dev/full").open("wb") as full:
            pq.write_table(pa.table({"a": list(range(10_000))}), full)

    def safetensors() -> None:
        with refused_as_usual(tmp_path / "a.safetensors"):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    for write in (parquet, safetensors):
        with pytest.raises(StoreError, match=f"no space left for {tmp_path}"), files.refusals("x", path=tmp_path):
            write()


def test_safetensors_names_the_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        checkpoint.save_weights(path, {"a": torch.zeros(2)})
    assert files.sentence(caught.value) == f"{path}: there is no folder {path.parent}. Make it, or choose another"


def test_the_temporary_name_is_never_told(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    for path, kind in ((tmp_path / "none" / "a", FileNotFoundError), (tmp_path / "folder", IsADirectoryError)):
        with pytest.raises(kind) as caught, files.atomic(path) as temporary:
            temporary.write_text("x")
        assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("number", files.FULL)
def test_a_full_disk_is_that_of_the_file_that_is_written(number: int, tmp_path: Path) -> None:
    """The system names no file when it writes, and when it copies first of all the one that is read."""
    for names in ((), ("source", None, "temporary")):
        with pytest.raises(OSError) as caught, files.atomic(tmp_path / "a") as temporary:
            raise OSError(number, "full", *(str(temporary) if name == "temporary" else name for name in names))
        assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "a"))
    with pytest.raises(OSError) as caught, files.atomic(tmp_path / "a"):
        raise OSError(number, "full", "another")
    assert caught.value.filename == "another"
    with pytest.raises(OSError) as caught, files.atomic(tmp_path / "a"):
        raise OSError(errno.EIO, "it may have been read")
    assert caught.value.filename is None
    with pytest.raises(OSError) as caught, files.atomic(tmp_path / "a"):
        raise OSError(number, "full", 3)  # a number of a file that is open
    assert caught.value.filename == 3


def test_what_a_copy_cannot_read_is_what_it_copies(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, files.atomic(tmp_path / "a") as temporary:
        raise OSError(errno.EIO, "the disk", "source", None, str(temporary))
    assert (caught.value.errno, caught.value.filename, caught.value.filename2) == (errno.EIO, "source", None)


def test_a_name_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".parquet")  # 248 bytes
    with files.atomic(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


def test_two_threads_may_write_names_that_begin_alike(tmp_path: Path) -> None:
    """The other one is opened before the first is whole; both threads have the number of one process."""
    paths = [tmp_path / f"{'a photograph of a person with a bicycle':<50}{number}.jpg" for number in (1, 2)]
    with files.atomic(paths[0]) as first, files.atomic(paths[1]) as second:
        first.write_text("1")
        second.write_text("2")
    assert [path.read_text() for path in paths] == ["1", "2"]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from pipeline.machine import files\n"
        "with files.atomic(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    (name,) = left(tmp_path)
    assert done.returncode == -signal.SIGKILL and files.TEMPORARY.fullmatch(name)
    assert files.left_in(tmp_path) == [], "it was written to just now"
    os.utime(tmp_path / name, (0, 0))
    with files.atomic(tmp_path / "b.txt") as temporary:
        temporary.write_text("whole")
    assert left(tmp_path) == ["b.txt"]


def test_what_is_being_written_and_files_of_others_stay(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        hours_ago = time.time() - 12 * 3600
        os.utime(temporary, (hours_ago, hours_ago))
        assert files.left_in(tmp_path) == []
    foreign = [".a.txt.part", "a.0123456789ab.part", ".a.0123456789ab.parts"]
    for name in foreign:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert files.left_in(tmp_path) == [] and left(tmp_path) == sorted(["a.txt", *foreign])
