"""Records of runs: what was asked for, which artifacts a run made or reused, and what came out; without a server.

They determine what `gc` keeps (`pipeline/store/garbage.py`), and the run with which another one is compared (`relative`).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import uuid
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StoreError
from pipeline.machine import processes
from pipeline.machine.files import said
from pipeline.outside.parsing import first_fault, shown
from pipeline.store import digest, moments
from pipeline.store.moments import Moment
from pipeline.store.names import Fingerprint, RunId, StageName
from pipeline.store.store import Store

log = logging.getLogger("ezhoi.store")
OTHERS = re.compile(r"(ablation|study|keep)-[a-z0-9_-]+\.json")
"""Names of files beside the records: tables of results, and marks (`pipeline/store/marks.py`)."""
NEWEST = "newest"
"""The name of the run that started last."""
USUAL = "the profile's"
"""Stands for the value of a key that a run does not set."""
ELSEWHERE = dt.timedelta(days=7)
"""How long a run of another machine, whose process cannot be checked, counts as running after its last finished stage."""

Percent = Annotated[float, Field(ge=0, le=100 + 1e-6)]
"""A mAP; means are rounded, which may put 100 slightly above it."""


class RunRecord(BaseModel):
    """One run of the pipeline, kept as `<root>/.runs/<id>.json` and rewritten after every stage.

    Fields that a later version adds are ignored; those that this version knows must have the right type. In the file stands a
    digest of all the others, so that a record that was damaged or edited is none; those of earlier versions have none.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    id: RunId
    profile: str
    started_at: Moment
    stages: dict[StageName, Fingerprint] = Field(default_factory=dict)
    """{stage: fingerprint}"""
    holds: dict[StageName, Fingerprint] = Field(default_factory=dict)
    """What the run is going to use, {stage: fingerprint}; it is kept as long as the run lasts."""
    hits: list[str] = Field(default_factory=list)
    """Stages that were not computed."""
    reused: list[str] = Field(default_factory=list)
    """Those of them that the run was told not to compute, whose artifact was chosen."""
    state: str = "running"
    deployment: str = ""
    """The name of the Prefect deployment or of the command that ran."""
    flow_run: str = ""
    """The id of the Prefect flow run, if there was one."""
    saved_at: Moment | None = None
    """When the record was last written."""
    machine: str = ""
    """The machine of the run's process (`processes.machine`)."""
    process: processes.Process | None = None
    """The run's process."""
    setting: str = ""
    """The zero-shot setting; it is empty in records of earlier versions, and so are the fields that follow."""
    seed: int | None = None
    changed: dict[str, str] = Field(default_factory=dict)
    """{key: value} of what differs from the profile, without setting, seed and keys that only say how to compute."""
    targets: list[StageName] = Field(default_factory=list)
    metrics: dict[str, Percent] = Field(default_factory=dict)
    """The mAP in percent of the run's evaluation: full, seen, unseen, and those of the models beside it."""
    protocol: str = ""
    """The protocol of the metrics."""
    made_of: str = ""
    """What the evaluation was made of, whatever the seed (`lineage.made_of`): with another version of the project or another
    content of a file, runs that ask for the same are no repetition of each other."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """The wall time from start to end in seconds."""
    answer: list[str] = Field(default_factory=list)
    """Its last lines: whether it is better than its relative, whether that is noise, and what was changed."""

    @property
    def status(self) -> str:
        """running, completed, failed, or killed, which is a run whose process is gone although its record says running."""
        return "killed" if self.state == "running" and not self.running() else self.state

    @property
    def complete(self) -> bool:
        """Whether it came to an end and was evaluated."""
        return self.state == "completed" and "evaluation" in self.stages

    @property
    def when(self) -> tuple[bool, str, str]:
        """A key that sorts runs by their start; one whose start lies ahead of the clock comes first."""
        return (*moments.order(self.started_at), self.id)

    @property
    def asked(self) -> dict[str, str]:
        """{key: value} of everything that tells it from another run of its profile, setting and seed first."""
        seed = {} if self.seed is None else {"seed": str(self.seed)}
        return ({"setting": self.setting} if self.setting else {}) | seed | self.changed

    @property
    def words(self) -> str:
        """What was asked for, in a line such as `uv · seed 5 · disparities.template=contrast-v2`."""
        parts = [self.setting or "?", *([] if self.seed is None else [f"seed {self.seed}"])]
        return " · ".join([*parts, *(f"{key}={value}" for key, value in self.changed.items())])

    @property
    def name(self) -> str:
        """The same line with the deployment or command that ran, and the profile if it is not the demo's."""
        profile = [] if self.profile == "demo" else [self.profile]
        return " · ".join([self.deployment or "run", *profile, self.words])

    @property
    def line(self) -> str:
        """The run in a line for people: who ran it and when, and its id."""
        return f"{self.deployment or 'the run'} of {self.started_at[:16].replace('T', ' ')} UTC ({self.id})"

    @classmethod
    def asking(cls, profile: str, **known: Any) -> RunRecord:
        """A record of a run that does not exist, for `distance`; it is never saved."""
        return cls(id="00000000T000000-000000", profile=profile, started_at="1970-01-01T00:00:00+00:00", **known)

    def how(self, stage: str) -> str:
        """How the run got a stage's artifact: cached, reused or computed."""
        return "reused" if stage in self.reused else "cached" if stage in self.hits else "computed"

    def origin(self) -> dict[str, str]:
        """What an artifact keeps about the run that made it."""
        names = {"run": self.id, "deployment": self.deployment, "flow_run": self.flow_run}
        return {name: value for name, value in names.items() if value}

    def save(self, store: Store) -> None:
        """Write the record. In a store that cannot be written a run of hits still works, without a record."""
        self.saved_at = dt.datetime.now(dt.UTC).isoformat()
        try:
            content = digest.with_own(self.model_dump(mode="json"))
            store.write_record(f"{self.id}.json", json.dumps(content, indent=1, ensure_ascii=False))
        except (OSError, StoreError) as error:
            log.warning("run %s leaves no record: %s", self.id, said(error))

    def running(self) -> bool:
        """Whether the run still goes on; for a run of another machine only the time since its last stage tells."""
        if self.state != "running":
            return False
        if self.process is not None and self.machine == processes.machine():
            return self.process.alive()
        last = moments.known(self.saved_at or self.started_at)
        return last is not None and dt.datetime.now(dt.UTC) - last < ELSEWHERE


def new(profile: str, **known: Any) -> RunRecord:
    """A record of a run that starts now; `known` are further fields."""
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

    Of several it is the latest, whatever deployment or command made it. It has the same profile and zero-shot setting, since
    others have other classes and images. With `other_than`, runs with that evaluation are skipped, because they are equal.
    """
    found = [
        r
        for r in records(store)
        if (r.profile, r.setting) == (record.profile, record.setting)
        and r.when < record.when
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
            digest.demand_own(json.loads(content))
            found.append(record)
        except ValidationError as error:
            unreadable.append(f"{store.place}/.runs/{name}: {first_fault(error)}")
        except ValueError as error:
            unreadable.append(f"{store.place}/.runs/{name}: {error}")
    return sorted(found, key=lambda record: record.when), unreadable
