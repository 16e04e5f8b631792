"""The store: what counts as there, what a kill leaves, what damage is noticed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError, StoreError
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import NAME
from pipeline.store.store import Store, describe_files

MAKE = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from pipeline.store import digest
    from pipeline.store.manifest import Manifest
    from pipeline.store.store import Store, describe_files

    def manifest(out, fingerprint="f00"):
        files = describe_files(out)
        return Manifest(
            stage="seen", version=1, fingerprint=fingerprint, files=files, config={}, sources={}, inputs=(),
            digest=digest.of_files((f.name, f.digest) for f in files), metrics={}, seconds={}, made_at="2026",
            host="h", device="cpu", packages={}, seed=0, git_commit=None, git_dirty=None, code="c",
        )

    def make(root, text, fingerprint="f00"):
        store = Store(Path(root))
        with store.workspace(fingerprint) as space:
            (space.out / "a.txt").write_text(text)
            (space.out / "b.txt").write_text(text * 2)
            return store.publish(space, manifest(space.out, fingerprint))
    """
)


def make(root: Path, text: str = "one", fingerprint: str = "f00") -> Artifact:
    """Publish an artifact of two small files."""
    scope: dict[str, Any] = {}
    exec(MAKE, scope)
    artifact: Artifact = scope["make"](root, text, fingerprint)
    return artifact


def script(root: Path, code: str) -> subprocess.Popen[str]:
    """Another process with `make` at hand."""
    text = MAKE + f"root = {str(root)!r}\n" + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_folder_misses_no_file(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    assert sorted(p.name for p in artifact.fetched().iterdir()) == ["a.txt", "b.txt", NAME]
    assert artifact.place == str(artifact.fetched("a.txt"))
    artifact.path("b.txt").unlink()
    assert artifact.fetched("a.txt").is_dir()
    with pytest.raises(DataError, match=r"b\.txt: missing"):
        artifact.fetched()
    with pytest.raises(DataError, match=r"b\.txt: missing"):
        artifact.path("b.txt")


def test_a_value_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: cannot be read as JSON"):
        make(tmp_path).json("a.txt")


def test_published_is_there(tmp_path: Path) -> None:
    store, made = Store(tmp_path), make(tmp_path)
    found, faults = store.lookup("seen", "f00")
    assert found == made and faults == []
    assert made.path("a.txt").read_text() == "one" and made.names("b*") == ["b.txt"]
    assert store.artifacts() == [made] and store.artifacts("utpl") == []
    assert not (tmp_path / ".work" / "f00").exists()


def test_nothing_is_there(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").lookup("seen", "f00") == (None, [])


def test_a_file_the_manifest_does_not_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"seen/f00.*c\.txt"):
        make(tmp_path).path("c.txt")


def test_damage_of_the_same_size_is_named(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    artifact.path("b.txt").write_text("oneonf")
    found, faults = Store(tmp_path).lookup("seen", "f00")
    assert found is None and len(faults) == 1 and "b.txt" in faults[0] and "damaged" in faults[0]


def test_a_missing_or_cut_file_is_named(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    artifact.path("a.txt").unlink()
    artifact.path("b.txt").write_text("o")
    _, faults = Store(tmp_path).lookup("seen", "f00")
    assert "a.txt: missing" in faults[0] and "1 bytes and not 6" in faults[1]


def test_a_torn_manifest_is_not_an_artifact(tmp_path: Path) -> None:
    path = make(tmp_path)._folder / NAME
    path.write_text(path.read_text()[:40])
    found, faults = Store(tmp_path).lookup("seen", "f00")
    assert found is None and NAME in faults[0]


def test_the_seal_saves_hashing_and_touching_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, store, hashed = make(tmp_path), Store(tmp_path), []
    original = digest.of_file
    monkeypatch.setattr(digest, "of_file", lambda path: hashed.append(path.name) or original(path))
    assert store.faults(artifact) == [] and hashed == []
    os.utime(artifact._folder / "a.txt", (1, 1))
    assert store.faults(artifact) == [] and hashed == ["a.txt"]
    assert store.faults(artifact) == [] and hashed == ["a.txt"], "the new state was not sealed"
    assert store.faults(artifact, rehash=True) == [] and hashed == ["a.txt", "a.txt", "b.txt"]


def test_rehash_finds_what_a_seal_hides(tmp_path: Path) -> None:
    artifact, store = make(tmp_path), Store(tmp_path)
    path = artifact._folder / "a.txt"
    stat = path.stat()
    with path.open("r+") as file:
        file.write("onf")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.faults(artifact) == []
    assert "a.txt" in store.faults(artifact, rehash=True)[0]


def test_a_damaged_seal_is_ignored(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    (tmp_path / ".seals" / "f00.json").write_text("[")
    assert Store(tmp_path).faults(artifact) == []


def test_a_moved_store_still_holds(tmp_path: Path) -> None:
    make(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert Store(tmp_path / "new").lookup("seen", "f00")[1] == []


# Where a kill may hit: (function of os or shutil to die in, how often it is called before that)
KILLS = [("fsync", 0), ("fsync", 1), ("fsync", 3), ("rename", 0), ("rename", 1), ("rmtree", 1)]


@pytest.mark.parametrize("replace", [False, True], ids=["new", "again"])
@pytest.mark.parametrize(("function", "after"), KILLS)
def test_kill_while_publishing(tmp_path: Path, function: str, after: int, replace: bool) -> None:
    """Whatever the instant, the artifact is the old one, the new one, or plainly not there; then it can be made."""
    if replace:
        make(tmp_path, "old")
    child = script(
        tmp_path,
        f"""
        import pathlib, shutil
        owner = {{"fsync": os, "rename": pathlib.Path, "rmtree": shutil}}[{function!r}]
        original, calls = getattr(owner, {function!r}), []
        def deadly(*arguments, **options):
            calls.append(1)
            if len(calls) > {after}:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)
        setattr(owner, {function!r}, deadly)
        make(root, "new")
        """,
    )
    child.communicate(timeout=60)
    store = Store(tmp_path)
    found, faults = store.lookup("seen", "f00")
    assert faults == []
    if found is not None:
        assert found.path("a.txt").read_text() in (("old", "new") if replace else ("new",))
    assert make(tmp_path, "new").path("a.txt").read_text() == "new"


def test_scratch_survives_a_kill_and_out_does_not(tmp_path: Path) -> None:
    child = script(
        tmp_path,
        """
        with Store(Path(root)).workspace("f00") as space:
            (space.scratch / "shard").write_text("1")
            (space.out / "half").write_text("1")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert child.wait(60) == -signal.SIGKILL
    with Store(tmp_path).workspace("f00") as space:
        assert (space.scratch / "shard").exists() and list(space.out.iterdir()) == []


def test_an_unused_workspace_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path).workspace("f00"):
        pass
    assert not (tmp_path / ".work" / "f00").exists()


def test_one_writer(tmp_path: Path) -> None:
    child = script(
        tmp_path,
        """
        import time
        with Store(Path(root)).workspace("f00"):
            print("locked", flush=True)
            time.sleep(0.7)
        """,
    )
    assert child.stdout is not None and child.stdout.readline() == "locked\n"
    start = time.monotonic()
    with Store(tmp_path).workspace("f00"):
        assert time.monotonic() - start > 0.4
    child.wait(60)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*--set store\.root"):
        make(tmp_path / "store")


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "cannot be written")])
def test_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match=words):
        make(tmp_path)


def test_reading_needs_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(tmp_path)
    os.utime(artifact._folder / "a.txt", (1, 1))

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert Store(tmp_path).lookup("seen", "f00") == (artifact, [])


def test_find(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = make(tmp_path, fingerprint="aab"), make(tmp_path, fingerprint="aac")
    assert store.find("aab") == store.find("seen/aab") == first
    assert store.find("seen") == second
    for wrong, words in (("aa", "2 artifacts"), ("ff", "no artifact"), ("utpl/aab", "no artifact")):
        with pytest.raises(StoreError, match=words):
            store.find(wrong)


def test_remove(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.remove(make(tmp_path))
    assert store.artifacts() == [] and list((tmp_path / ".seals").iterdir()) == []


def test_files_are_described(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pd.DataFrame({"hoi_id": [1, 2], "name": ["a", "b"]}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x.json").write_text("{}")
    (tmp_path / NAME).write_text("not data")
    records = {r.name: r for r in describe_files(tmp_path)}
    assert set(records) == {"t.parquet", "folder/x.json"}
    assert records["t.parquet"].rows == 2 and set(records["t.parquet"].columns or {}) == {"hoi_id", "name"}
    assert records["folder/x.json"].bytes == 2 and records["folder/x.json"].rows is None


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    with pytest.raises(DataError, match=r"a\.txt"):
        artifact.table("a.txt")
