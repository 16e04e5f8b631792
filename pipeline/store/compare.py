"""What differs between two artifacts, or between an artifact and what a stage would make now, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Literal

from pipeline.store import lineage
from pipeline.store.manifest import InputRecord, Manifest
from pipeline.store.store import Store

UNREAD = "-"
"""Stands for the value of a key that one side does not have."""
Kind = Literal["version", "config", "source", "input", "code", "packages"]


@dataclass(frozen=True)
class Difference:
    """One thing that changed: `name` is a key, an input stage, a package, or the key that names a file."""

    kind: Kind
    name: str
    old: str
    new: str
    note: str = ""

    def __str__(self) -> str:
        says = {
            "version": f"stage version {self.old} -> {self.new}",
            "config": f"{self.name}: {self.old} -> {self.new}",
            "source": f"content of {self.name} changed",
            "input": f"input {self.name} changed",
            "code": f"code {self.old} -> {self.new}",
            "packages": f"package {self.name}: {self.old} -> {self.new}",
        }[self.kind]
        return says + (f" ({self.note})" if self.note else "")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{'model': {'layers': 3}} as {'model.layers': 3}; lists stay values."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _configs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Keys whose values differ; a key that one side lacks shows as '-'."""
    return _values("config", flatten(old), flatten(new))


def _sources(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    """Files outside of the store whose content differs."""
    return _values("source", old, new, shorten=12)


def inputs(old: Sequence[InputRecord], new: Sequence[InputRecord], store: Store) -> list[Difference]:
    """Inputs of which the part that was read differs; the note names the files if both artifacts are still there."""
    before, after = {r.stage: r for r in old}, {r.stage: r for r in new}
    found = []
    for stage in sorted(before.keys() | after.keys()):
        a, b = before.get(stage), after.get(stage)
        if a is None or b is None:
            found.append(Difference("input", stage, a.digest[:12] if a else "-", b.digest[:12] if b else "-"))
        elif a.digest != b.digest:
            found.append(Difference("input", stage, a.digest[:12], b.digest[:12], _changed_files(a, b, store)))
    return found


def with_asked(
    made: Manifest, *, version: int, config: Mapping[str, Any], sources: Mapping[str, str]
) -> list[Difference]:
    """How an artifact differs, its inputs aside, from one of that stage version, configuration and files."""
    found = [] if made.version == version else [Difference("version", made.stage, str(made.version), str(version))]
    return found + _configs(made.config, config) + _sources(made.sources, sources)


def manifests(old: Manifest, new: Manifest, store: Store) -> list[Difference]:
    """Everything that could explain why two artifacts of one stage differ."""
    found = with_asked(old, version=new.version, config=new.config, sources=new.sources)
    found += inputs(old.inputs, new.inputs, store)
    if old.code != new.code:
        commits = f"git {_commit(old)} -> {_commit(new)}"
        found.append(Difference("code", old.stage, old.code[:12], new.code[:12], commits))
    found += _values("packages", old.packages, new.packages)
    return found


def telling(differences: Sequence[Difference]) -> list[Difference]:
    """The differences without keys that name files of other content: what a file holds says more than that it is named."""
    files = {difference.name for difference in differences if difference.kind == "source"}
    return [one for one in differences if one.kind != "config" or one.name not in files]


def files(old: Manifest, new: Manifest) -> list[str]:
    """Names of the data files that only one of the two has, or whose content differs."""
    before, after = {f.name: f.digest for f in old.files}, {f.name: f.digest for f in new.files}
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _values(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any], *, shorten: int = 200) -> list[Difference]:
    missing = object()
    found = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key, missing), new.get(key, missing)
        if a != b:
            texts = [UNREAD if value is missing else str(value)[:shorten] for value in (a, b)]
            found.append(Difference(kind, key, *texts))
    return found


def _changed_files(old: InputRecord, new: InputRecord, store: Store) -> str:
    before, after = lineage.source(old, store), lineage.source(new, store)
    if before is None or after is None:
        return ""
    names = [n for n in files(before.manifest, after.manifest) if any(fnmatch(n, p) for p in new.part)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _commit(manifest: Manifest) -> str:
    return "unknown" if manifest.git_commit is None else manifest.git_commit[:10] + ("+" if manifest.git_dirty else "")
