"""Records of runs: which artifacts a run made or reused, what `gc` keeps, and lineage without a server.

An artifact is kept if one of the last runs of a profile used it, or a run that is still going on. A record that cannot be
read, damaged or of another version, may name any artifact: then nothing is collected.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import uuid
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StoreError
from pipeline.machine import processes
from pipeline.store.artifact import Artifact
from pipeline.store.checks import Unusable
from pipeline.store.names import Fingerprint, RunId, StageName
from pipeline.store.store import Store

log = logging.getLogger("ezhoi.store")
TABLES = re.compile(r"ablation-[0-9a-f]+\.json")
"""Names of files beside the records that are none: tables of results."""
ELSEWHERE = dt.timedelta(days=7)
"""How long after its last finished stage a run of another machine, which cannot be looked at, counts as running."""


def _moment(text: str) -> str:
    dt.datetime.fromisoformat(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A date and time by ISO 8601."""


class RunRecord(BaseModel):
    """One run of the pipeline, kept as `<root>/.runs/<id>.json` and rewritten after every stage.

    Fields that a later version adds are passed over; what this one knows has to be of the right type.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    id: RunId
    profile: str
    started_at: Moment
    stages: dict[StageName, Fingerprint] = Field(default_factory=dict)
    """{stage: fingerprint}"""
    holds: dict[StageName, Fingerprint] = Field(default_factory=dict)
    """What the run is going to use, {stage: fingerprint}: kept for as long as it runs."""
    hits: list[str] = Field(default_factory=list)
    state: str = "running"
    deployment: str = ""
    """Name of the Prefect deployment that ran, or of the command."""
    flow_run: str = ""
    """Id of the Prefect flow run, if there was one."""
    saved_at: Moment | None = None
    """When the record was last written."""
    machine: str = ""
    """Where the run's process is (`processes.machine`)."""
    process: processes.Process | None = None
    """Which process it is."""

    def origin(self) -> dict[str, str]:
        """What an artifact keeps of the run that made it."""
        names = {"run": self.id, "deployment": self.deployment, "flow_run": self.flow_run}
        return {name: value for name, value in names.items() if value}

    def save(self, store: Store) -> None:
        """Write it; in a store that cannot be written a run of hits still works, and leaves no record."""
        self.saved_at = dt.datetime.now(dt.UTC).isoformat()
        try:
            store.write_record(f"{self.id}.json", self.model_dump_json(indent=1))
        except (OSError, StoreError) as error:
            log.warning("run %s leaves no record: %s", self.id, error)

    def running(self) -> bool:
        """Whether the run is still at it; of another machine's run only the time since its last stage can tell."""
        if self.state != "running":
            return False
        if self.process is not None and self.machine == processes.machine():
            return self.process.alive()
        last = dt.datetime.fromisoformat(self.saved_at or self.started_at)
        if last.tzinfo is None:
            last = last.replace(tzinfo=dt.UTC)
        return dt.datetime.now(dt.UTC) - last < ELSEWHERE


def new(profile: str, *, deployment: str = "", flow_run: str = "") -> RunRecord:
    """A record that starts now."""
    now = dt.datetime.now(dt.UTC)
    return RunRecord(
        id=f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}",
        profile=profile,
        started_at=now.isoformat(),
        deployment=deployment,
        flow_run=flow_run,
        machine=processes.machine(),
        process=processes.current(),
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
    return read(store)[0]


def read(store: Store) -> tuple[list[RunRecord], list[str]]:
    """All run records, oldest first, and a line about each that cannot be read."""
    found, unreadable = [], []
    for name, content in sorted(store.read_records().items()):
        if TABLES.fullmatch(name):
            continue
        try:
            if content is None:
                raise ValueError("the file cannot be opened")
            record = RunRecord.model_validate_json(content)
            if name != f"{record.id}.json":
                raise ValueError(f"it is the record of another run, {record.id}")
            found.append(record)
        except ValidationError as error:
            first = error.errors()[0]
            unreadable.append(f"{store.place}/.runs/{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        except ValueError as error:
            unreadable.append(f"{store.place}/.runs/{name}: {error}")
    return sorted(found, key=lambda record: (record.started_at, record.id)), unreadable


@dataclass(frozen=True)
class Garbage:
    """What a collection would remove."""

    artifacts: tuple[Artifact, ...]
    work: tuple[str, ...]
    """Fingerprints of interrupted work."""
    bytes: int
    """Of everything but records and pages of runs."""
    runs: tuple[str, ...]
    """Runs whose record and pages go."""
    unusable: tuple[Unusable, ...] = ()
    """Folders that no run can use."""
    leftovers: tuple[str, ...] = ()
    """What deletions that were cut left, as paths below the store's root."""
    keep_runs: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.artifacts or self.work or self.runs or self.unusable or self.leftovers)


def garbage(store: Store, *, keep_runs: int, work: bool = False) -> Garbage:
    """Artifacts that neither a running run nor one of the last `keep_runs` of each profile used.

    With `work` also interrupted work, which a restart would continue from; work that a process is at is never garbage.
    StoreError if a record cannot be read.
    """
    kept, dropped = _divide(store, keep_runs)
    used = _used(kept)
    unused = [a for a in store.artifacts() if (a.stage, a.fingerprint) not in used]
    unusable = [u for u in store.unusable() if u.ours and (u.stage, u.fingerprint) not in used]
    interrupted = store.interrupted() if work else {}
    left = store.leftovers()
    size = sum(a.manifest.bytes for a in unused) + sum(u.bytes for u in unusable)
    return Garbage(
        tuple(unused),
        tuple(interrupted),
        size + sum(interrupted.values()) + sum(left.values()),
        tuple(r.id for r in dropped),
        tuple(unusable),
        tuple(left),
        keep_runs,
    )


def collect(store: Store, found: Garbage) -> None:
    """Remove it, but for what a run has begun to use since it was found."""
    used = _used(_divide(store, found.keep_runs)[0])
    things: tuple[Artifact | Unusable, ...] = (*found.artifacts, *found.unusable)
    for thing in things:
        if (thing.stage, thing.fingerprint) not in used:
            store.remove(thing)
    for fingerprint in found.work:
        store.drop_interrupted(fingerprint)
    for run in found.runs:
        store.remove_record(f"{run}.json")
        store.remove_pages(run)
    store.drop_leftovers(found.leftovers)


def _divide(store: Store, keep_runs: int) -> tuple[list[RunRecord], list[RunRecord]]:
    """Runs that are kept, and the others."""
    records, unreadable = read(store)
    if unreadable:
        raise StoreError(
            "nothing was removed: what these runs use is not known, so it might be taken from them.\n  "
            + "\n  ".join(unreadable)
            + "\nIf a newer version wrote them, collect with that one. Delete the files that no run needs, then run it again."
        )
    by_profile: dict[str, list[RunRecord]] = {}
    for record in records:
        by_profile.setdefault(record.profile, []).append(record)
    last = {r.id for found in by_profile.values() for r in (found[-keep_runs:] if keep_runs else [])}
    kept = [r for r in records if r.id in last or r.running()]
    ids = {r.id for r in kept}
    return kept, [r for r in records if r.id not in ids]


def _used(kept: list[RunRecord]) -> set[tuple[str, str]]:
    """What these runs used, and what those of them that still run are going to use."""
    used = {(stage, fingerprint) for r in kept for stage, fingerprint in r.stages.items()}
    return used | {(stage, fingerprint) for r in kept if r.running() for stage, fingerprint in r.holds.items()}
