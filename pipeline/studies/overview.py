"""All that a store holds, for the pages of a site: every run with what became of its artifacts, and what no run refers to.

The store is listed once, and each manifest and each set of texts read once, however many runs use them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store
from pipeline.studies.described import Described, described

Key = tuple[str, str]
"""The key of an artifact: (stage, fingerprint)."""


@dataclass(frozen=True)
class Overview:
    """The content of the store at one moment."""

    records: tuple[RunRecord, ...]
    """Oldest first."""
    unreadable: tuple[str, ...]
    """A line about every record that cannot be read."""
    artifacts: Mapping[Key, Artifact]
    """Oldest first."""
    nearest: Mapping[str, RunRecord]
    """{run: the earlier run with which it is compared}."""
    texts: Described

    def of_stage(self, stage: str) -> list[Artifact]:
        """The artifacts of a stage, oldest first."""
        return [artifact for (own, _), artifact in self.artifacts.items() if own == stage]

    def without_run(self, stage: str) -> list[Artifact]:
        """Artifacts of a stage that no run's record names: the records were removed, or cannot be read."""
        used = {record.stages.get(stage) for record in self.records}
        return [artifact for artifact in self.of_stage(stage) if artifact.fingerprint not in used]


def overview(store: Store) -> Overview:
    """Read what the store holds. StoreError if it may not be listed."""
    records, unreadable = runs.read(store)
    artifacts = {(a.stage, a.fingerprint): a for a in store.artifacts()}
    texts = described([a for (stage, _), a in artifacts.items() if stage == "descriptions"], records)
    return Overview(tuple(records), tuple(unreadable), artifacts, nearest(records), texts)


def nearest(records: Sequence[RunRecord]) -> dict[str, RunRecord]:
    """What `runs.relative` finds for each complete run, {id: record}, the records being oldest first."""
    found: dict[str, RunRecord] = {}
    before: dict[tuple[str, str], list[tuple[RunRecord, dict[str, str]]]] = {}
    for record in records:
        if not record.complete:
            continue
        asked, alike = record.asked, before.setdefault((record.profile, record.setting), [])
        least = None
        for other, theirs in reversed(alike):  # of equally near ones the latest
            if other.stages["evaluation"] == record.stages["evaluation"]:
                continue
            apart = len(dict(asked.items() ^ theirs.items()))
            if least is None or apart < least:
                least, found[record.id] = apart, other
        alike.append((record, asked))
    return found
