"""Fixtures for all tests: the real stage graph over stand-in stages that take no time."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import typer.main
import typer.testing
from hypothesis import HealthCheck, settings

# Test files run side by side; torch threads of several processes would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests start hundreds of processes: what one of them compiles is kept for the next.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import Store, describe_files

# No test is timed: how long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


SERVED = (
    "tests/flows/server/test_prefect_server.py",
    "tests/flows/server/test_profile.py",
    "tests/flows/server/test_reaper.py",
    "tests/flows/test_ablate.py",
    "tests/flows/test_crashes.py",
    "tests/flows/test_demo.py",
    "tests/flows/test_deployments.py",
    "tests/flows/test_docs.py",
    "tests/flows/test_flow.py",
    "tests/flows/test_forks.py",
    "tests/flows/test_predict.py",
    "tests/flows/test_share.py",
    "tests/flows/test_study.py",
    "tests/flows/test_workers.py",
)
"""The files whose tests share a Prefect server and its forks (the fixtures `api` and `forks` of `tests/flows/conftest.py`)."""


MEMORY = Path("/dev/shm")
"""A folder whose files are in memory, which confirms a write at once."""
LIMIT = Path("/sys/fs/cgroup/memory.max")
"""How much memory the container may use, files in memory included; "max" where it has no bound of its own."""
ROOM = 6 << 30
"""Bytes that have to be free there: all tests together write one or two GB."""


def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders are in memory where there is room: the stores in them have a disk confirm thousands of writes.

    Whoever sets TMPDIR has them there: `TMPDIR=/tmp make test` tests on a disk.
    """
    usable = os.access(MEMORY, os.W_OK | os.X_OK) and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    if "TMPDIR" not in os.environ and usable and _room() >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _room() -> int:
    """How many bytes files in memory may take here."""
    limit = LIMIT.read_text().strip() if LIMIT.is_file() else "max"
    free = min(psutil.disk_usage(str(MEMORY)).free, psutil.virtual_memory().available)
    return free if limit == "max" else min(free, int(limit) // 2)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores: what a test waits for, servers and workers, leaves a core to another test."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files side by side, but all that share the Prefect server in one process: there is one server, and one queue of runs."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "served" if file in SERVED else file

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process has it left when the others are done.

    First come the tests of the shared server, then the files with a test that is marked `slow`, then the others.
    """
    files = {item: item.nodeid.split("::", 1)[0] for item in items}
    if outside := {files[item] for item in items if {"api", "forks"} & set(getattr(item, "fixturenames", ()))} - set(
        SERVED
    ):
        raise pytest.UsageError(f"tests of the shared Prefect server in {', '.join(sorted(outside))}: add to SERVED")
    slow = {files[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: 0 if files[item] in SERVED else 1 if files[item] in slow else 2)


@pytest.fixture(scope="session", autouse=True)
def one_command_line() -> Iterator[None]:
    """Typer puts all commands together anew in every call, for a quarter of a second; here it does so once."""
    put_together = functools.cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", put_together)
        patch.setattr(typer.testing, "_get_command", put_together)
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Fills a folder with the store of the small demo, which all processes of the session make once (`shared_demo.py`)."""
    from shared_demo import copying

    own = tmp_path_factory.getbasetemp()
    return copying(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


FAKES = Path(__file__).parent / "flows" / "fake_stages"


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's own locks are not those of the runs that he has beside the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


class FakePipeline:
    """A store and settings under a temporary folder, and a count of what was executed."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.weights = folder / "weights.safetensors"
        self.weights.write_bytes(b"weights")
        # Texts of a model, which the stand-ins do not ask: so that a template is a key that counts.
        self.settings = [f"store.root={self.root}", f"clip.weights={self.weights}", "descriptions.source=llm"]

    def config(self, *settings: str, profile: str = "demo") -> Config:
        """The demo's configuration with this store."""
        return load(profile=profile, overrides=[*self.settings, *settings], environment={})

    def executed(self) -> list[str]:
        """Stages executed since the last call, in order."""
        log = self.root / ".ran"
        if not log.exists():
            return []
        names = log.read_text().split()
        log.unlink()
        return names

    def environment(self, **more: str) -> dict[str, str]:
        """For a new process in which the stand-ins are the stages."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "EZHOI_"))}
        return kept | {"PYTHONPATH": str(FAKES)} | more


@pytest.fixture(scope="session")
def make_fake() -> Callable[[Path, pytest.MonkeyPatch], FakePipeline]:
    """Makes stand-ins (tests/flows/fake_stages) the stages of this process, until the patch is undone."""
    spec = importlib.util.spec_from_file_location("fake_stages", FAKES / "sitecustomize.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(folder: Path, patch: pytest.MonkeyPatch) -> FakePipeline:
        for name in module.STAGES:
            patch.setitem(sys.modules, f"pipeline.stages.{name}", module)
        return FakePipeline(folder)

    return make


@pytest.fixture
def fake(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_fake: Callable[[Path, pytest.MonkeyPatch], FakePipeline],
) -> FakePipeline:
    """All stages of this process are stand-ins."""
    return make_fake(tmp_path, monkeypatch)


@pytest.fixture
def artifact() -> Callable[..., Artifact]:
    """Makes an artifact of the files in a folder and of the given tables."""

    def make(folder: Path, stage: str = "annotations", **tables: pd.DataFrame) -> Artifact:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        return Artifact(folder, manifest_of(folder, stage, stage))

    return make


def manifest_of(folder: Path, stage: str, fingerprint: str) -> Manifest:
    """The manifest of the files in a folder, which were made from nothing."""
    files = describe_files(folder)
    empty = {"config": {}, "sources": {}, "inputs": (), "metrics": {}, "seconds": {}, "packages": {}}
    text = {"made_at": "2026-01-01T00:00:00", "host": "", "device": "cpu", "code": ""}
    unknown = {"git_commit": None, "git_dirty": None, "seed": 0, "version": 1}
    content = digest.of_files((file.name, file.digest) for file in files)
    return Manifest(stage=stage, fingerprint=fingerprint, files=files, digest=content, **empty, **text, **unknown)


@pytest.fixture
def publish() -> Callable[..., Artifact]:
    """Publishes tables and texts, by file name, as an artifact of a store."""

    def make(store: Store, stage: str, fingerprint: str, files: dict[str, pd.DataFrame | str]) -> Artifact:
        with store.workspace(fingerprint) as space:
            for name, content in files.items():
                if isinstance(content, str):
                    (space.out / name).write_text(content)
                else:
                    content.to_parquet(space.out / name, index=False)
            return store.publish(space, manifest_of(space.out, stage, fingerprint))

    return make


@pytest.fixture(scope="session")
def gate() -> Iterator[Any]:
    """The gate before an S3 server with the bucket `bucket`; this process's environment points there."""
    pytest.importorskip("s3fs", reason="needs the extra s3")
    server_of = pytest.importorskip("moto.server", reason="needs moto, an S3 server for tests")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    from s3_gate import Gate

    gate = Gate()
    gate.backend = server.get_host_and_port()
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{gate.server_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv(
            "AWS_MAX_ATTEMPTS", "1"
        )  # we try again by ourselves, and botocore would wait longer than the tests
        patch.setenv("NO_PROXY", "127.0.0.1")
        import boto3

        boto3.client("s3").create_bucket(Bucket="bucket")
        yield gate
    gate.shutdown()
    server.stop()
