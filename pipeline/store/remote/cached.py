"""The files of remote artifacts in a folder of this machine: fetched when they are first read, checked before they are used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.remote.objects import DamagedError, ObjectFolder


def folder_of(manifest: Manifest) -> str:
    """Where an artifact's files are, in the object store and in the cache."""
    return f"{manifest.stage}/{manifest.fingerprint}/{manifest.data}"


class Cache:
    """The cache of files of one object store. Its folder `root` can be deleted at any time."""

    def __init__(self, root: Path, objects: ObjectFolder) -> None:
        self.root, self._objects = root, objects
        self._here: set[tuple[Path, str]] = set()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without connections: another process makes its own."""
        return _reopen, (self.root, self._objects.url)

    def folder(self, manifest: Manifest) -> Path:
        """The folder for the artifact's files."""
        return self.root / folder_of(manifest)

    def fetch(self, manifest: Manifest, name: str) -> None:
        """Fetch one file, intact; DamagedError if the object store has it damaged or not at all.

        That it was damaged is noted, so that the next run on this machine does not find it only where
        it needs it again (`doubtful`).
        """
        path = self.folder(manifest) / name
        record = next(f for f in manifest.files if f.name == name)
        if (path, record.digest) in self._here and path.is_file():
            return
        whole = path.is_file() and not path.is_symlink() and path.stat().st_size == record.bytes
        if not (whole and digest.of_file(path) == record.digest):
            path.parent.mkdir(parents=True, exist_ok=True)
            remote = f"{folder_of(manifest)}/{name}"
            try:
                self._objects.download(remote, path, content=record.digest)
            except FileNotFoundError:
                raise DamagedError(f"{self._objects.url}/{remote}: missing") from None
            except DamagedError:
                _note(path).touch()
                raise
        _note(path).unlink(missing_ok=True)
        self._here.add((path, record.digest))

    def doubtful(self, manifest: Manifest, name: str) -> bool:
        """Whether a file was damaged when it was fetched last: in the object store, or on the way."""
        return _note(self.folder(manifest) / name).exists()

    def fetch_again(self, manifest: Manifest, name: str) -> None:
        """Fetch one file anew, whatever is here; DamagedError as of `fetch`."""
        (self.folder(manifest) / name).unlink(missing_ok=True)
        self.fetch(manifest, name)

    def take(self, folder: Path, manifest: Manifest) -> None:
        """Take the files of a folder, which were just uploaded from here, as fetched."""
        here = self.folder(manifest)
        here.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(here)
        self._here |= {(here / record.name, record.digest) for record in manifest.files}


@dataclass(frozen=True)
class RemoteArtifact(Artifact):
    """An artifact whose files are fetched when they are asked for."""

    cache: Cache | None = field(default=None, compare=False, repr=False)
    url: str = field(default="", compare=False)
    """The address of its store."""

    def path(self, name: str) -> Path:
        """Path of one of its files, fetched and checked; StoreError if the object store has it damaged or not at all."""
        path = self._listed(name)
        if self.cache is not None:
            try:
                self.cache.fetch(self.manifest, name)
            except DamagedError as error:
                raise StoreError(f"{error}. Run again: its stage makes it anew.") from None
        return path

    @property
    def place(self) -> str:
        """Its address in the object store."""
        return f"{self.url}/{folder_of(self.manifest)}"


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.damaged")


def _reopen(root: Path, url: str) -> Cache:
    return Cache(root, ObjectFolder(url))
