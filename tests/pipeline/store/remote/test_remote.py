"""The store in an object store: what a reader sees, what faults and deaths of writers leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.run import run
from pipeline.errors import StoreError
from pipeline.store import digest, garbage, runs
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.opening import store_of
from pipeline.store.remote import lease
from pipeline.store.remote import objects as objects_module
from pipeline.store.remote.objects import ObjectFolder
from pipeline.store.remote.remote import RemoteStore
from pipeline.store.store import describe_files

botocore = pytest.importorskip("botocore.exceptions")
MAKE = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from pipeline.store import digest
    from pipeline.store.manifest import Manifest
    from pipeline.store.remote.remote import RemoteStore
    from pipeline.store.store import describe_files

    def make(store, text, fingerprint="f00"):
        with store.workspace(fingerprint) as space:
            (space.out / "a.txt").write_text(text)
            (space.out / "b.txt").write_text(text * 2)
            files = describe_files(space.out)
            return store.publish(space, Manifest(
                stage="seen", version=1, fingerprint=fingerprint, files=files, config={}, sources={}, inputs=(),
                digest=digest.of_files((f.name, f.digest) for f in files), metrics={}, seconds={}, made_at="2026",
                host="h", device="cpu", packages={}, seed=0, git_commit=None, git_dirty=None, code="c",
            ))
    """
)


def make(store: RemoteStore, text: str = "one", fingerprint: str = "f00") -> Artifact:
    scope: dict[str, Any] = {}
    exec(MAKE, scope)
    artifact: Artifact = scope["make"](store, text, fingerprint)
    return artifact


@pytest.fixture
def url(gate: Any) -> str:
    gate.closed = False
    return f"s3://bucket/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def two(url: str, tmp_path: Path) -> tuple[RemoteStore, RemoteStore]:
    """The same store from two machines, each with a cache of its own."""
    return RemoteStore(url, cache=tmp_path / "one", ttl=2), RemoteStore(url, cache=tmp_path / "other", ttl=2)


def test_what_one_publishes_the_other_reads(two: Any) -> None:
    one, other = two
    assert other.lookup("seen", "f00") == (None, [])
    made = make(one)
    found, faults = other.lookup("seen", "f00")
    assert faults == [] and found is not None and found.manifest == made.manifest
    assert not found._folder.exists(), "nothing is fetched before it is read"
    assert found.path("a.txt").read_text() == "one" and found.names() == ["a.txt", "b.txt"]
    assert [a.fingerprint for a in other.artifacts()] == ["f00"] and other.artifacts("utpl") == []
    assert other.find("seen").fingerprint == "f00"
    assert lease.Watch().look(one.objects, ".leases/f00")[0].held is False, "the lease was let go"


def test_a_folder_is_whole_or_has_what_was_asked_for(two: Any) -> None:
    one, other = two
    made = make(one)
    found = other.get("seen", "f00")
    folder = found.fetched("a.txt")
    assert [p.name for p in folder.iterdir()] == ["a.txt"]
    assert sorted(p.name for p in found.fetched().iterdir()) == ["a.txt", "b.txt"]
    assert found.place == f"{other.url}/seen/f00/{made.manifest.data}"
    one.objects.write(f"seen/f00/{made.manifest.data}/b.txt", b"otherx")
    (folder / "b.txt").unlink()
    with pytest.raises(StoreError, match=r"b\.txt: damaged"):
        found.fetched()


def test_a_file_is_fetched_once(two: Any, gate: Any) -> None:
    one, other = two
    make(one)
    found = other.get("seen", "f00")
    found.path("a.txt")
    gate.seen.clear()
    assert found.path("a.txt").read_text() == "one" and gate.seen == []
    again = RemoteStore(other.url, cache=other.root.parent).get("seen", "f00")
    gate.seen.clear()
    assert again is not None and again.path("a.txt").read_text() == "one" and gate.seen == []


def test_damage_is_named_and_never_used(two: Any) -> None:
    one, other = two
    made = make(one)
    folder = f"seen/f00/{made.manifest.data}"
    one.objects.write(f"{folder}/a.txt", b"onf")
    found, faults = other.lookup("seen", "f00")
    assert faults == [] and found is not None, "the size alone does not tell"
    with pytest.raises(StoreError, match=r"a\.txt: damaged"):
        found.path("a.txt")
    assert "a.txt: damaged" in other.faults(found, rehash=True)[0]
    one.objects.write(f"{folder}/a.txt", b"o")
    assert "1 bytes and not 3" in other.lookup("seen", "f00")[1][0]
    one.objects.delete([f"{folder}/a.txt"])
    assert "a.txt: missing" in other.lookup("seen", "f00")[1][0]
    one.objects.write("seen/f00/manifest.json", b"{")
    assert "manifest.json: unreadable" in other.lookup("seen", "f00")[1][0]
    assert make(other).path("a.txt").read_text() == "one"


def test_what_was_damaged_when_it_was_read_is_looked_at_by_the_next_run(two: Any) -> None:
    """Else every run would find the artifact there, compute what needs it, and end where it reads it."""
    one, other = two
    folder = f"seen/f00/{make(one).manifest.data}"
    one.objects.write(f"{folder}/a.txt", b"onf")
    with pytest.raises(StoreError, match=r"a\.txt: damaged, .* Run again: its stage makes it anew\.$"):
        other.get("seen", "f00").path("a.txt")
    found, faults = RemoteStore(other.url, cache=other.root.parent).lookup("seen", "f00")
    assert found is None and "a.txt: damaged" in faults[0]
    one.objects.write(f"{folder}/a.txt", b"one")  # it was damaged on the way, or somebody has put it right
    for _ in range(2):
        found, faults = other.lookup("seen", "f00")
        assert faults == [] and found is not None and found.path("a.txt").read_text() == "one"


@pytest.mark.parametrize("again", [False, True], ids=["first", "by force"])
def test_a_helper_whose_last_piece_came_too_late_leaves_none(two: Any, again: bool) -> None:
    """It computes a shard that the publisher makes as well; the publisher is done before, and has cleared the pieces."""
    one, other = two
    if again:
        make(one, "old")
    with one.workspace("f00"), other.helper_workspace("seen", "f00") as space:
        (space.scratch / "a.parquet").write_bytes(b"four")
        space.exchange.offer(space.scratch / "a.parquet")
    assert len(one.objects.names(".work")) == 1, "nothing was published meanwhile: whoever goes on needs it"
    holding = one.workspace("f00")
    with holding, other.helper_workspace("seen", "f00") as space:
        holding.__exit__(None, None, None)
        make(one, "new")
        assert one.objects.names(".work") == []
        (space.scratch / "b.parquet").write_bytes(b"four")
        space.exchange.offer(space.scratch / "b.parquet")
    assert one.objects.names(".work") == []
    assert other.lookup("seen", "f00")[0].path("a.txt").read_text() == "new"


def test_a_damaged_local_copy_is_fetched_again(two: Any) -> None:
    one, other = two
    make(one)
    path = other.get("seen", "f00").path("a.txt")
    path.write_text("xxx")
    assert RemoteStore(other.url, cache=other.root.parent).get("seen", "f00").path("a.txt").read_text() == "one"  # type: ignore[union-attr]


BOTOCORES_TRIES = 5
"""How often s3fs's own client asks before it gives up."""


def closed_for(gate: Any, *, requests: int) -> None:
    """The gate is closed until it has refused so many requests."""
    gate.closed, gate.refused = True, 0

    def open_it() -> None:
        while gate.refused < requests:
            time.sleep(0.01)
        gate.closed = False

    threading.Thread(target=open_it, daemon=True).start()


def test_the_store_is_away_for_a_while(two: Any, gate: Any) -> None:
    one, other = two
    make(one)
    closed_for(gate, requests=BOTOCORES_TRIES + 1)
    found, _ = other.lookup("seen", "f00")
    assert found is not None and gate.refused > BOTOCORES_TRIES
    closed_for(gate, requests=2)
    assert make(other, "two", "f01").path("b.txt").read_text() == "twotwo"
    assert one.lookup("seen", "f01")[0] is not None


def test_a_store_that_stays_away_is_one_error(two: Any, gate: Any) -> None:
    one, _ = two
    one.objects.patience = 1.0
    gate.closed = True
    with pytest.raises(StoreError, match="does not answer as it should"):
        one.lookup("seen", "f00")
    gate.closed = False


@pytest.mark.parametrize(
    "fault",
    [
        botocore.NoCredentialsError(),
        botocore.ProfileNotFound(profile="nobody"),
        botocore.NoRegionError(),
        botocore.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        botocore.ParamValidationError(report="Bucket: no name"),
        botocore.InvalidRetryModeError(provided_retry_mode="x", valid_modes=["standard"]),
        botocore.UnauthorizedSSOTokenError(),
    ],
)
def test_missing_credentials_are_an_error_at_once(two: Any, fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated request would find no credentials either, so there is one alone."""
    one, asked = two[0], []

    def refuse(*given: Any, **named: Any) -> None:
        asked.append(given)
        raise fault

    monkeypatch.setattr(one.objects.files, "cat_file", refuse)
    with pytest.raises(StoreError, match=r"AWS_\* variables"):
        one.objects.read("x")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        botocore.EndpointConnectionError(endpoint_url="x"),
        botocore.ReadTimeoutError(endpoint_url="x"),
        botocore.ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
        botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        botocore.CredentialRetrievalError(provider="assume-role", error_msg="timed out"),
        botocore.MetadataRetrievalError(error_msg="timed out"),
        botocore.TokenRetrievalError(provider="sso", error_msg="timed out"),
        botocore.FlexibleChecksumError(error_msg="the checksum did not match"),
    ],
)
def test_what_may_pass_is_asked_for_again_and_told(
    two: Any, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, asked = two[0], []

    def answer(*given: Any, **named: Any) -> bytes:
        asked.append(given)
        if len(asked) < 2:
            raise fault
        return b"there"

    monkeypatch.setattr(one.objects.files, "cat_file", answer)
    monkeypatch.setattr(objects_module, "TOLD", 2)
    assert one.objects.read("x") == b"there" and len(asked) == 2
    assert "does not answer; it is asked again" in caplog.text and "stamina" not in caplog.text


def test_a_writer_that_dies_half_way_leaves_nothing_that_counts(two: Any, tmp_path: Path) -> None:
    """Killed after the first file's upload: no artifact, the lease runs out, the next one makes it and cleans up."""
    one, other = two
    make(one, "old")
    code = f"""
store = RemoteStore({one.url!r}, cache=Path({str(tmp_path / "third")!r}), ttl=2)
upload = store.objects.upload
def deadly(path, name):
    upload(path, name)
    os.kill(os.getpid(), signal.SIGKILL)
store.objects.upload = deadly
make(store, "new", sys.argv[1])
"""
    for fingerprint in ("f00", "f01"):
        subprocess.run([sys.executable, "-c", MAKE + code, fingerprint], timeout=120)
    assert other.lookup("seen", "f00")[0].path("a.txt").read_text() == "old"
    assert other.lookup("seen", "f01") == (None, []) and len(other.objects.names("seen/f01")) == 1
    start = time.monotonic()
    assert make(other, "new", "f01").path("a.txt").read_text() == "new"
    assert time.monotonic() - start >= 1.5, "the dead writer's lease was respected until it ran out"
    assert len(other.objects.names("seen/f01")) == 3 and not other.exchange("f01").held()


def test_one_writer_at_a_time_and_a_living_one_is_waited_for(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = two
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.2)
    order: list[str] = []

    def second() -> None:
        with other.workspace("f00"):
            order.append("second")

    with one.workspace("f00"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3)  # half as long again as a lease lasts that is not renewed
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_of_several_that_try_at_once_one_takes_the_lease(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.05)
    objects, inside, most = ObjectFolder(url), [0], [0]

    def enter() -> None:
        with lease.claim(objects, ".leases/x", ttl=10):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] and not any(t.is_alive() for t in threads)


def test_who_lost_the_lease_does_not_publish(two: Any) -> None:
    one, other = two
    with pytest.raises(StoreError, match="was taken over"), one.workspace("f00") as space:
        (space.out / "a.txt").write_text("slow")
        one._leases["f00"]._stop.set()  # as if the machine had slept
        make(other, "fast")
        files = describe_files(space.out)
        manifest = other.get("seen", "f00").manifest
        one.publish(space, Manifest(**{**manifest.model_dump(), "files": files, "digest": digest.of_files([])}))
    assert one.get("seen", "f00").path("a.txt").read_text() == "fast"


def test_files_of_a_name_are_found_wherever_they_were_made(two: Any, caplog: pytest.LogCaptureFixture) -> None:
    one, other = two
    make(one, "one", "f00")
    make(one, "two", "f01")
    assert [(f, p.read_text()) for f, p in other.files_named("a.txt")] == [("f00", "one"), ("f01", "two")]
    assert other.files_named("c.txt") == []
    (stored,) = [n for n in one.objects.names("seen/f00") if n.endswith("/b.txt")]
    one.objects.write(stored, b"torn")
    assert [f for f, _ in other.files_named("b.txt")] == ["f01"] and "damaged" in caplog.text


def test_remove_and_records(two: Any) -> None:
    one, other = two
    record = runs.new("demo", deployment="full")
    record.stages["seen"] = "f00"
    record.state = "completed"
    record.save(one)
    make(one)
    assert runs.records(other) == [record]
    other.remove(other.get("seen", "f00"))
    assert one.artifacts() == [] and one.objects.names("seen") == []
    garbage.collect(other, garbage.garbage(other, keep_runs=0))
    assert runs.records(one) == []


def test_the_pipeline_over_an_object_store_equals_the_local_one(fake: Any, url: str, tmp_path: Path) -> None:
    local = run(fake.config())
    fake.executed()
    settings = (f"store.root={url}", f"store.cache={tmp_path / 'cache'}")
    away = run(fake.config(*settings))
    assert {n: o.artifact.digest for n, o in away.items()} == {n: o.artifact.digest for n, o in local.items()}
    assert {n: o.artifact.fingerprint for n, o in away.items()} == {n: o.artifact.fingerprint for n, o in local.items()}
    again = run(fake.config(f"store.root={url}", f"store.cache={tmp_path / 'another'}"))
    assert all(o.hit for o in again.values())
    store = store_of(fake.config(*settings))
    assert isinstance(store, RemoteStore) and store.place == url


def test_an_address_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.root = nonsense://x"):
        RemoteStore("nonsense://x", cache=tmp_path)


def test_a_folder_that_appears_while_it_is_listed_is_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ObjectFolder(f"file://{tmp_path}")
    folder = f"{tmp_path}/.leases/f00"
    # What s3fs answers if another process creates the first object between its listing and its look at the name itself.
    found = {folder: {"name": folder, "size": 0, "type": "directory"}}
    monkeypatch.setattr(type(objects.files), "find", lambda *arguments, **options: found)
    assert objects.names(".leases/f00") == []


SLEEPER = """
store = RemoteStore(sys.argv[1], cache=Path(sys.argv[2]), ttl=2)
asleep = sys.argv[3]

def fall_asleep():
    print("tired", flush=True)
    sys.stdin.readline()

with store.workspace("f00") as space:
    held = store._leases["f00"]
    if asleep == "after the check":
        check = held.check
        held.check = lambda: (check(), fall_asleep())
    (space.out / "a.txt").write_text("slow")
    files = describe_files(space.out)
    if asleep == "before the check":
        fall_asleep()
    store.publish(space, Manifest(
        stage="seen", version=1, fingerprint="f00", files=files, config={}, sources={}, inputs=(),
        digest=digest.of_files((f.name, f.digest) for f in files), metrics={}, seconds={}, made_at="2026",
        host="h", device="cpu", packages={}, seed=0, git_commit=None, git_dirty=None, code="c",
    ))
"""


@pytest.mark.parametrize("before", ["nothing", "an artifact that is replaced"])
@pytest.mark.parametrize("asleep", ["before the check", "after the check"])
def test_a_machine_that_slept_does_not_publish_over_its_successor(
    two: Any, tmp_path: Path, asleep: str, before: str
) -> None:
    """A suspended process: it wakes after another one took the lease, published and let it go."""
    one, other = two
    if before != "nothing":
        make(one, "old")
    command = [sys.executable, "-c", MAKE + SLEEPER, one.url, str(tmp_path / "sleeper"), asleep]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "tired\n"
        os.kill(child.pid, signal.SIGSTOP)
        made = make(other, "fast")
        os.kill(child.pid, signal.SIGCONT)
        time.sleep(1)  # several times as long as a renewal takes to come
        _, said = child.communicate("\n", timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 1 and "LostError" in said and "Run again" in said
    found, faults = RemoteStore(one.url, cache=tmp_path / "reader").lookup("seen", "f00")
    assert faults == [] and found is not None and found.manifest == made.manifest
    assert found.path("a.txt").read_text() == "fast"
    assert len(one.objects.names("seen/f00")) == 3, "what the sleeper uploaded is gone"
    assert not one.exchange("f00").held(), "the sleeper left the lease alone"


def edited(store: RemoteStore, content: Any, place: str = "seen/f00/manifest.json") -> None:
    """Put another manifest there, with a digest of its own that holds."""
    content.pop("manifest_digest", None)
    store.objects.write(place, json.dumps(content | {"manifest_digest": digest.of_value(content)}).encode())


@pytest.mark.parametrize(
    "name",
    ["../../../../../.bashrc", "/tmp/ezhoi-escaped", "a/../../x", "..", "", "a\\b", "a\0b", "manifest.json", "x" * 300],
)
def test_a_manifest_of_a_stranger_writes_nowhere(two: Any, tmp_path: Path, name: str) -> None:
    """The bucket is shared: a manifest there may name any file. It is none, so its stage is computed again."""
    one, other = two
    made = make(one)
    content = json.loads(one.objects.read("seen/f00/manifest.json"))
    content["files"][0]["name"] = name
    content["digest"] = digest.of_files((f["name"], f["digest"]) for f in content["files"])
    edited(one, content)
    assert other.get("seen", "f00") is None and other.artifacts() == []
    assert "manifest.json: unreadable (files" in other.lookup("seen", "f00")[1][0]
    assert not any(path.is_file() for path in tmp_path.glob("other/**/*"))
    assert make(other, "new").manifest.data != made.manifest.data and other.lookup("seen", "f00")[1] == []


@pytest.mark.parametrize(
    ("field", "value"), [("data", ""), ("data", "../.."), ("data", "/tmp"), ("stage", ".."), ("fingerprint", "..")]
)
def test_no_field_of_a_manifest_leads_out_of_the_cache(two: Any, field: str, value: str) -> None:
    one, other = two
    make(one)
    content = json.loads(one.objects.read("seen/f00/manifest.json"))
    edited(one, content | {field: value})
    assert other.get("seen", "f00") is None
    with pytest.raises(StoreError, match=r"manifest\.json: (unreadable|belongs to|does not say)"):
        other.find("seen")


def test_objects_of_strangers_name_no_folder(two: Any, tmp_path: Path) -> None:
    """Names under `.work`, `.leases` and `.runs` become folders here only if they are ours."""
    one, other = two
    other.root.mkdir(parents=True)
    kept = other.root / "kept.txt"
    kept.write_text("mine")
    make(one)
    for name in (".work/../evil", ".work/.../x", ".work/UP/x", ".leases/..%2f/000001", ".runs/../../x.json"):
        one.objects.write(name, b"{}")
    assert set(other.interrupted()) == set()
    assert other.read_records() == {}
    assert other.exchange("f00").names(fresh=True) == frozenset()
    one.objects.write(".work/f00/..~" + "0" * 24, b"x")
    one.objects.write(".work/f00/a\\b~" + "0" * 24, b"x")
    one.objects.write(".work/f00/model~latest", b"x")
    assert other.exchange("f00").names(fresh=True) == frozenset()
    assert kept.read_text() == "mine"


def test_a_manifest_is_checked_by_every_read(two: Any) -> None:
    one, other = two
    make(one)
    place = "seen/f00/manifest.json"
    whole = json.loads(one.objects.read(place))
    for wrong in (
        whole | {"metrics": {"unseen": 99.9}},
        whole | {"files": []},
        {k: v for k, v in whole.items() if k != "manifest_digest"},
    ):
        one.objects.write(place, json.dumps(wrong).encode())
        assert other.get("seen", "f00") is None and other.artifacts() == []
        found, faults = other.lookup("seen", "f00")
        assert found is None and "manifest.json" in faults[0]
        with pytest.raises(StoreError, match=r"manifest\.json"):
            other.find("seen/f00")
        assert [u.fingerprint for u in other.unusable()] == ["f00"]
    one.objects.write(place, json.dumps(whole).encode())
    assert other.get("seen", "f00") is not None, "only the wrong ones are refused"


def test_a_file_in_the_cache_is_of_one_digest(two: Any) -> None:
    """Another manifest may name the same file with another content."""
    one, other = two
    made = make(one)
    assert other.get("seen", "f00").path("a.txt").read_text() == "one"
    content = json.loads(one.objects.read("seen/f00/manifest.json"))
    content["files"][0]["digest"] = "0" * 32
    content["digest"] = digest.of_files((f["name"], f["digest"]) for f in content["files"])
    edited(one, content)
    assert other.get("seen", "f00").manifest.data == made.manifest.data
    with pytest.raises(StoreError, match=r"a\.txt: damaged"):
        other.get("seen", "f00").path("a.txt")


def test_a_file_that_was_added_is_named(two: Any) -> None:
    one, other = two
    made = make(one)
    one.objects.write(f"seen/f00/{made.manifest.data}/c.txt", b"x")
    assert "c.txt: was added" in other.lookup("seen", "f00")[1][0]


def test_gc_removes_what_is_of_no_use_and_not_what_is_being_uploaded(two: Any) -> None:
    one, other = two
    make(one, fingerprint="f00")
    content = json.loads(one.objects.read("seen/f00/manifest.json"))
    del content["manifest_digest"]
    one.objects.write("seen/f00/manifest.json", json.dumps(content).encode())
    whole = "0123456789abcdef0123456789abcdef"
    with one.workspace(whole):
        one.objects.write(f"seen/{whole}/0a0b/half.txt", b"x")
        found = garbage.garbage(other, keep_runs=0)
        assert [u.fingerprint for u in found.unusable] == ["f00"] and not found.artifacts
        garbage.collect(other, found)
        assert one.objects.names("seen") == [f"seen/{whole}/0a0b/half.txt"]
    found = garbage.garbage(other, keep_runs=0)
    assert [u.fingerprint for u in found.unusable] == [whole]
    garbage.collect(other, found)
    assert one.objects.names("seen") == []
    garbage.collect(other, garbage.garbage(other, keep_runs=0))
    assert one.objects.names("") == [], "leases on what is not there are forgotten too"


def test_of_what_is_read_whole_a_bound_is_read(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest, a record or a lease of gigabytes fills no memory: it is none of ours."""
    from pipeline.store.remote import objects

    one, other = two
    made = make(one)
    monkeypatch.setattr(objects, "LARGEST", 8192)
    for name in ("seen/f01/manifest.json", ".runs/20260131T120000-0a1b2c.json", ".leases/f01/000001"):
        other.objects.write(name, b" " * 10_000 + b"{}")
        assert other.objects.read(name) == b" " * 8192
    found, faults = other.lookup("seen", "f00")
    assert [a.manifest for a in other.artifacts()] == [made.manifest] and found is not None and faults == []
    assert "unreadable" in other.read("seen", "f01")[1][0]
    assert len(runs.read(other)[1]) == 1
    other.objects.write("empty", b"")
    assert other.objects.read("empty") == b"" and other.objects.read_all(["empty", "none"]) == {"empty": b""}


def test_a_record_with_a_process_that_cannot_be(two: Any) -> None:
    one, _ = two
    record = runs.new("demo")
    told = json.loads(record.model_dump_json())
    for number in (-1, 2**31, 2**70):
        told["process"]["pid"] = number
        one.objects.write(f".runs/{record.id}.json", json.dumps(told).encode())
        assert [r.running() for r in runs.records(one)] == [False]
        assert garbage.garbage(one, keep_runs=1).runs == ()


def test_the_newest_of_a_stage_reads_no_other_stages_manifests(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared bucket has thousands, each of them a request."""
    one, other = two
    make(one)
    original, asked = ObjectFolder.read_all, []

    def read_all(self: ObjectFolder, names: list[str]) -> dict[str, bytes]:
        asked.extend(names)
        return original(self, names)

    monkeypatch.setattr(ObjectFolder, "read_all", read_all)
    assert other.newest("utpl") is None and asked == []
    assert other.find("seen").fingerprint == "f00" and set(asked) == {"seen/f00/manifest.json"}
