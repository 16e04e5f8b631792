"""Records of runs: what was asked for, which artifacts a run made or reused, and what came out; without a server.

What `gc` keeps follows from them (`pipeline/store/garbage.py`), and with whom a run is compared (`relative`).
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import uuid
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StoreError
from pipeline.machine import processes
from pipeline.machine.files import said
from pipeline.outside.parsing import first_fault, shown
from pipeline.store.names import Fingerprint, RunId, StageName
from pipeline.store.store import Store

log = logging.getLogger("ezhoi.store")
OTHERS = re.compile(r"(ablation|study|keep)-[a-z0-9_-]+\.json")
"""Names of files beside the records that are none: tables of results, and marks (`pipeline/store/marks.py`)."""
NEWEST = "newest"
"""What names the run that started last."""
USUAL = "the profile's"
"""Stands for the value of a key that a run does not set."""
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
    """Stages that were not computed."""
    reused: list[str] = Field(default_factory=list)
    """Those of them whose artifact was chosen, as the run was told not to compute them."""
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
    setting: str = ""
    """The zero-shot setting; empty in records of earlier versions, as what follows."""
    seed: int | None = None
    changed: dict[str, str] = Field(default_factory=dict)
    """{key: value} of what differs from the profile, but for setting, seed and what only says how to compute."""
    targets: list[StageName] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    """mAP in percent of the run's evaluation: full, seen, unseen, and of what it is compared with."""
    protocol: str = ""
    """Whose rules the metrics were made by."""
    seconds: float | None = None
    """Wall time from start to end."""
    answer: list[str] = Field(default_factory=list)
    """Its last words: is it better than its relative, is it noise, and what was changed."""

    @property
    def status(self) -> str:
        """running, completed, failed, or killed: a run whose process is gone says so nowhere else."""
        return "killed" if self.state == "running" and not self.running() else self.state

    @property
    def complete(self) -> bool:
        """Whether it came to an end and was evaluated."""
        return self.state == "completed" and "evaluation" in self.stages

    @property
    def asked(self) -> dict[str, str]:
        """{key: value} of everything that tells it from another run of its profile, setting and seed first."""
        seed = {} if self.seed is None else {"seed": str(self.seed)}
        return ({"setting": self.setting} if self.setting else {}) | seed | self.changed

    @property
    def words(self) -> str:
        """`uv · seed 5 · disparities.template=contrast-v2`: what was asked for, in a line."""
        parts = [self.setting or "?", *([] if self.seed is None else [f"seed {self.seed}"])]
        return " · ".join([*parts, *(f"{key}={value}" for key, value in self.changed.items())])

    @property
    def name(self) -> str:
        """The same with the deployment or command that ran, and a profile other than the demo's."""
        profile = [] if self.profile == "demo" else [self.profile]
        return " · ".join([self.deployment or "run", *profile, self.words])

    @property
    def line(self) -> str:
        """The run in a line for people: who ran it and when, and its id."""
        return f"{self.deployment or 'the run'} of {self.started_at[:16].replace('T', ' ')} UTC ({self.id})"

    @classmethod
    def asking(cls, profile: str, **known: Any) -> RunRecord:
        """A record of a run that is only thought of: for `distance`, never saved."""
        return cls(id="00000000T000000-000000", profile=profile, started_at="1970-01-01T00:00:00+00:00", **known)

    def how(self, stage: str) -> str:
        """How the run came to a stage's artifact: cached, reused or computed."""
        return "reused" if stage in self.reused else "cached" if stage in self.hits else "computed"

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
            log.warning("run %s leaves no record: %s", self.id, said(error))

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


def new(profile: str, **known: Any) -> RunRecord:
    """A record that starts now; `known` are further fields of it."""
    now = dt.datetime.now(dt.UTC)
    return RunRecord(
        id=f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}",
        profile=profile,
        started_at=now.isoformat(),
        machine=processes.machine(),
        process=processes.current(),
        **known,
    )


def relative(store: Store, record: RunRecord, *, other_than: str | None = None) -> RunRecord | None:
    """The run that this one is to be compared with: of the complete ones before it, the one that differs in the fewest keys.

    Of several the latest, whatever deployment or command made it; of the same profile and zero-shot setting, as another one's
    classes and images are no comparison. With `other_than`, runs with that evaluation are passed over: they are its twins.
    """
    found = [
        r
        for r in records(store)
        if (r.profile, r.setting) == (record.profile, record.setting)
        and (r.started_at, r.id) < (record.started_at, record.id)
        and r.complete
        and r.stages["evaluation"] != other_than
    ]
    return min(reversed(found), key=lambda r: distance(r, record), default=None)


def distance(one: RunRecord, other: RunRecord) -> int:
    """In how many keys two runs differ."""
    missing = object()
    a, b = one.asked, other.asked
    return sum(a.get(key, missing) != b.get(key, missing) for key in a.keys() | b.keys())


def find(store: Store, reference: str) -> RunRecord:
    """The run of an id or its start, of a Prefect flow run, or the `newest`; StoreError if it is none, or several."""
    known, unreadable = read(store)
    if reference == NEWEST and known:
        return known[-1]
    found = [r for r in known if reference and (r.id.startswith(reference) or r.flow_run == reference)]
    if len(found) == 1:
        return found[0]
    if found:
        raise StoreError(f"{store.place} has {len(found)} runs that begin with {reference}, such as {found[-1].id}")
    if reference and (damaged := [line for line in unreadable if f"/.runs/{reference}" in line]):
        raise StoreError(f"the record of the run cannot be read: {damaged[0]}")
    raise StoreError(f"{store.place} has no run {shown(reference)}; `ezhoi runs` lists them")


def records(store: Store) -> list[RunRecord]:
    """All run records, oldest first; unreadable ones are left out."""
    return read(store)[0]


def read(store: Store) -> tuple[list[RunRecord], list[str]]:
    """All run records, oldest first, and a line about each that cannot be read."""
    found, unreadable = [], []
    for name, content in sorted(store.read_records().items()):
        if OTHERS.fullmatch(name):
            continue
        try:
            if content is None:
                raise ValueError("the file cannot be opened")
            record = RunRecord.model_validate_json(content)
            if name != f"{record.id}.json":
                raise ValueError(f"it is the record of another run, {record.id}")
            found.append(record)
        except ValidationError as error:
            unreadable.append(f"{store.place}/.runs/{name}: {first_fault(error)}")
        except ValueError as error:
            unreadable.append(f"{store.place}/.runs/{name}: {error}")
    return sorted(found, key=lambda record: (record.started_at, record.id)), unreadable
