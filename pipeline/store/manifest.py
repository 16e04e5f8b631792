"""The manifest: what an artifact is, what it was made from and how. Its presence is what makes an artifact exist."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.store import digest

NAME = "manifest.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FileRecord(_Record):
    """One data file: bytes, digest, and rows, schema and first rows where it is a table."""

    name: str
    bytes: int
    digest: str
    rows: int | None = None
    columns: dict[str, str] | None = None
    head: tuple[dict[str, str], ...] | None = None


class InputRecord(_Record):
    """An input as it was used: which artifact, which part of it, and the digest of that part."""

    stage: str
    part: tuple[str, ...]
    fingerprint: str
    digest: str


class Manifest(_Record):
    """Everything about one artifact. `digest` covers its files alone, so equal content has an equal digest."""

    stage: str
    version: int
    fingerprint: str
    digest: str
    config: dict[str, Any]
    sources: dict[str, str]
    """Digests of the files outside of the store that were read, by config key."""
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
    """Digest of the source files that the stage's module imports, directly and indirectly."""
    wall_seconds: float | None = None
    """How long the execution that finished it took; work that an interrupted one left is not in it."""
    data: str = ""
    """Object stores only: the folder beside the manifest that holds the files."""
    made_by: dict[str, str] = {}
    """The run that computed it: `run` (its record in the store), and `deployment` and `flow_run` if Prefect ran it."""

    def part_digest(self, patterns: Sequence[str]) -> str:
        """Digest of the files that match one of the patterns."""
        return digest.of_files((f.name, f.digest) for f in self.files if any(fnmatch(f.name, p) for p in patterns))

    @property
    def duration(self) -> float:
        """Seconds the stage took: its wall time, or the sum of its kinds of work where that was not measured."""
        if self.wall_seconds is not None:
            return self.wall_seconds
        return self.seconds.get("wall", sum(self.seconds.values()))

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(f.bytes for f in self.files)


def fingerprint(
    *, stage: str, version: int, config: dict[str, Any], sources: dict[str, str], inputs: Sequence[tuple[str, str]]
) -> str:
    """The name of the artifact that these ingredients make; `inputs` are (stage, digest of the part read)."""
    return digest.of_value(
        {"stage": stage, "version": version, "config": config, "sources": sources, "inputs": sorted(map(list, inputs))}
    )
