"""Descriptions by class with their history: which texts a class had, and which runs used which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import EzhoiError
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord

FILE = "descriptions.parquet"


@dataclass(frozen=True)
class Version:
    """One set of descriptions: artifacts of the same texts are one version."""

    number: int
    """Its number, from 1, in the order in which versions were first made."""
    made_at: str
    fingerprints: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    classes: int


@dataclass(frozen=True)
class Text:
    """A text of a class, and the versions that have it."""

    text: str
    source: str
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Described:
    """The descriptions of a store with their history."""

    versions: tuple[Version, ...] = ()
    classes: Mapping[str, tuple[Text, ...]] | None = None
    """{class: its texts, the newest first}, classes with most texts first."""
    unreadable: tuple[str, ...] = ()
    """Lines about artifacts whose texts cannot be read, with the reason."""


def described(artifacts: Iterable[Artifact], records: Sequence[RunRecord]) -> Described:
    """The history of the descriptions in `artifacts`, oldest first; each set of texts is read once."""
    import pandas as pd

    same: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        content = next((f.digest for f in artifact.manifest.files if f.name == FILE), artifact.digest)
        same.setdefault(content, []).append(artifact)
    versions: list[Version] = []
    tables, unreadable = [], []
    for made in same.values():
        try:
            table = made[0].table(FILE, ["name", "text", "source"])
        except EzhoiError as error:
            unreadable.append(str(error))
            continue
        names = tuple(a.fingerprint for a in made)
        runs = tuple(r for r in records if r.stages.get("descriptions") in names)
        number = len(versions) + 1
        versions.append(Version(number, made[0].manifest.made_at, names, runs, len(table)))
        tables.append(table.astype(str).assign(version=number))
    if not tables:
        return Described(unreadable=tuple(unreadable))
    found: dict[str, list[Text]] = {}
    grouped = pd.concat(tables, ignore_index=True).groupby(["name", "text", "source"], sort=False, as_index=False)
    for row in grouped["version"].agg(tuple).itertuples():
        found.setdefault(str(row.name), []).append(Text(str(row.text), str(row.source), row.version))
    texts = {name: tuple(sorted(own, key=lambda t: -max(t.versions))) for name, own in found.items()}
    ordered = dict(sorted(texts.items(), key=lambda item: (-len(item[1]), item[0])))
    return Described(tuple(versions), ordered, tuple(unreadable))
