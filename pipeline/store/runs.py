"""Records of runs: which artifacts a run made or reused, what `gc` keeps, and lineage without a server."""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
import uuid
from dataclasses import asdict, dataclass, field

from pipeline.errors import StoreError
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

log = logging.getLogger("ezhoi.store")


@dataclass
class RunRecord:
    """One run of the pipeline, kept as `<root>/.runs/<id>.json` and rewritten after every stage."""

    id: str
    profile: str
    started_at: str
    stages: dict[str, str] = field(default_factory=dict)
    """{stage: fingerprint}"""
    hits: list[str] = field(default_factory=list)
    state: str = "running"
    deployment: str = ""
    """Name of the Prefect deployment that ran, or of the command."""
    flow_run: str = ""
    """Id of the Prefect flow run, if there was one."""

    def origin(self) -> dict[str, str]:
        """What an artifact keeps of the run that made it."""
        names = {"run": self.id, "deployment": self.deployment, "flow_run": self.flow_run}
        return {name: value for name, value in names.items() if value}

    def save(self, store: Store) -> None:
        """Write it; in a store that cannot be written a run of hits still works, and leaves no record."""
        try:
            store.write_record(f"{self.id}.json", json.dumps(asdict(self), indent=1))
        except (OSError, StoreError) as error:
            log.warning("run %s leaves no record: %s", self.id, error)


def new(profile: str, *, deployment: str = "", flow_run: str = "") -> RunRecord:
    """A record that starts now."""
    now = dt.datetime.now(dt.UTC)
    return RunRecord(
        id=f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}",
        profile=profile,
        started_at=now.isoformat(),
        deployment=deployment,
        flow_run=flow_run,
    )


def previous(store: Store, record: RunRecord) -> RunRecord | None:
    """The last run before this one of the same deployment and profile that got as far as an artifact."""
    found = [
        r
        for r in records(store)
        if (r.deployment, r.profile) == (record.deployment, record.profile)
        and r.started_at < record.started_at
        and r.stages
    ]
    return found[-1] if found else None


def records(store: Store) -> list[RunRecord]:
    """All run records, oldest first; unreadable ones are left out."""
    found = []
    for text in store.read_records():
        try:
            found.append(RunRecord(**json.loads(text)))
        except (ValueError, TypeError):
            continue
    return sorted(found, key=lambda record: record.started_at)


@dataclass(frozen=True)
class Garbage:
    """What a collection would remove."""

    artifacts: tuple[Artifact, ...]
    work: tuple[str, ...]
    """Fingerprints of interrupted work."""
    bytes: int
    runs: tuple[str, ...]


def garbage(store: Store, *, keep_runs: int, work: bool = False) -> Garbage:
    """Artifacts that none of the last `keep_runs` runs (of each profile) used, and with `work` also interrupted work.

    Interrupted work is what a restart would continue from; work that a process is at is never garbage.
    """
    by_profile: dict[str, list[RunRecord]] = {}
    for record in records(store):
        by_profile.setdefault(record.profile, []).append(record)
    kept = [r for runs in by_profile.values() for r in (runs[-keep_runs:] if keep_runs else [])]
    used = {(stage, fingerprint) for r in kept for stage, fingerprint in r.stages.items()}
    dropped = [r.id for runs in by_profile.values() for r in runs if r not in kept]
    unused = [a for a in store.artifacts() if (a.stage, a.fingerprint) not in used]
    interrupted = store.interrupted() if work else {}
    size = sum(a.manifest.bytes for a in unused) + sum(interrupted.values())
    return Garbage(tuple(unused), tuple(interrupted), size, tuple(dropped))


def collect(store: Store, found: Garbage) -> None:
    """Remove it: artifacts, interrupted work, and the records of runs that are no longer kept."""
    for artifact in found.artifacts:
        store.remove(artifact)
    for fingerprint in found.work:
        store.drop_interrupted(fingerprint)
    for run in found.runs:
        store.remove_record(f"{run}.json")
        shutil.rmtree(store.root / ".runs" / run, ignore_errors=True)  # its pages
