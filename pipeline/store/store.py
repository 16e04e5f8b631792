"""The store of a local folder: look up, work, publish, verify and list artifacts.

    <root>/<stage>/<fingerprint>/{data files, manifest.json}     done, if and only if the manifest exists
    <root>/.work/<fingerprint>/{out, scratch}                    in progress; one writer, who holds <fingerprint>.lock
    <root>/.seals/<fingerprint>.json                             file stats when the digests last held

Publishing renames the whole `out` folder with its manifest in one step, and exchanges it with one that it replaces: a kill
leaves the old state or the new one. An artifact is there only if its manifest can be believed (pipeline/store/manifest.py)
and lies in the folder that it names.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import string
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from pydantic import ValidationError

from pipeline.errors import StoreError
from pipeline.machine.files import atomic
from pipeline.machine.holder import Claimant
from pipeline.outside.parsing import shown
from pipeline.store import checks, digest, leftovers, locks, moments, preview, refusals, seals, trees
from pipeline.store import manifest as manifests
from pipeline.store.artifact import Artifact
from pipeline.store.checks import Unusable
from pipeline.store.exchange import Exchange
from pipeline.store.manifest import NAME, FileRecord, Manifest, ManifestError
from pipeline.store.names import FINGERPRINT, STAGE, is_artifact

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
        """Its place, as people read it."""
        return str(self.root)

    # --- reading -----------------------------------------------------------------------------------------------

    def get(self, stage: str, fingerprint: str) -> Artifact | None:
        """The artifact if its manifest can be believed; its files are not checked."""
        return self.read(stage, fingerprint)[0]

    def read(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if its manifest can be believed, else the reason why not; neither for an artifact that is not there."""
        folder = self.root / stage / fingerprint
        path = folder / NAME
        if not is_artifact(stage, fingerprint):
            return None, []
        try:
            if not S_ISREG(path.lstat().st_mode):
                return None, [f"{path}: a link or the like in place of the file"]
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None, [f"{path}: missing or unreadable"] if folder.is_dir() else []
        except OSError as error:
            return None, [f"{path}: missing or unreadable ({error.strerror})"]
        try:
            return Artifact(folder, manifests.read(content, stage=stage, fingerprint=fingerprint)), []
        except ManifestError as error:
            return None, [f"{path}: {error}"]

    def lookup(self, stage: str, fingerprint: str) -> tuple[Artifact | None, list[str]]:
        """The artifact if it exists and all its files are intact, else what is wrong with it.

        A file is hashed again only if its size, times or inode differ from when it last matched its digest.
        """
        artifact, faults = self.read(stage, fingerprint)
        if artifact is None and not faults and self._aside(stage, fingerprint).exists():
            self._settle(fingerprint)
            artifact, faults = self.read(stage, fingerprint)
        if artifact is not None:
            faults = checks.files(self.root, artifact.manifest, rehash=False)
        return (None, faults) if faults else (artifact, [])

    def faults(self, artifact: Artifact, *, rehash: bool = False) -> list[str]:
        """What is wrong with an artifact: its manifest, its files, and other files in its folder; empty if nothing is."""
        folder = self.root / artifact.stage / artifact.fingerprint
        there, faults = self.read(artifact.stage, artifact.fingerprint)
        if there is None or there.manifest.manifest_digest != artifact.manifest.manifest_digest:
            return faults or [f"{folder / NAME}: missing, or another one by now"]
        return checks.files(self.root, there.manifest, rehash=rehash)

    def artifacts(self, stage: str | None = None) -> list[Artifact]:
        """All published artifacts, oldest first (`moments.order`). StoreError if the store's folders may not be listed."""
        if stage is not None and not STAGE.fullmatch(stage):
            return []
        trees.demand_listable(self.root)
        pattern = f"{stage or '*'}/*/{NAME}"
        found = [self.get(p.parent.parent.name, p.parent.name) for p in self.root.glob(pattern)]
        return sorted(
            (a for a in found if a is not None), key=lambda a: (moments.order(a.manifest.made_at), a.fingerprint)
        )

    def unusable(self, stage: str | None = None) -> list[Unusable]:
        """Folders in the places of artifacts that are none: with a manifest of an earlier version, a damaged one, or none."""
        if stage is not None and not STAGE.fullmatch(stage):
            return []
        folders = sorted(p for p in self.root.glob(f"{stage or '*'}/*") if p.is_dir())
        read = [(folder, *self.read(folder.parent.name, folder.name)) for folder in folders]
        return [checks.unusable(folder, faults[0]) for folder, artifact, faults in read if artifact is None and faults]

    def files_named(self, name: str) -> list[tuple[str, Path]]:
        """(fingerprint, path) of every published file with a name, of any stage."""
        return [(path.parent.name, path) for path in self.root.glob(f"[!.]*/*/{name}")]

    def newest(self, stage: str) -> Artifact | None:
        """The stage's newest artifact that can be used; a warning names others that cannot, of which one may be newer.

        StoreError if there are only such. In a bucket it costs two listings of the stage and two requests a manifest of it.
        """
        found, broken = self.artifacts(stage), self.unusable(stage)
        if broken and not found:
            raise StoreError(f"{broken[0].fault}. Run again: its stage makes it anew.")
        if broken:
            log.warning("skipped, though it may be the newest: %s", "; ".join(one.fault for one in broken))
        return found[-1] if found else None

    def find(self, prefix: str) -> Artifact:
        """The one artifact whose fingerprint, or `stage/fingerprint`, starts so; the name of a stage means its newest."""
        stage, _, start = prefix.rpartition("/")
        if not start.strip():  # every fingerprint starts so
            raise StoreError(f"{shown(prefix)} has no fingerprint, nor its beginning. See `ezhoi artifacts list`.")
        is_stage = not stage and not set(prefix) <= set(string.hexdigits)
        if is_stage and (newest := self.newest(prefix)):
            return newest
        matches = [a for a in self.artifacts(stage or None) if a.fingerprint.startswith(start)]
        if not matches:
            for broken in self.unusable(stage or None):
                if stage in ("", broken.stage) and broken.fingerprint.startswith(start):
                    raise StoreError(f"{broken.fault}. Run again: its stage makes it anew.")
        if len(matches) != 1:
            problem = "no artifact" if not matches else f"{len(matches)} artifacts"
            raise StoreError(
                f"{problem} under {self.place} with fingerprint {shown(prefix)}. See `ezhoi artifacts list`."
            )
        return matches[0]

    # --- writing -----------------------------------------------------------------------------------------------

    @contextmanager
    def workspace(self, fingerprint: str, claimant: Claimant | None = None) -> Iterator[Workspace]:
        """Lock the work in progress on a fingerprint; wait while another process is doing it. `out` starts empty."""
        folder = self.root / ".work" / fingerprint
        with self.writable(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = locks.take(locks.of(folder), claimant)
        assert lock is not None
        try:
            with self.writable(folder):
                self._put_back(fingerprint)
                shutil.rmtree(folder / "out", ignore_errors=True)
                (folder / "out").mkdir(parents=True, exist_ok=True)
                (folder / "scratch").mkdir(exist_ok=True)
            yield Workspace(folder / "out", folder / "scratch")
        finally:
            with contextlib.suppress(OSError):
                if not any((folder / "scratch").iterdir()):  # nothing that a restart could continue from
                    shutil.rmtree(folder)
            with contextlib.suppress(OSError):
                locks.release(locks.of(folder), lock)

    @contextmanager
    def helper_workspace(self, stage: str, fingerprint: str) -> Iterator[Workspace | None]:
        """The folders of a work that another process does, for helping with it; None if no process does.

        They are gone when that process publishes, so that no file can be made in them any more.
        """
        folder = self.root / ".work" / fingerprint
        here = locks.held(locks.of(folder)) and (folder / "scratch").is_dir()
        yield Workspace(folder / "out", folder / "scratch") if here else None

    def exchange(self, fingerprint: str) -> Exchange:
        """The exchange of pieces for an artifact; on one disk nothing has to be handed over."""
        return Exchange()

    def pieces(self, fingerprint: str) -> frozenset[str]:
        """The names of finished pieces of the work on an artifact, here or handed over by other machines."""
        try:
            here = {path.name for path in (self.root / ".work" / fingerprint / "scratch").iterdir()}
        except OSError:
            here = set()
        return self.exchange(fingerprint).names(fresh=True) | here

    def publish(self, workspace: Workspace, manifest: Manifest) -> Artifact:
        """Make the work's `out` folder the artifact, atomically, and delete its scratch folder."""
        manifest = manifest.sealed()
        target = self.root / manifest.stage / manifest.fingerprint
        with self.writable(target):
            with (workspace.out / NAME).open("w", encoding="utf-8") as file:
                file.write(manifest.as_json())
                file.flush()
                os.fsync(file.fileno())
            for record in manifest.files:
                with (workspace.out / record.name).open("rb") as data:
                    os.fsync(data.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            # Damaged, or made again by force: deleting the old one takes time, so it only steps aside.
            if not (target.exists() and trees.swap(workspace.out, target)):
                if target.exists():
                    aside = self._aside(manifest.stage, manifest.fingerprint)
                    shutil.rmtree(aside, ignore_errors=True)
                    aside.parent.mkdir(exist_ok=True)
                    target.rename(aside)
                workspace.out.rename(target)
            trees.sync(target.parent)
        self.forget(manifest.fingerprint)
        artifact = Artifact(target, manifest)
        # Only now: where scratch had hard links to the files, deleting it changed their ctime.
        stamps = {f.name: seals.stamp((target / f.name).lstat(), f.digest) for f in manifest.files}
        seals.write(self.root, manifest.fingerprint, stamps)
        return artifact

    def _aside(self, stage: str, fingerprint: str) -> Path:
        """The place where an artifact waits while another one replaces it, if the two cannot be swapped in one step."""
        return self.root / ".work" / fingerprint / "replaced" / stage

    def _put_back(self, fingerprint: str) -> None:
        """Undo a replacement that a kill interrupted, as the holder of the work's lock: the old artifact is there again."""
        for aside in (self.root / ".work" / fingerprint / "replaced").glob("*"):
            target = self.root / aside.name / fingerprint
            if STAGE.fullmatch(aside.name) and not target.exists():
                aside.rename(target)

    def _settle(self, fingerprint: str) -> None:
        """Put back what a kill left aside, unless a process is working on it or the store is read-only."""
        lock = locks.of(self.root / ".work" / fingerprint)
        with contextlib.suppress(OSError):
            if (held := locks.take(lock, wait=False)) is not None:
                try:
                    self._put_back(fingerprint)
                finally:
                    locks.release(lock, held)

    def forget(self, fingerprint: str) -> None:
        """Delete what is left of the work on a published artifact, in one step, since helpers may be looking at it."""
        folder = self.root / ".work" / fingerprint
        gone = folder.with_name(f"{fingerprint}{leftovers.GONE}{uuid.uuid4().hex[:8]}")
        with contextlib.suppress(OSError):
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def interrupted(self) -> dict[str, int]:
        """{fingerprint: bytes} of work that no process does and a run would continue."""
        folders = [p for p in (self.root / ".work").glob("*") if p.is_dir() and FINGERPRINT.fullmatch(p.name)]
        return {p.name: trees.size(p) for p in folders if not locks.held(locks.of(p))}

    def drop_interrupted(self, fingerprint: str) -> None:
        """Delete interrupted work, unless a run has taken it up."""
        folder = self.root / ".work" / fingerprint
        if not folder.is_dir():
            return
        with self.writable(folder):
            if (lock := locks.take(locks.of(folder), wait=False)) is not None:
                try:
                    self._put_back(fingerprint)
                    self.forget(fingerprint)
                finally:
                    locks.release(locks.of(folder), lock)

    def leftovers(self) -> dict[str, int]:
        """{path below the root: bytes} of files that are of no use to anybody (pipeline/store/leftovers.py)."""
        return leftovers.found(self.root)

    def drop_leftovers(self, names: Iterable[str]) -> None:
        """Delete some of the leftovers, unless somebody uses them by now."""
        leftovers.drop(self.root, names)

    def sweep(self) -> None:
        """Delete what earlier processes left on this machine."""
        leftovers.drop(self.root, leftovers.found(self.root, pages=False))

    def remove(self, artifact: Artifact | Unusable) -> None:
        """Delete an artifact: its manifest first, so that a kill never leaves half of one."""
        folder = self.root / artifact.stage / artifact.fingerprint
        with self.writable(folder):
            if not folder.is_symlink():
                trees.remove(folder / NAME, within=self.root)
            trees.remove(folder, within=self.root)
            seals.remove(self.root, artifact.fingerprint)

    # --- records of runs (pipeline/store/runs.py) ---------------------------------------------------------------

    def write_record(self, name: str, text: str) -> None:
        """Keep the record of a run; OSError if the store cannot be written."""
        path = self.root / ".runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def read_records(self) -> dict[str, bytes | None]:
        """{file name: content} of all records, None for one that cannot be read. StoreError if they cannot be listed."""
        for folder in (self.root, self.root / ".runs"):
            trees.demand_folder(folder)
        found: dict[str, bytes | None] = {}
        for path in (self.root / ".runs").glob("*.json"):
            try:
                found[path.name] = path.read_bytes()
            except OSError:
                found[path.name] = None
        return found

    def remove_record(self, name: str) -> None:
        """Forget the record of a run."""
        self._remove_below(".runs", name)

    def remove_pages(self, run: str) -> None:
        """Delete the pages of a run, which are on this machine."""
        self._remove_below(".runs", run)

    def _remove_below(self, folder: str, name: str) -> None:
        path = self.root / folder / name
        with self.writable(path):
            trees.remove(path, within=self.root)

    def writable(self, path: Path) -> AbstractContextManager[None]:
        """Raise a StoreError that says what to do where the disk refuses to write at `path`."""
        return refusals.explained(self.root, path)


def describe_files(folder: Path, known: Mapping[str, str] | None = None) -> tuple[FileRecord, ...]:
    """Records of all files under a folder: sizes, digests, and rows, columns and first rows of Parquet files.

    A file whose digest is `known` already is not hashed again. StoreError if one is a link or has a name that no file of an
    artifact can have: it could be published but never read.
    """
    records = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / NAME):
        if path.is_symlink():
            raise StoreError(f"{path}: a link; an artifact holds its files itself")
        rows, columns, head = None, None, None
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            parquet = pq.ParquetFile(path)
            rows = parquet.metadata.num_rows
            columns = {field.name: str(field.type) for field in parquet.schema_arrow}
            head = preview.head(path)
        name = str(path.relative_to(folder))
        size, content = path.stat().st_size, (known or {}).get(name) or digest.of_file(path)
        try:
            records.append(FileRecord(name=name, bytes=size, digest=content, rows=rows, columns=columns, head=head))
        except ValidationError:
            raise StoreError(f"{path}: an artifact can have no file of this name") from None
    return tuple(records)
