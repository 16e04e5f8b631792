"""Whether an artifact, with all that it was made from, fits a configuration and so can take the place of a stage in a run.

An artifact brings its whole chain with it: the run has to use what its recorded inputs name. Where the run would take or make
something else, the recorded artifact is bound in its place, or the artifact does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.keys import covered
from pipeline.config.tree import Config
from pipeline.engine import graph
from pipeline.engine.choice import name_of
from pipeline.engine.stage import LATER, Stage, source_digest, under, unrecorded, without_places
from pipeline.engine.status import StageStatus
from pipeline.store import compare, lineage
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import InputRecord, Manifest
from pipeline.store.store import Store


def conflicts(stage: Stage, manifest: Manifest, config: Config, *, seeds: bool = True, own: bool = False) -> list[str]:
    """Why an artifact cannot be used under a configuration, whatever it was made from; empty if it can.

    Every key that the stage shares with another stage must be equal, or the two would not fit: the zero-shot setting, the
    CLIP, the model's sizes. So must the content of a file that both read. Keys that only the stage reads (its epochs) may
    differ, unless `own` asks for them too. With `seeds` the seed counts. A key that was not read for the artifact (the
    detector's name, where no detector ran) cannot differ. A key that the stage always reads but the artifact does not record
    was added later: the artifact was made as with `unrecorded`. What was made for its readers alone has to be there: what is
    derived for another stage than a training, and what a name stands for that the stage reads now.
    """
    if manifest.version != stage.version:
        return [f"stage version {manifest.version}, not {stage.version}"]
    others = {key for other in graph.STAGES if other.name != stage.name for key in other.declared()}
    names = {*stage.names, *(name for when in stage.when if when.holds(config) for name in when.names)}
    derived = {} if stage.trains else stage.derived(config)

    def matters(key: str) -> bool:
        if key == "seed":
            return seeds
        recorded = key in then or key in manifest.sources
        shared = own or covered(key, others)
        return key in derived or (shared and (recorded or covered(key, (*stage.reads, *names))))

    first = {key: value for key, value in unrecorded().items() if covered(key, stage.reads)}
    now = compare.flatten(stage.config_subset(config) | without_places(config, stage.declared()))
    now = {key: first[key] for key in LATER if key in first} | now
    then = {key: value for key, value in first.items() if key in now} | compare.flatten(manifest.config)
    found = [
        f"{key} is {_shown(then, key)}, not {_shown(now, key)}"
        for key in sorted(now.keys() | then.keys())
        if matters(key) and now.get(key) != then.get(key)
    ]
    sources = under(config, stage.declared(names=False))
    for key in sorted(sources.keys() | manifest.sources.keys()):
        if not matters(key):
            continue
        if key in sources and (fault := sources[key].fault()) is not None:
            found.append(f"{key} = {fault}")
        elif manifest.sources.get(key) != (source_digest(sources[key]) if key in sources else None):
            found.append(f"the content of {key} was another")
    return found


def differences(stage: Stage, manifest: Manifest, config: Config) -> tuple[str, ...]:
    """How an artifact differs from what the stage would make now: its version, its keys, the content of its files."""
    there = {key: source for key, source in stage.sources(config).items() if source.fault() is None}
    found = compare.with_asked(
        manifest,
        version=stage.version,
        config=stage.config_subset(config),
        sources={key: source_digest(source) for key, source in there.items()},
    )
    return tuple(str(difference) for difference in found)


@dataclass
class Chain:
    """What an artifact brings with it into a run."""

    bound: dict[str, Artifact] = field(default_factory=dict)
    """The artifacts that take the place of stages upstream, because the chosen one was made from them."""
    conflicts: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What is wrong with recorded artifacts that the run needs: removed, or damaged."""
    differs: list[str] = field(default_factory=list)
    """Differences to report: inputs that may be others (`Input.loose`), and inputs that the run does not need."""
    ancestors: set[str] = field(default_factory=set)
    """Stages of the run from which the artifact was made, bound or not."""


Plan = Callable[[Mapping[str, Artifact]], Sequence["StageStatus"]]
"""The plan of the run when these artifacts take the place of their stages."""


@dataclass(frozen=True)
class Record:
    """An input as an artifact of the chain recorded it."""

    maker: Artifact
    input: InputRecord

    def __str__(self) -> str:
        return f"{name_of(self.maker)} was made from {self.input.stage}/{self.input.fingerprint[:12]}"

    def same_content(self, artifact: Artifact) -> bool:
        """Whether the artifact has the content that was read, whatever its fingerprint is."""
        return lineage.has(artifact, self.input)


def chain(
    artifact: Artifact,
    *,
    config: Config,
    store: Store,
    targets: tuple[str, ...],
    settled: Mapping[str, Artifact],
    plan: Plan,
    asked: Collection[str] = (),
    seeds: bool = True,
) -> Chain:
    """Follow an artifact's recorded inputs upwards, through everything that it was made from.

    Args:
        settled: artifacts that were chosen before; they stay, and the chain must agree with them.
        plan: what the run does with given artifacts; a stage that is fresh there with the recorded content needs no binding.
        asked: stages that must not be computed; if the artifact of one was removed, that counts even if no stage would read it.
        seeds: whether the seed must be the configuration's.
    """
    found = Chain()
    given = {**_trainings(artifact, store), **settled, artifact.stage: artifact}
    statuses = {status.stage: status for status in (*plan({}), *plan(given))}
    records: dict[str, list[Record]] = {}
    _note(records, artifact)
    for stage in reversed(graph.STAGES):
        status = statuses.get(stage.name)
        run = {s.name for s in graph.needed_for(targets, given={*given, *found.bound}, config=config)}
        needed = stage.name in run or stage.name in asked
        fresh = settled.get(stage.name) or _fresh(status)
        firm, loose = _parted(records.get(stage.name, []))
        if needed and not firm:
            found.differs += [
                f"made from {r.input.stage}/{r.input.fingerprint[:12]}, this run has or makes another"
                for r in loose[:1]
                if fresh is None or not r.same_content(fresh)
            ]
        if not firm:
            continue
        if needed:
            found.ancestors.add(stage.name)
        used = _used(firm, fresh, store)
        if stage.name in settled and used is not fresh:
            found.conflicts.append(_apart(firm, settled[stage.name]))
        elif used is not None and fresh is None and _made_alike(stage, firm, status):
            continue  # the run makes it again, as it was
        elif used is None and needed:
            found.lost.append(_lost(firm, store))
        elif used is not None and used is not fresh and stage.name == "annotations":
            found.conflicts.append(_other_data(stage, used, config, status))
        elif used is not None and stage.name not in settled and (stage.trains or used is not fresh):
            _bind(found, stage, used, config=config, needed=needed, seeds=seeds)
            found.lost += store.faults(used) if needed else []
        if used is not None:
            _note(records, used)
    return found


def _bind(found: Chain, stage: Stage, used: Artifact, *, config: Config, needed: bool, seeds: bool) -> None:
    """Take a recorded artifact for its stage; one that no stage of the run reads is only checked.

    What only a training or a stage of texts reads may differ, and is reported. Boxes and image tokens may not: those that the
    configuration asks for would be ignored.
    """
    texts_or_training = stage.trains or stage.asks is not None
    if needed:
        found.bound[stage.name] = used
    else:
        found.differs += differences(stage, used.manifest, config)
    readable = used.manifest.version == stage.version
    if needed or (readable and not texts_or_training):
        problems = conflicts(stage, used.manifest, config, seeds=seeds, own=not texts_or_training)
        found.conflicts += [f"made from {name_of(used)}, where {problem}" for problem in problems]


def _trainings(artifact: Artifact, store: Store) -> dict[str, Artifact]:
    """The checkpoints from which an artifact was made, which are never trained again beside it."""
    found: dict[str, Artifact] = {}
    visited: set[str] = set()
    pending = [artifact]
    while pending:
        made = pending.pop()
        if made.fingerprint in visited:
            continue
        visited.add(made.fingerprint)
        firm, _ = _parted(_records(made))
        for record in firm:
            source = lineage.source(record.input, store)
            if source is not None:
                pending.append(source)
                if graph.stage(source.stage).trains:
                    found.setdefault(source.stage, source)
    return found


def _records(artifact: Artifact) -> list[Record]:
    return [Record(artifact, recorded) for recorded in artifact.manifest.inputs if recorded.stage in graph.NAMES]


def _note(records: dict[str, list[Record]], artifact: Artifact) -> None:
    for record in _records(artifact):
        records.setdefault(record.input.stage, []).append(record)


def _parted(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The inputs that have to be as recorded, and those that may differ."""
    parts: tuple[list[Record], list[Record]] = ([], [])
    for record in records:
        maker = graph.stage(record.maker.stage)
        loose = any(e.loose for e in (*maker.inputs, *maker.joint) if e.stage == record.input.stage)
        parts[loose].append(record)
    return parts


def _fresh(status: StageStatus | None) -> Artifact | None:
    return status.artifact if status is not None and status.state == "fresh" else None


def _used(records: Sequence[Record], fresh: Artifact | None, store: Store) -> Artifact | None:
    """An artifact with the content that all records read: the run's own, else a recorded one; None if there is none."""
    if fresh is not None and all(r.same_content(fresh) for r in records):
        return fresh
    for record in records:
        there = store.get(record.input.stage, record.input.fingerprint)
        if there is not None and all(r.same_content(there) for r in records):
            return there
    return None


def _made_alike(stage: Stage, records: Sequence[Record], status: StageStatus | None) -> bool:
    """Whether the run would make the very same artifact again; a training does not give the same numbers twice."""
    if stage.trains or status is None or status.fingerprint is None:
        return False
    return all(r.input.fingerprint == status.fingerprint for r in records)


def _lost(records: Sequence[Record], store: Store) -> str:
    record = next((r for r in records if lineage.source(r.input, store) is None), records[0])
    if store.get(record.input.stage, record.input.fingerprint) is None:
        return f"{record}, which is no longer in {store.place}"
    return f"{record}, which was made again since, with other content"


def _apart(records: Sequence[Record], settled: Artifact) -> str:
    record = next((r for r in records if not r.same_content(settled)), records[0])
    return f"{record}, not from {name_of(settled)}: the two do not belong together. Pin only one of them"


def _other_data(stage: Stage, used: Artifact, config: Config, status: StageStatus | None) -> str:
    if status is not None and status.fingerprint is None:
        return f"made from {name_of(used)}, and what the configuration asks for is not known: {'; '.join(status.why)}"
    how = "; ".join(differences(stage, used.manifest, config))
    return "made from other annotations" + (f" ({how})" if how else "")


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values.get(key, "not set"))
