"""A store in an object store (`s3://bucket/prefix`), which workers on several machines share; read through a local cache.

    <root>/<stage>/<fingerprint>/manifest.json           names the folder of its files; written last, in one request
    <root>/<stage>/<fingerprint>/<token>/{data files}    one folder a writer, so that two never mix
    <root>/.leases/<fingerprint>/...                     who is at work on it (pipeline/store/remote/lease.py)
    <root>/.work/<fingerprint>/...                       finished pieces of that work (pipeline/store/exchange.py)
    <root>/.runs/<run>.json                              records of runs

Files are fetched when they are first read, and checked against their digests before they are used. The cache is a folder a
store under `store.cache`; it can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import StoreError
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.exchange import ObjectExchange, lease_of
from pipeline.store.manifest import NAME, Manifest
from pipeline.store.remote import lease
from pipeline.store.remote.lease import Lease
from pipeline.store.remote.objects import ObjectFolder
from pipeline.store.store import Store, Workspace

log = logging.getLogger("ezhoi.store")


@dataclass(frozen=True)
class RemoteArtifact(Artifact):
    """An artifact whose files come here when they are asked for."""

    store: RemoteStore | None = field(default=None, compare=False, repr=False)

    def path(self, name: str) -> Path:
        """Path of one of its files, fetched and checked; StoreError if the object store has it damaged or not at all."""
        path = self._listed(name)
        if self.store is not None:
            self.store.fetch(self, name)
        return path

    @property
    def place(self) -> str:
        """Its address in the object store."""
        address = f"{self.stage}/{self.fingerprint}/{self.manifest.data}"
        return address if self.store is None else f"{self.store.url}/{address}"


class RemoteStore(Store):
    """The store at `url`; `root` is its local cache."""

    def __init__(self, url: str, *, cache: Path, ttl: float = lease.TTL_SECONDS) -> None:
        self.url = url.rstrip("/")
        super().__init__(cache.expanduser() / digest.of_value(self.url)[:12])
        self.ttl = ttl
        self.objects = ObjectFolder(self.url)
        self._here: set[tuple[str, str]] = set()
        self._leases: dict[str, Lease] = {}
        self._exchanges: dict[str, ObjectExchange] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Another process makes its own connections."""
        return _reopen, (self.url, self.root.parent, self.ttl)

    @property
    def place(self) -> str:
        return self.url

    # --- reading -----------------------------------------------------------------------------------------------

    def get(self, stage: str, fingerprint: str) -> Artifact | None:
        """The artifact if its manifest exists and can be read; its files are not checked."""
        content = self.objects.read(f"{stage}/{fingerprint}/{NAME}")
        return None if content is None else self._artifact(content)

    def lookup(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if it exists and all its files are there in full size; their content is checked when fetched."""
        content = self.objects.read(f"{stage}/{fingerprint}/{NAME}")
        if content is None:
            return None, []
        artifact = self._artifact(content)
        if artifact is None:
            return None, [f"{self.url}/{stage}/{fingerprint}/{NAME}: unreadable"]
        faults = self.faults(artifact)
        return (None, faults) if faults else (artifact, [])

    def faults(self, artifact: Artifact, *, rehash: bool = False) -> list[str]:
        """What is wrong with an artifact's files; with `rehash` every file is fetched again and checked."""
        folder = self._folder(artifact.manifest)
        sizes = self.objects.sizes(folder)
        found = []
        for record in artifact.manifest.files:
            name = f"{self.url}/{folder}/{record.name}"
            size = sizes.get(f"{folder}/{record.name}")
            if size is None:
                found.append(f"{name}: missing")
            elif size != record.bytes:
                found.append(f"{name}: damaged, has {size} bytes and not {record.bytes}")
            elif rehash:
                (artifact._folder / record.name).unlink(missing_ok=True)
                self._here.discard((artifact.fingerprint, record.name))
                try:
                    self.fetch(artifact, record.name)
                except StoreError as error:
                    found.append(str(error))
        return found

    def artifacts(self, stage: str | None = None) -> list[Artifact]:
        """All published artifacts, oldest first."""
        names = [n for n in self.objects.names(stage or "") if n.count("/") == 2 and n.endswith(f"/{NAME}")]
        found = [self._artifact(content) for content in self.objects.read_all(names).values()]
        return sorted((a for a in found if a is not None), key=lambda a: (a.manifest.made_at, a.fingerprint))

    def files_named(self, name: str) -> list[tuple[str, Path]]:
        """(fingerprint, path) of every published file of a name, of whatever stage; fetches them, but for damaged ones."""
        found = []
        for artifact in self.artifacts():
            if artifact.names(name):
                try:
                    found.append((artifact.fingerprint, artifact.path(name)))
                except StoreError as error:
                    log.warning("%s", error)
        return found

    def fetch(self, artifact: Artifact, name: str) -> None:
        """Have one file in the cache, intact."""
        key = (artifact.fingerprint, name)
        path = artifact._folder / name
        if key in self._here and path.exists():
            return
        record = next(f for f in artifact.manifest.files if f.name == name)
        if not (path.exists() and path.stat().st_size == record.bytes and digest.of_file(path) == record.digest):
            path.parent.mkdir(parents=True, exist_ok=True)
            remote = f"{self._folder(artifact.manifest)}/{name}"
            try:
                self.objects.download(remote, path, content=record.digest)
            except FileNotFoundError:
                raise StoreError(f"{self.url}/{remote}: missing. Run again: its stage makes it anew.") from None
        self._here.add(key)

    # --- writing -----------------------------------------------------------------------------------------------

    @contextmanager
    def workspace(self, fingerprint: str) -> Iterator[Workspace]:
        """Hold the lease on a fingerprint; waits while another process, here or elsewhere, is at it."""
        exchange = self.exchange(fingerprint)
        with (
            super().workspace(fingerprint) as space,
            lease.held(self.objects, lease_of(fingerprint), ttl=self.ttl, watch=exchange.watch) as mine,
        ):
            self._leases[fingerprint] = mine
            try:
                yield Workspace(space.out, space.scratch, exchange)
            finally:
                del self._leases[fingerprint]

    @contextmanager
    def guest(self, fingerprint: str) -> Iterator[Workspace | None]:
        """Folders of this machine for a work that a process here or elsewhere is at, to help with it; None if nobody is."""
        exchange = self.exchange(fingerprint)
        with super().guest(fingerprint) as space:
            if space is not None:
                yield Workspace(space.out, space.scratch, exchange)
                return
        if not exchange.alive():
            yield None
            return
        own = f"{fingerprint}-{uuid.uuid4().hex[:8]}"
        with super().workspace(own) as space:
            try:
                yield Workspace(space.out, space.scratch, exchange)
            finally:
                super().forget(own)  # finished pieces wait in the exchange
                (self.root / ".work" / f"{own}.lock").unlink(missing_ok=True)

    def publish(self, workspace: Workspace, manifest: Manifest) -> Artifact:
        """Upload the work's files, then the manifest in one request; forget the scratch."""
        stage, name = manifest.stage, manifest.fingerprint
        kept = manifest.model_copy(update={"data": uuid.uuid4().hex[:12]})
        exchange = self.exchange(name)
        there = set(self.objects.names(f".work/{name}"))
        for record in kept.files:
            target, piece = f"{self._folder(kept)}/{record.name}", exchange.object_of(record.name, record.digest)
            if piece in there:
                self.objects.copy(piece, target)
            else:
                self.objects.upload(workspace.out / record.name, target)
        if name in self._leases:
            self._leases[name].check()
        self.objects.write(f"{stage}/{name}/{NAME}", kept.model_dump_json(indent=1).encode())
        others = [n for n in self.objects.names(f"{stage}/{name}") if n.count("/") > 2 and f"/{kept.data}/" not in n]
        self.objects.delete(others)  # of earlier versions, and what a writer that died had uploaded
        artifact = RemoteArtifact(self.root / stage / name / kept.data, kept, self)
        artifact._folder.parent.mkdir(parents=True, exist_ok=True)
        workspace.out.rename(artifact._folder)
        self._here |= {(name, record.name) for record in kept.files}
        self.forget(name)
        return artifact

    def forget(self, fingerprint: str) -> None:
        """Delete what is left of the work on an artifact that is there, here and in the object store."""
        self.exchange(fingerprint).clear()
        super().forget(fingerprint)

    def interrupted(self) -> dict[str, int]:
        """{fingerprint: bytes} of the work that a run would continue and no process is at, here and in the object store."""
        found = super().interrupted()
        for name, size in self.objects.sizes(".work").items():
            fingerprint = name.split("/")[1]
            found[fingerprint] = found.get(fingerprint, 0) + size
        return {fingerprint: size for fingerprint, size in found.items() if self.exchange(fingerprint).over()}

    def drop_interrupted(self, fingerprint: str) -> None:
        """Delete interrupted work, unless a run has taken it up."""
        if self.exchange(fingerprint).over():
            self.exchange(fingerprint).clear()
            super().drop_interrupted(fingerprint)

    def remove(self, artifact: Artifact) -> None:
        """Delete an artifact: its manifest first, so that a kill never leaves half of one."""
        folder = f"{artifact.stage}/{artifact.fingerprint}"
        self.objects.delete([f"{folder}/{NAME}"])
        self.objects.delete(self.objects.names(folder))
        shutil.rmtree(self.root / artifact.stage / artifact.fingerprint, ignore_errors=True)

    # --- records -----------------------------------------------------------------------------------------------

    def write_record(self, name: str, text: str) -> None:
        """Keep the record of a run."""
        self.objects.write(f".runs/{name}", text.encode())

    def read_records(self) -> list[str]:
        """The records of all runs."""
        names = [n for n in self.objects.names(".runs") if n.endswith(".json")]
        return [content.decode(errors="replace") for content in self.objects.read_all(names).values()]

    def remove_record(self, name: str) -> None:
        """Forget the record of a run."""
        self.objects.delete([f".runs/{name}"])

    def exchange(self, fingerprint: str) -> ObjectExchange:
        """How pieces of the work on an artifact reach other machines; one a fingerprint, which remembers what it saw."""
        if fingerprint not in self._exchanges:
            self._exchanges[fingerprint] = ObjectExchange(self.url, fingerprint, ttl=self.ttl)
        return self._exchanges[fingerprint]

    def _artifact(self, content: bytes) -> Artifact | None:
        with contextlib.suppress(ValidationError):
            manifest = Manifest.model_validate_json(content)
            return RemoteArtifact(self.root / self._folder(manifest), manifest, self)
        return None

    def _folder(self, manifest: Manifest) -> str:
        return f"{manifest.stage}/{manifest.fingerprint}/{manifest.data}"


def _reopen(url: str, cache: Path, ttl: float) -> RemoteStore:
    return RemoteStore(url, cache=cache, ttl=ttl)
