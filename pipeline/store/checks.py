"""What is wrong with artifacts of a local store: files that changed, files that were added, folders that are no artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from pipeline.store import digest, seals, trees
from pipeline.store.manifest import NAME, Manifest
from pipeline.store.names import DIGEST


@dataclass(frozen=True)
class Unusable:
    """A folder in the place of an artifact that is none: its manifest is missing, damaged, or of an earlier version."""

    stage: str
    fingerprint: str
    fault: str
    bytes: int
    ours: bool
    """Whether it surely was an artifact, so that `gc` may delete it."""


def files(root: Path, manifest: Manifest, *, rehash: bool) -> list[str]:
    """What is wrong with an artifact's files, a line for each; without `rehash` a file whose seal holds is not read."""
    folder = root / manifest.stage / manifest.fingerprint
    sealed = {} if rehash else seals.read(root, manifest.fingerprint)
    found: list[str] = []
    now: dict[str, seals.Stamp] = {}
    present = trees.entries(folder)
    for record in manifest.files:
        path, stat = folder / record.name, present.pop(record.name, None)
        if stat is None:
            found.append(f"{path}: missing")
            continue
        now[record.name] = seals.stamp(stat, record.digest)
        if not S_ISREG(stat.st_mode):
            found.append(f"{path}: a link or the like in place of the file")
        elif stat.st_size != record.bytes:
            found.append(f"{path}: damaged, has {stat.st_size} bytes and not {record.bytes}")
        elif sealed.get(record.name) != now[record.name] and (fault := _content_fault(path, record.digest)):
            found.append(f"{path}: {fault}")
    added = sorted(name for name in present if name != NAME)
    found += [f"{folder / name}: was added, the manifest does not list it" for name in added]
    if not found and sealed != now:
        seals.write(root, manifest.fingerprint, now)
    return found


def _content_fault(path: Path, content: str) -> str:
    """What is wrong with a file's content; an error of the disk is a fault of this file and does not stop the others."""
    try:
        return "" if digest.of_file(path) == content else "damaged, its content does not match its digest"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def unusable(folder: Path, fault: str) -> Unusable:
    """The description of a folder `<stage>/<fingerprint>` that is no artifact, with the reason."""
    stage, fingerprint = folder.parent.name, folder.name
    ours = DIGEST.fullmatch(fingerprint) is not None
    if not ours:
        try:
            ours = says_so((folder / NAME).read_bytes(), stage, fingerprint)
        except OSError:
            ours = False
    return Unusable(stage, fingerprint, fault, trees.size(folder), ours)


def says_so(content: bytes, stage: str, fingerprint: str) -> bool:
    """Whether a manifest, however damaged, says that it belongs there; other programs' files have that name too."""
    try:
        value = json.loads(content)
        return bool((value["stage"], value["fingerprint"]) == (stage, fingerprint))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
