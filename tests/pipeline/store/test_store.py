"""The store: what counts as there, what a kill leaves, what damage is noticed."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError, StoreError
from pipeline.machine.holder import Claimant
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
    """Start another process in which `make` is defined."""
    text = MAKE + f"root = {str(root)!r}\n" + textwrap.dedent(code)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, "-c", text], **pipes, text=True)


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
    for text in ("one", "[" * 100_000):
        with pytest.raises(DataError, match=r"a\.txt: cannot be read as JSON"):
            make(tmp_path, text).json("a.txt")


def test_tables_of_which_there_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"seen/f00: has no file test-\*\.parquet"):
        make(tmp_path).tables("test-*.parquet")


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
    artifact = make(tmp_path)
    (artifact.fetched() / "c.txt").write_text("added")
    for name in ("c.txt", NAME, "../f00/a.txt"):
        with pytest.raises(DataError, match=re.escape(f"seen/f00: has no file {name!r}")):
            artifact.path(name)


def test_damage_of_the_same_size_is_named(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    artifact.path("b.txt").write_text("oneonf")
    found, faults = Store(tmp_path).lookup("seen", "f00")
    assert found is None and len(faults) == 1 and "b.txt" in faults[0] and "damaged" in faults[0]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_file_that_cannot_be_read_is_a_fault_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A bad sector, or another user's file: the others are verified all the same, and the stage runs again."""
    artifact = make(tmp_path)
    artifact.path("b.txt").write_text("oneonf")
    real = digest.of_file

    def refused(path: Path) -> str:
        if path.name == "a.txt":
            raise OSError(number, os.strerror(number), str(path))
        return real(path)

    monkeypatch.setattr(digest, "of_file", refused)
    faults = Store(tmp_path).faults(artifact, rehash=True)
    assert [fault.partition(": ")[2].split("(")[0] for fault in faults] == [
        "cannot be read ",
        "damaged, its content does not match its digest",
    ]
    assert Store(tmp_path).lookup("seen", "f00")[0] is None


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


def test_a_flip_whose_modification_time_was_put_back_is_found(tmp_path: Path) -> None:
    artifact, store = make(tmp_path), Store(tmp_path)
    path = artifact.path("a.txt")
    stat = path.stat()
    with path.open("r+") as file:
        file.write("onf")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "a.txt: damaged" in store.lookup("seen", "f00")[1][0]


def test_a_new_ctime_alone_costs_one_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second name for a file, or one less, changes its ctime and nothing else."""
    artifact, store, hashed = make(tmp_path), Store(tmp_path), []
    original = digest.of_file
    monkeypatch.setattr(digest, "of_file", lambda path: hashed.append(path.name) or original(path))
    os.link(artifact.path("a.txt"), tmp_path / "second")
    assert store.lookup("seen", "f00") == (artifact, []) and hashed == ["a.txt"]
    assert store.lookup("seen", "f00") == (artifact, []) and hashed == ["a.txt"]


def test_files_that_were_links_of_scratch_are_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    exec(MAKE, scope)
    store = Store(tmp_path)
    with store.workspace("f00") as space:
        (space.scratch / "shard").write_text("1")
        os.link(space.scratch / "shard", space.out / "shard")
        store.publish(space, scope["manifest"](space.out))
    monkeypatch.setattr(digest, "of_file", lambda path: pytest.fail("the seal was broken by the store itself"))
    assert store.lookup("seen", "f00")[1] == []


def test_a_seal_is_of_one_digest(tmp_path: Path) -> None:
    """Another digest for a file that nobody touched is another manifest's: the seal says nothing about it."""
    make(tmp_path)

    def other_digest(content: dict[str, Any]) -> None:
        content["files"][0]["digest"] = "0" * 32
        content["digest"] = digest.of_files((f["name"], f["digest"]) for f in content["files"])

    edit(tmp_path, other_digest, own=True)
    assert "a.txt: damaged" in Store(tmp_path).lookup("seen", "f00")[1][0]


def edit(root: Path, change: Callable[[dict[str, Any]], None], *, own: bool = False) -> None:
    """Change the manifest by hand; with `own` its own digest too, as one who knows how would do."""
    path = root / "seen" / "f00" / NAME
    content = json.loads(path.read_text())
    change(content)
    if own:
        del content["manifest_digest"]
        content["manifest_digest"] = digest.of_value(content)
    path.write_text(json.dumps(content))


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], bool, str]] = {
    "a metric": (lambda m: m.update(metrics={"unseen": 99.9}), False, "its own digest"),
    "the host": (lambda m: m.update(host="other"), False, "its own digest"),
    "no files": (lambda m: m.update(files=[]), False, "its own digest"),
    "no files, all digests anew": (
        lambda m: m.update(files=[], digest=digest.of_files([])),
        True,
        "lists no file",
    ),
    "one file less": (lambda m: m["files"].pop(), True, "not that of the files"),
    "no own digest": (lambda m: m.pop("manifest_digest"), False, "no digest of its own"),
    "an empty own digest": (lambda m: m.update(manifest_digest=""), False, "no digest of its own"),
    "a number for a digest": (lambda m: m.update(manifest_digest=5), False, "unreadable"),
    "a field of a later version, added by hand": (lambda m: m.update(later=1), False, "its own digest"),
    "another stage": (lambda m: m.update(stage="utpl"), True, "belongs to utpl/f00"),
    "another fingerprint": (lambda m: m.update(fingerprint="f01"), True, "belongs to seen/f01"),
    "a digest that is none": (
        lambda m: (
            m["files"][0].update(digest=""),
            m.update(digest=digest.of_files([("a.txt", ""), ("b.txt", m["files"][1]["digest"])])),
        ),
        True,
        "is none",
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_manifest_is_no_artifact_to_anybody(tmp_path: Path, what: str) -> None:
    change, own, words = EDITS[what]
    make(tmp_path)
    edit(tmp_path, change, own=own)
    store = Store(tmp_path)
    assert store.get("seen", "f00") is None and store.artifacts() == []
    found, faults = store.lookup("seen", "f00")
    assert found is None and len(faults) == 1 and NAME in faults[0] and words in faults[0]
    with pytest.raises(StoreError, match="Run again"):
        store.find("seen/f00")
    assert [u.fault for u in store.unusable()] == faults
    assert make(tmp_path, "new").path("a.txt").read_text() == "new", "it is no dead end"
    assert store.lookup("seen", "f00")[1] == [] and store.unusable() == []


def test_a_field_of_a_later_version_is_covered_and_passed_over(tmp_path: Path) -> None:
    make(tmp_path)
    edit(tmp_path, lambda m: m.update(later={"a": [1.5, None]}), own=True)
    assert Store(tmp_path).lookup("seen", "f00")[1] == []


@pytest.mark.parametrize("content", [b"", b"[]", b"5", b"null", b"\xff\xfe", b"[" * 100_000, b'{"metrics": NaN}'])
def test_a_manifest_that_is_garbage(tmp_path: Path, content: bytes) -> None:
    (make(tmp_path).path("a.txt").parent / NAME).write_bytes(content)
    found, faults = Store(tmp_path).lookup("seen", "f00")
    assert found is None and "unreadable" in faults[0]
    make(tmp_path)


def test_what_was_added_to_the_folder_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path).path("a.txt").parent
    (folder / "sub").mkdir()
    (folder / "sub" / ".hidden").write_text("x")
    (folder / "elsewhere").symlink_to(tmp_path)
    assert [line.partition(":")[0] for line in Store(tmp_path).lookup("seen", "f00")[1]] == [
        str(folder / "elsewhere"),
        str(folder / "sub" / ".hidden"),
    ]


@pytest.mark.parametrize("name", ["a.txt", NAME])
def test_a_link_in_place_of_a_file_is_a_fault(tmp_path: Path, name: str) -> None:
    path = make(tmp_path).path("a.txt").parent / name
    (tmp_path / "same").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "same")
    found, faults = Store(tmp_path).lookup("seen", "f00")
    assert found is None and f"{name}: a link" in faults[0]


@pytest.mark.parametrize(("stage", "fingerprint"), [("..", "x"), ("seen", "../other"), ("seen", "/tmp"), ("", "")])
def test_what_cannot_be_an_artifact_is_none(tmp_path: Path, stage: str, fingerprint: str) -> None:
    assert Store(tmp_path).lookup(stage, fingerprint) == (None, [])
    assert Store(tmp_path).get(stage, fingerprint) is None


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


@pytest.mark.parametrize("swaps", [True, False], ids=["exchanged", "two renames"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_kill_while_one_is_replaced_leaves_the_old_or_the_new_one(tmp_path: Path, swaps: bool, after: int) -> None:
    """Also where the file system cannot exchange two folders in one step."""
    make(tmp_path, "old")
    child = script(
        tmp_path,
        f"""
        import pathlib
        from pipeline.store import trees
        original, calls = pathlib.Path.rename, []
        def deadly(*arguments):
            calls.append(1)
            if len(calls) > {after}:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)
        pathlib.Path.rename = deadly
        if not {swaps}:
            trees.swap = lambda one, other: False
        make(root, "new")
        """,
    )
    child.communicate(timeout=60)
    store = Store(tmp_path)
    found, faults = store.lookup("seen", "f00")
    assert faults == [] and found is not None
    expected = "new" if swaps or after == 2 else "old"
    assert found.path("a.txt").read_text() == expected
    assert make(tmp_path, "newer").path("a.txt").read_text() == "newer"
    assert not list((tmp_path / ".work").glob("f00")) and not list((tmp_path / ".work").glob("*.lock"))


def test_what_another_process_just_replaces_is_left_to_it(tmp_path: Path) -> None:
    artifact, store = make(tmp_path), Store(tmp_path)
    folder = artifact.path("a.txt").parent
    with store.workspace("f00") as space:
        (space.out.parent / "replaced").mkdir()
        folder.rename(space.out.parent / "replaced" / "seen")
        child = script(tmp_path, 'print(Store(Path(root)).lookup("seen", "f00"))')
        assert child.communicate(timeout=60)[0] == "(None, [])\n"
        (space.out.parent / "replaced" / "seen").rename(folder)
    assert store.lookup("seen", "f00") == (artifact, [])


def test_a_deletion_that_was_cut_and_locks_of_nobody_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    gone = tmp_path / ".work" / "f00.gone-0a1b2c3d"
    gone.mkdir(parents=True)
    (gone / "shard").write_text("12345")
    (tmp_path / ".work" / "f02.lock").write_text("")
    child = script(
        tmp_path,
        """
        import sys
        with Store(Path(root)).workspace("f01"):
            print("locked", flush=True)
            sys.stdin.read()
        """,
    )
    assert child.stdout is not None and child.stdout.readline() == "locked\n"
    try:
        assert store.interrupted() == {}, "it is no work that a run would continue"
        assert store.leftovers() == {".work/f00.gone-0a1b2c3d": 5, ".work/f02.lock": 0}
        store.sweep()
        assert store.leftovers() == {}
        assert {p.name for p in (tmp_path / ".work").iterdir()} == {"f01", "f01.lock"}
    finally:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0
    assert list((tmp_path / ".work").iterdir()) == [], "who lets a lock go takes its file along"


def test_what_is_not_ours_to_look_at_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's lock in a shared store ends no run."""
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "f00.lock").write_text("")

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    Store(tmp_path).sweep()
    assert Store(tmp_path).leftovers() == {} and (tmp_path / ".work" / "f00.lock").exists()


def test_one_writer_though_the_lock_is_removed_each_time(tmp_path: Path) -> None:
    """Whoever waited for a lock whose file is gone by now starts again; nobody holds it twice."""
    code = """
        import sys, time
        inside = Path(root) / "inside"
        for _ in range(15):
            with Store(Path(root)).workspace("f00"):
                inside.mkdir()
                time.sleep(0.005)
                inside.rmdir()
        """
    children = [script(tmp_path, code) for _ in range(3)]
    assert [(c.communicate(timeout=100)[0], c.returncode) for c in children] == [("", 0)] * 3


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match=r"f00\.lock has no file locks.*--set store\.root"):
        make(tmp_path)


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
        import sys
        with Store(Path(root)).workspace("f00"):
            print("locked", flush=True)
            sys.stdin.readline()
        """,
    )
    assert child.stdout is not None and child.stdin is not None and child.stdout.readline() == "locked\n"
    waits, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with Store(tmp_path).workspace("f00", Claimant(tell=lambda line: waits.set())):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert waits.wait(60) and not entered.is_set()
    child.stdin.close()
    thread.join(60)
    assert entered.is_set() and child.wait(60) == 0


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
    for wrong, words in (
        ("aa", "2 artifacts"),
        ("ff", "no artifact"),
        ("utpl/aab", "no artifact"),
        ("/etc/aab", "no artifact"),
        ("../seen/aab", "no artifact"),
        ("**/aab", "no artifact"),
        *((nothing, "has no fingerprint, nor its beginning") for nothing in ("", " ", "seen/", "seen/ ")),
    ):
        with pytest.raises(StoreError, match=words):
            store.find(wrong)


def test_remove(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.remove(make(tmp_path))
    assert store.artifacts() == [] and list((tmp_path / ".seals").iterdir()) == []


def test_nothing_behind_a_link_is_deleted(tmp_path: Path) -> None:
    """A folder of the store, or one on the way to it, may be a link to somebody else's files."""
    store, elsewhere = Store(tmp_path / "store"), tmp_path / "elsewhere"
    artifact = make(tmp_path / "store")
    folder = tmp_path / "store" / "seen" / "f00"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    store.remove(artifact)
    assert not folder.exists() and (elsewhere / "a.txt").read_text() == "one" and (elsewhere / NAME).exists()
    folder.parent.rmdir()
    (tmp_path / "other").mkdir()
    elsewhere.rename(tmp_path / "other" / "f00")
    folder.parent.symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="is a link: nothing behind it is deleted"):
        store.remove(artifact)
    assert (tmp_path / "other" / "f00" / NAME).exists()


def test_removing_from_a_read_only_store_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make(tmp_path)

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path).remove(artifact)


def test_only_what_was_an_artifact_is_ours_to_delete(tmp_path: Path) -> None:
    """`store.root` may be a folder with other things in it."""
    for name in ("docs/images", "public/static", "seen/" + "0a" * 16):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "public" / "static" / NAME).write_text('{"name": "an app", "stage": "public"}')
    make(tmp_path)
    edit(tmp_path, lambda m: m.update(host="other"))
    found = {f"{u.stage}/{u.fingerprint}": u.ours for u in Store(tmp_path).unusable()}
    assert found == {"docs/images": False, "public/static": False, "seen/" + "0a" * 16: True, "seen/f00": True}


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


def test_a_file_that_no_artifact_can_have_is_named(tmp_path: Path) -> None:
    (tmp_path / "a\\b.txt").write_text("")
    with pytest.raises(StoreError, match=r"b\.txt: an artifact can have no file of this name"):
        describe_files(tmp_path)
    (tmp_path / "a\\b.txt").rename(tmp_path / "a.txt")
    (tmp_path / "b.txt").symlink_to("a.txt")
    with pytest.raises(StoreError, match=r"b\.txt: a link"):
        describe_files(tmp_path)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    artifact = make(tmp_path)
    with pytest.raises(DataError, match=r"a\.txt"):
        artifact.table("a.txt")


def test_the_newest_is_told_from_what_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call for the newest artifact must not return an older one without a message."""
    store = Store(tmp_path)
    old, new = make(tmp_path, "old", "f00"), make(tmp_path, "new", "f01")
    assert store.newest("seen") == store.find("seen") and store.newest("utpl") is None and not caplog.text
    (new.fetched("a.txt") / NAME).write_text("{}")
    assert store.find("seen").fingerprint == old.fingerprint
    assert f"skipped, though it may be the newest: {tmp_path}/seen/f01" in caplog.text
    (old.fetched("a.txt") / NAME).write_text("{}")
    with pytest.raises(StoreError, match=r"Run again: its stage makes it anew"):
        store.newest("seen")
