"""The store: look up, work, publish, verify, list.

    <root>/<stage>/<fingerprint>/{data files, manifest.json}     done, if and only if the manifest exists
    <root>/.work/<fingerprint>/{out, scratch}                    in progress; one writer, who holds <fingerprint>.lock
    <root>/.seals/<fingerprint>.json                             file stats when the digests last held

Publishing renames the whole `out` folder, manifest included, in one step: a kill leaves the old state or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from pipeline.errors import StoreError
from pipeline.store import digest, preview
from pipeline.store.artifact import Artifact
from pipeline.store.exchange import Exchange
from pipeline.store.manifest import NAME, FileRecord, Manifest

log = logging.getLogger("ezhoi.store")


@dataclass(frozen=True)
class Workspace:
    """The two folders of a stage at work, and how pieces of its scratch reach other machines."""

    out: Path
    scratch: Path
    exchange: Exchange = field(default_factory=Exchange)


class Store:
    """A store under a local folder, made on first use."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.root)

    # --- reading -----------------------------------------------------------------------------------------------

    def get(self, stage: str, fingerprint: str) -> Artifact | None:
        """The artifact if its manifest exists and can be read; its files are not checked."""
        folder = self.root / stage / fingerprint
        try:
            return Artifact(folder, Manifest.model_validate_json((folder / NAME).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValidationError, OSError):
            return None

    def lookup(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if it exists and all its files are intact, and what is wrong with it otherwise.

        A file is hashed again only if its size, time of change or inode differ from when it last matched its digest.
        """
        artifact = self.get(stage, fingerprint)
        if artifact is None:
            broken = (self.root / stage / fingerprint).is_dir()
            return None, [f"{self.root / stage / fingerprint / NAME}: missing or unreadable"] if broken else []
        faults = self.faults(artifact)
        return (None, faults) if faults else (artifact, [])

    def faults(self, artifact: Artifact, *, rehash: bool = False) -> list[str]:
        """What is wrong with an artifact's files, one line a file; empty if nothing is."""
        seals = {} if rehash else self._seals(artifact.fingerprint)
        found, now = [], {}
        for record in artifact.manifest.files:
            path = artifact._folder / record.name
            try:
                stat = path.stat()
            except OSError:
                found.append(f"{path}: missing")
                continue
            now[record.name] = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            if stat.st_size != record.bytes:
                found.append(f"{path}: damaged, has {stat.st_size} bytes and not {record.bytes}")
            elif seals.get(record.name) != now[record.name] and digest.of_file(path) != record.digest:
                found.append(f"{path}: damaged, its content does not match its digest")
        if not found and seals != now:
            self._seal(artifact.fingerprint, now)
        return found

    def artifacts(self, stage: str | None = None) -> list[Artifact]:
        """All published artifacts, oldest first."""
        pattern = f"{stage or '*'}/*/{NAME}"
        found = [self.get(p.parent.parent.name, p.parent.name) for p in self.root.glob(pattern)]
        return sorted((a for a in found if a is not None), key=lambda a: (a.manifest.made_at, a.fingerprint))

    def files_named(self, name: str) -> list[tuple[str, Path]]:
        """(fingerprint, path) of every published file of a name, of whatever stage."""
        return [(path.parent.name, path) for path in self.root.glob(f"[!.]*/*/{name}")]

    def find(self, prefix: str) -> Artifact:
        """The one artifact whose fingerprint, or `stage/fingerprint`, starts so; a bare stage name means its newest."""
        stage, _, start = prefix.rpartition("/")
        matches = [a for a in self.artifacts(stage or None) if a.fingerprint.startswith(start)]
        if not stage and (newest := self.artifacts(prefix)):
            return newest[-1]
        if len(matches) != 1:
            problem = "no artifact" if not matches else f"{len(matches)} artifacts"
            raise StoreError(f"{problem} under {self.place} with fingerprint {prefix!r}. See `ezhoi artifacts list`.")
        return matches[0]

    # --- writing -----------------------------------------------------------------------------------------------

    @contextmanager
    def workspace(self, fingerprint: str) -> Iterator[Workspace]:
        """Lock the work in progress on a fingerprint; waits while another process is at it. `out` starts empty."""
        folder = self.root / ".work" / fingerprint
        with self._writable(folder):
            (folder / "scratch").mkdir(parents=True, exist_ok=True)
            lock = _lock_of(folder).open("a")
        try:
            _wait_for(lock, fingerprint)
            shutil.rmtree(folder / "out", ignore_errors=True)
            with self._writable(folder):
                (folder / "out").mkdir(parents=True, exist_ok=True)
                (folder / "scratch").mkdir(exist_ok=True)
            yield Workspace(folder / "out", folder / "scratch")
        finally:
            with contextlib.suppress(OSError):
                if not any((folder / "scratch").iterdir()):  # nothing that a restart could continue from
                    shutil.rmtree(folder)
            lock.close()

    @contextmanager
    def guest(self, fingerprint: str) -> Iterator[Workspace | None]:
        """The folders of a work that another process is at, to help with it; None if nobody is.

        They are gone when that process publishes: then files in them cannot be made any more.
        """
        folder = self.root / ".work" / fingerprint
        here = _locked(_lock_of(folder)) and (folder / "scratch").is_dir()
        yield Workspace(folder / "out", folder / "scratch") if here else None

    def exchange(self, fingerprint: str) -> Exchange:
        """How pieces of the work on an artifact reach other machines: on one disk they need not."""
        return Exchange()

    def publish(self, workspace: Workspace, manifest: Manifest) -> Artifact:
        """Make the work's `out` folder the artifact, atomically, and forget its scratch."""
        target = self.root / manifest.stage / manifest.fingerprint
        with self._writable(target):
            text = manifest.model_dump_json(indent=1)
            with (workspace.out / NAME).open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            for record in manifest.files:
                with (workspace.out / record.name).open("rb") as data:
                    os.fsync(data.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # damaged, or made again by force: deleting takes time, so it only steps aside first
                shutil.rmtree(workspace.out.parent / "replaced", ignore_errors=True)
                target.rename(workspace.out.parent / "replaced")
            workspace.out.rename(target)
            _sync_folder(target.parent)
        self.forget(manifest.fingerprint)
        artifact = Artifact(target, manifest)
        self._seal_as_is(artifact)
        return artifact

    def forget(self, fingerprint: str) -> None:
        """Delete what is left of the work on an artifact that is there; for guests, who may be looking at it, in one step."""
        folder = self.root / ".work" / fingerprint
        gone = folder.with_name(f"{fingerprint}.gone-{uuid.uuid4().hex[:8]}")
        with contextlib.suppress(OSError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def interrupted(self) -> dict[str, int]:
        """{fingerprint: bytes} of the work that a run would continue and no process is at."""
        folders = [p for p in (self.root / ".work").glob("*") if p.is_dir() and not _locked(_lock_of(p))]
        return {p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in folders}

    def drop_interrupted(self, fingerprint: str) -> None:
        """Delete interrupted work, unless a run has taken it up."""
        folder = self.root / ".work" / fingerprint
        if not folder.is_dir():
            return
        with _lock_of(folder).open("a") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.forget(fingerprint)

    def remove(self, artifact: Artifact) -> None:
        """Delete an artifact: its manifest first, so that a kill never leaves half of one."""
        self._discard(artifact._folder)
        (self.root / ".seals" / f"{artifact.fingerprint}.json").unlink(missing_ok=True)

    def _discard(self, folder: Path) -> None:
        if folder.exists():
            (folder / NAME).unlink(missing_ok=True)
            shutil.rmtree(folder)

    # --- records of runs (pipeline/store/runs.py) ---------------------------------------------------------------

    def write_record(self, name: str, text: str) -> None:
        """Keep the record of a run; OSError if the store cannot be written."""
        path = self.root / ".runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text(text)
        temporary.replace(path)

    def read_records(self) -> list[str]:
        """The records of all runs; unreadable ones are left out."""
        found = []
        for path in (self.root / ".runs").glob("*.json"):
            with contextlib.suppress(OSError):
                found.append(path.read_text())
        return found

    def remove_record(self, name: str) -> None:
        """Forget the record of a run."""
        (self.root / ".runs" / name).unlink(missing_ok=True)

    # --- seals: stats of files whose digests held ---------------------------------------------------------------

    def _seals(self, fingerprint: str) -> dict[str, list[int]]:
        try:
            value = json.loads((self.root / ".seals" / f"{fingerprint}.json").read_text())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def _seal(self, fingerprint: str, stats: dict[str, list[int]]) -> None:
        path = self.root / ".seals" / f"{fingerprint}.json"
        with contextlib.suppress(OSError):  # a read-only store is still readable: it is only slower
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(stats))
            temporary.replace(path)

    def _seal_as_is(self, artifact: Artifact) -> None:
        stats = {f.name: (artifact._folder / f.name).stat() for f in artifact.manifest.files}
        self._seal(artifact.fingerprint, {n: [s.st_size, s.st_mtime_ns, s.st_ino] for n, s in stats.items()})

    @contextmanager
    def _writable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreError(f"no space left for {path}. Free some (`ezhoi artifacts gc`), run again.") from error
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
                raise StoreError(
                    f"the artifact store {self.root} cannot be written ({error.strerror}: {error.filename}). "
                    "Make it writable, or choose another with --set store.root=FOLDER."
                ) from error
            raise


def describe_files(folder: Path) -> tuple[FileRecord, ...]:
    """Records of all files under a folder: sizes, digests, and rows, columns and first rows of Parquet files."""
    records = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != NAME):
        rows, columns, head = None, None, None
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            parquet = pq.ParquetFile(path)
            rows = parquet.metadata.num_rows
            columns = {field.name: str(field.type) for field in parquet.schema_arrow}
            head = preview.head(path)
        name = str(path.relative_to(folder))
        size, content = path.stat().st_size, digest.of_file(path)
        records.append(FileRecord(name=name, bytes=size, digest=content, rows=rows, columns=columns, head=head))
    return tuple(records)


def _wait_for(lock: IO[str], fingerprint: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("artifact %s is being made by another process; waiting for it", fingerprint)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _lock_of(folder: Path) -> Path:
    """The lock of a work's folder."""
    return folder.with_name(f"{folder.name}.lock")


def _locked(lock: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
