"""A store in an object store (`s3://bucket/prefix`), which workers on several machines share; read through a local cache.

    <root>/<stage>/<fingerprint>/manifest.json           names the folder of its files; written last, in one request
    <root>/<stage>/<fingerprint>/<token>/{data files}    a folder for each writer, so that two never mix
    <root>/.leases/<fingerprint>/...                     who is working on it, or was (pipeline/store/remote/lease.py)
    <root>/.work/<fingerprint>/...                       finished pieces of that work (pipeline/store/remote/exchange.py)
    <root>/.runs/<run>.json                              records of runs

A manifest is created, or replaces the very one that its writer found. So if two writers believe to be the only one, because
the machine of one slept, the later one is refused. Whatever is listed or read there may come from somebody else: it is parsed
into the types of pipeline/store/names.py before it names a file here.

Files are fetched when they are first read, and checked with their digests before they are used. Each store has a folder under
`store.cache` as cache, which can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.machine.holder import Claimant
from pipeline.machine.home import expanded
from pipeline.store import checks, digest, moments, trees
from pipeline.store import manifest as manifests
from pipeline.store.artifact import Artifact
from pipeline.store.checks import Unusable
from pipeline.store.manifest import NAME, Manifest, ManifestError
from pipeline.store.names import DIGEST, FINGERPRINT, STAGE, is_artifact
from pipeline.store.remote import lease
from pipeline.store.remote.cached import Cache, RemoteArtifact, folder_of
from pipeline.store.remote.exchange import ObjectExchange, lease_of
from pipeline.store.remote.lease import Lease, LostError
from pipeline.store.remote.objects import DamagedError, ObjectFolder
from pipeline.store.store import Store, Workspace

log = logging.getLogger("ezhoi.store")


class RemoteStore(Store):
    """The store at `url`; `root` is its local cache."""

    def __init__(self, url: str, *, cache: Path, ttl: float = lease.TTL_SECONDS) -> None:
        self.url = url.rstrip("/")
        super().__init__(expanded(str(cache)) / digest.of_value(self.url)[:12])
        self.ttl = ttl
        self.objects = ObjectFolder(self.url)
        self.cache = Cache(self.root, self.objects)
        self._leases: dict[str, Lease] = {}
        self._exchanges: dict[str, ObjectExchange] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without connections: another process makes its own."""
        return _reopen, (self.url, self.root.parent, self.ttl)

    @property
    def place(self) -> str:
        return self.url

    # --- reading -----------------------------------------------------------------------------------------------

    def read(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if its manifest can be believed, else the reason why not; neither for an artifact that is not there."""
        if not is_artifact(stage, fingerprint):
            return None, []
        content = self.objects.read(f"{stage}/{fingerprint}/{NAME}")
        return (None, []) if content is None else self._parse(content, stage, fingerprint)

    def lookup(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if it exists and all its files are there in full size.

        Content is checked when it is fetched, and again here where it was damaged then.
        """
        artifact, faults = self.read(stage, fingerprint)
        if artifact is not None:
            faults = self._file_faults(artifact, rehash=False)
        return (None, faults) if faults else (artifact, [])

    def faults(self, artifact: Artifact, *, rehash: bool = False) -> list[str]:
        """What is wrong with an artifact; with `rehash` every file is fetched again and checked."""
        there, faults = self.read(artifact.stage, artifact.fingerprint)
        if there is None or there.manifest.manifest_digest != artifact.manifest.manifest_digest:
            return faults or [
                f"{self.url}/{artifact.stage}/{artifact.fingerprint}/{NAME}: missing, or another one by now"
            ]
        return self._file_faults(artifact, rehash=rehash)

    def _file_faults(self, artifact: Artifact, *, rehash: bool) -> list[str]:
        folder = folder_of(artifact.manifest)
        sizes = self.objects.sizes(folder)
        found = []
        for record in artifact.manifest.files:
            name = f"{self.url}/{folder}/{record.name}"
            size = sizes.pop(f"{folder}/{record.name}", None)
            if size is None:
                found.append(f"{name}: missing")
            elif size != record.bytes:
                found.append(f"{name}: damaged, has {size} bytes and not {record.bytes}")
            elif rehash or self.cache.doubtful(artifact.manifest, record.name):
                try:
                    self.cache.fetch_again(artifact.manifest, record.name)
                except DamagedError as error:
                    found.append(str(error))
        return found + [f"{self.url}/{name}: was added, the manifest does not list it" for name in sorted(sizes)]

    def artifacts(self, stage: str | None = None) -> list[Artifact]:
        """All published artifacts, oldest first."""
        if stage is not None and not STAGE.fullmatch(stage):
            return []
        names = {}
        for name in self.objects.names(stage or ""):
            parts = name.split("/")
            if len(parts) == 3 and parts[2] == NAME and is_artifact(parts[0], parts[1]):
                names[name] = parts
        read = self.objects.read_all(list(names))
        found = [self._parse(content, names[name][0], names[name][1])[0] for name, content in read.items()]
        return sorted(
            (a for a in found if a is not None), key=lambda a: (moments.order(a.manifest.made_at), a.fingerprint)
        )

    def unusable(self, stage: str | None = None) -> list[Unusable]:
        """Folders in the places of artifacts that are none and are not being uploaded just now."""
        if stage is not None and not STAGE.fullmatch(stage):
            return []
        sizes: dict[tuple[str, str], int] = defaultdict(int)
        for name, size in self.objects.sizes(stage or "").items():
            parts = name.split("/")
            if len(parts) > 2 and is_artifact(parts[0], parts[1]) and stage in (None, parts[0]):
                sizes[parts[0], parts[1]] += size
        places = {key: f"{key[0]}/{key[1]}/{NAME}" for key in sorted(sizes)}
        contents = self.objects.read_all(list(places.values()))
        found = []
        for (of, fingerprint), place in places.items():
            content, size = contents.get(place), sizes[of, fingerprint]
            artifact, faults = (None, []) if content is None else self._parse(content, of, fingerprint)
            if artifact is None and self.exchange(fingerprint).over():
                ours = DIGEST.fullmatch(fingerprint) is not None or checks.says_so(content or b"", of, fingerprint)
                fault = faults[0] if faults else f"{self.url}/{place}: missing or unreadable"
                found.append(Unusable(of, fingerprint, fault, size, ours))
        return found

    def files_named(self, name: str) -> list[tuple[str, Path]]:
        """(fingerprint, path) of every published file with a name, of any stage; they are fetched, except damaged ones."""
        found = []
        for artifact in self.artifacts():
            if artifact.names(name):
                try:
                    found.append((artifact.fingerprint, artifact.path(name)))
                except StoreError as error:
                    log.warning("%s", error)
        return found

    # --- writing -----------------------------------------------------------------------------------------------

    @contextmanager
    def workspace(self, fingerprint: str, claimant: Claimant | None = None) -> Iterator[Workspace]:
        """Hold the lease on a fingerprint; wait while another process, here or elsewhere, is working on it."""
        exchange, where = self.exchange(fingerprint), lease_of(fingerprint)
        with (
            super().workspace(fingerprint, claimant) as space,
            lease.claim(self.objects, where, claimant, ttl=self.ttl, watch=exchange.watch) as mine,
        ):
            self._leases[fingerprint] = mine
            try:
                yield Workspace(space.out, space.scratch, exchange)
            finally:
                del self._leases[fingerprint]

    @contextmanager
    def helper_workspace(self, stage: str, fingerprint: str) -> Iterator[Workspace | None]:
        """Folders of this machine for helping with a work that a process here or elsewhere does; None if none does."""
        exchange = self.exchange(fingerprint)
        with super().helper_workspace(stage, fingerprint) as space:
            if space is not None:
                yield Workspace(space.out, space.scratch, exchange)
                return
        if exchange.over():
            yield None
            return
        before = self.get(stage, fingerprint)
        own = f"{fingerprint}-{uuid.uuid4().hex[:8]}"
        with super().workspace(own) as space:
            try:
                yield Workspace(space.out, space.scratch, exchange)
            finally:
                super().forget(own)  # finished pieces wait in the exchange
                with contextlib.suppress(StoreError):
                    # If it was published meanwhile, our last piece may have come after the others were deleted.
                    if self.get(stage, fingerprint) != before:
                        exchange.clear()

    def publish(self, workspace: Workspace, manifest: Manifest) -> Artifact:
        """Upload the work's files, then the manifest in one request, and delete the scratch folder."""
        stage, name = manifest.stage, manifest.fingerprint
        kept = manifest.model_copy(update={"data": uuid.uuid4().hex[:12]}).sealed()
        # Read before the lease is checked: whoever takes it after that check puts another one in its place.
        before = self.objects.read(f"{stage}/{name}/{NAME}")
        self._upload(workspace, kept)
        try:
            if name in self._leases:
                self._leases[name].check()
            self._put_manifest(kept, before)
        except LostError:
            self.objects.delete(self.objects.names(folder_of(kept)))
            raise
        others = [n for n in self.objects.names(f"{stage}/{name}") if n.count("/") > 2 and f"/{kept.data}/" not in n]
        self.objects.delete(others)  # of earlier versions, and what a writer that died had uploaded
        self.cache.take(workspace.out, kept)
        self.forget(name)
        return self._artifact(kept)

    def _upload(self, workspace: Workspace, kept: Manifest) -> None:
        exchange = self.exchange(kept.fingerprint)
        there = set(self.objects.names(f".work/{kept.fingerprint}"))
        for record in kept.files:
            target, piece = f"{folder_of(kept)}/{record.name}", exchange.object_of(record.name, record.digest)
            if piece in there:
                self.objects.copy(piece, target)
            else:
                self.objects.upload(workspace.out / record.name, target)

    def _put_manifest(self, kept: Manifest, before: bytes | None) -> None:
        """Write the artifact's manifest; it replaces one that was there (damaged, or made again by force), if any."""
        place, content = f"{kept.stage}/{kept.fingerprint}/{NAME}", kept.as_json().encode()
        if before is None:
            done = self.objects.create(place, content)
        else:
            done = self.objects.replace(place, content, old=before)
        if not done:
            raise LostError(
                f"{self.url}/{place}: another process published it meanwhile, since this one did not renew its lease for "
                f"{self.ttl:.0f} s. Run again: what the other one made is reused."
            )

    def forget(self, fingerprint: str) -> None:
        """Delete what is left, here and in the object store, of the work on an artifact that is published."""
        self.exchange(fingerprint).clear()
        super().forget(fingerprint)

    def interrupted(self) -> dict[str, int]:
        """{fingerprint: bytes} of work, here and in the object store, that no process does and a run would continue."""
        found = super().interrupted()
        for name, size in self.objects.sizes(".work").items():
            fingerprint = name.split("/")[1]
            if FINGERPRINT.fullmatch(fingerprint):
                found[fingerprint] = found.get(fingerprint, 0) + size
        return {fingerprint: size for fingerprint, size in found.items() if self.exchange(fingerprint).over()}

    def drop_interrupted(self, fingerprint: str) -> None:
        """Delete interrupted work, unless a run has taken it up."""
        if self.exchange(fingerprint).over():
            self.exchange(fingerprint).clear()
            super().drop_interrupted(fingerprint)

    def leftovers(self) -> dict[str, int]:
        """Leftovers on this machine, and leases in the object store that nobody holds and that belong to no artifact."""
        found = super().leftovers()
        sizes = self.objects.sizes()
        parts = {name: name.split("/") for name in sizes if name.count("/") > 1}
        used = {where[1] for where in parts.values() if where[0] != ".leases"}  # an artifact, or work on one
        for name, (top, fingerprint, *_) in parts.items():
            unused = top == ".leases" and fingerprint not in used and FINGERPRINT.fullmatch(fingerprint)
            if unused and not self.exchange(fingerprint).held():
                found[name] = sizes[name]
        return found

    def drop_leftovers(self, names: Iterable[str]) -> None:
        """Delete some of the leftovers, unless somebody uses them by now."""
        names = list(names)
        for fingerprint in {name.split("/")[1] for name in names if name.startswith(".leases/")}:
            lease.forget(self.objects, lease_of(fingerprint))
        super().drop_leftovers(name for name in names if not name.startswith(".leases/"))

    def remove(self, artifact: Artifact | Unusable) -> None:
        """Delete an artifact: its manifest first, so that a kill never leaves half of one."""
        folder = f"{artifact.stage}/{artifact.fingerprint}"
        self.objects.delete([f"{folder}/{NAME}"])
        self.objects.delete(self.objects.names(folder))
        lease.forget(self.objects, lease_of(artifact.fingerprint))
        with contextlib.suppress(OSError):  # of the cache
            trees.remove(self.root / folder, within=self.root)

    # --- records -----------------------------------------------------------------------------------------------

    def write_record(self, name: str, text: str) -> None:
        """Keep the record of a run."""
        self.objects.write(f".runs/{name}", text.encode())

    def read_records(self) -> dict[str, bytes | None]:
        """{file name: content} of all records, None for one that cannot be read."""
        names = [n for n in self.objects.names(".runs") if n.count("/") == 1 and n.endswith(".json")]
        return {name.partition("/")[2]: content for name, content in self.objects.read_all(names).items()}

    def remove_record(self, name: str) -> None:
        """Forget the record of a run."""
        self.objects.delete([f".runs/{name}"])

    def exchange(self, fingerprint: str) -> ObjectExchange:
        """The exchange of pieces for an artifact; there is one for each fingerprint, which remembers what it saw."""
        if fingerprint not in self._exchanges:
            self._exchanges[fingerprint] = ObjectExchange(self.url, fingerprint, ttl=self.ttl)
        return self._exchanges[fingerprint]

    def _parse(self, content: bytes, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        try:
            manifest = manifests.read(content, stage=stage, fingerprint=fingerprint)
            if not manifest.data:
                raise ManifestError("does not say where its files are")
        except ManifestError as error:
            return None, [f"{self.url}/{stage}/{fingerprint}/{NAME}: {error}"]
        return self._artifact(manifest), []

    def _artifact(self, manifest: Manifest) -> RemoteArtifact:
        return RemoteArtifact(self.cache.folder(manifest), manifest, self.cache, self.url)


def _reopen(url: str, cache: Path, ttl: float) -> RemoteStore:
    return RemoteStore(url, cache=cache, ttl=ttl)
