"""The manifest: what an artifact is, what it was made from and how. An artifact exists if its manifest does.

A manifest vouches for the files (`digest`, over their digests) and for itself (`manifest_digest`, over everything else in it),
so that an edited number or a shortened list of files is noticed. It is no signature: somebody can write both digests anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.outside.parsing import first_fault
from pipeline.store import digest
from pipeline.store.names import DIGEST, FileName, Fingerprint, StageName, Token, clashes

NAME = "manifest.json"
OWN = "manifest_digest"


class ManifestError(ValueError):
    """A manifest cannot be believed; the message is what follows its path."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FileRecord(_Record):
    """One data file: bytes, digest, and rows, schema and first rows where it is a table."""

    name: FileName
    bytes: int = Field(ge=0)
    digest: str
    rows: int | None = None
    columns: dict[str, str] | None = None
    head: tuple[dict[str, str], ...] | None = None


class InputRecord(_Record):
    """An input as it was used: which artifact, which part of it, and the digest of that part."""

    stage: StageName
    part: tuple[str, ...]
    fingerprint: Fingerprint
    digest: str


class Manifest(_Record):
    """Everything about one artifact. `digest` covers only its files, so equal content has an equal digest."""

    stage: StageName
    version: int
    fingerprint: Fingerprint
    digest: str
    config: dict[str, Any]
    sources: dict[str, str]
    """Digests of the files outside of the store that were read, by key."""
    inputs: tuple[InputRecord, ...]
    files: tuple[FileRecord, ...]
    metrics: dict[str, Any]
    seconds: dict[str, float]
    made_at: str
    host: str
    device: str
    packages: dict[str, str]
    seed: int
    git_commit: str | None
    git_dirty: bool | None
    code: str
    """Digest of the source files that the stage's module imports, directly or indirectly."""
    wall_seconds: float | None = None
    """The seconds of the execution that finished it, without work that an interrupted one had done."""
    data: Token = ""
    """The folder beside the manifest that holds the files; only in object stores."""
    made_by: dict[str, str] = {}
    """The run that computed it: `run` (its record in the store) and, if Prefect ran it, `deployment` and `flow_run`."""
    manifest_digest: str = ""
    """Digest of all other fields, including those of later versions."""

    @field_validator("files")
    @classmethod
    def _side_by_side(cls, files: tuple[FileRecord, ...]) -> tuple[FileRecord, ...]:
        if twice := clashes([NAME, *(f.name for f in files)]):
            raise ValueError(f"the file {twice[0]!r} cannot lie beside the others")
        return files

    def sealed(self) -> Self:
        """The manifest with its own digest, as it is published."""
        content = json.loads(self.model_dump_json(exclude={OWN}))
        return self.model_copy(update={OWN: digest.of_value(content)})

    def as_json(self) -> str:
        """The text of the file."""
        return self.model_dump_json(indent=1)

    def part_digest(self, patterns: Sequence[str]) -> str:
        """Digest of the files that match one of the patterns."""
        return digest.of_files((f.name, f.digest) for f in self.files if any(fnmatch(f.name, p) for p in patterns))

    @property
    def duration(self) -> float:
        """The seconds that the stage took: its wall time, or the sum of its kinds of work where that was not measured."""
        if self.wall_seconds is not None:
            return self.wall_seconds
        return self.seconds.get("wall", sum(self.seconds.values()))

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        return sum(f.bytes for f in self.files)


def read(content: bytes, *, stage: str, fingerprint: str) -> Manifest:
    """The manifest that lies in the folder `<stage>/<fingerprint>`; ManifestError if it cannot be believed."""
    try:
        value = json.loads(content)
        own = value.pop(OWN, "")
        manifest = Manifest.model_validate(value | {OWN: own})
        believed = own == digest.of_value(value)
    except ValidationError as error:
        raise ManifestError(f"unreadable ({first_fault(error)})") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"unreadable ({error})") from None
    if not own:
        raise ManifestError("has no digest of its own: made by an earlier version, or edited")
    if not believed:
        raise ManifestError("was changed after it was written, it does not match its own digest")
    if (manifest.stage, manifest.fingerprint) != (stage, fingerprint):
        raise ManifestError(f"belongs to {manifest.stage}/{manifest.fingerprint}")
    if manifest.digest != digest.of_files((f.name, f.digest) for f in manifest.files):
        raise ManifestError("its digest is not that of the files in its list")
    if not manifest.files:
        raise ManifestError("lists no file")
    if odd := [f.name for f in manifest.files if not DIGEST.fullmatch(f.digest)]:
        raise ManifestError(f"the digest of {odd[0]} is none")
    return manifest


def fingerprint(
    *, stage: str, version: int, config: dict[str, Any], sources: dict[str, str], inputs: Sequence[tuple[str, str]]
) -> str:
    """The name of the artifact that these ingredients make; `inputs` are (stage, digest of the part read)."""
    return digest.of_value(
        {"stage": stage, "version": version, "config": config, "sources": sources, "inputs": sorted(map(list, inputs))}
    )
