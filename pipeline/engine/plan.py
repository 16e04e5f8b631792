"""What a run would do and why, found without doing it. Neither torch nor a module of a stage is imported.

    for status in plan(config, store_of(config)):
        print(status.stage, status.state, *status.why)

is what `ezhoi status` shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pipeline.config.changed import changed
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.engine import estimate, graph, provenance
from pipeline.engine.choice import Choice
from pipeline.engine.ingredients import Ingredients, ingredients
from pipeline.engine.selection import choose
from pipeline.engine.stage import Stage
from pipeline.engine.status import WAITS, StageStatus, State
from pipeline.errors import EzhoiError, StoreError
from pipeline.store import compare, runs
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store


def plan(
    config: Config,
    store: Store,
    *,
    targets: tuple[str, ...] = graph.NAMES,
    force: Collection[str] = (),
    given: Mapping[str, Choice] | None = None,
) -> list[StageStatus]:
    """The status of the targets and of all they need, in running order.

    A stage whose input has to run first counts as stale; if the input comes out unchanged, the stage will not run.
    Stages after a forced one are judged by what that made last time.
    """
    configured.unseen(config)  # a setting that the dataset does not have is told before anything else
    last = _last_run(config, store)
    chosen = given or {}
    fresh: dict[str, Artifact] = {}
    found = []
    for stage in graph.needed_for(targets, given=chosen, config=config):
        if (choice := chosen.get(stage.name)) is not None:
            made = choice.artifact
            status = StageStatus(stage.name, "fresh", made.fingerprint, made, (str(choice),), False)
        else:
            status = _status(stage, config=config, store=store, fresh=fresh, last=last)
        if status.state == "fresh" and status.artifact is not None:
            fresh[stage.name] = status.artifact
        if status.artifact is not None:
            seconds = status.artifact.manifest.duration
            status = replace(status, seconds=seconds, expected=seconds)
        if status.runs:
            now = estimate.pictures(config, fresh.get("annotations"))
            status = estimate.estimated(status, stage, config=config, store=store, now=now)
        if stage.name in force and status.state == "fresh" and stage.name not in chosen:
            status = replace(status, state="stale", why=("forced",))
        found.append(status)
    return found


def asked(config: Config, store: Store, stage: str) -> Artifact:
    """The stage's artifact that the configuration asks for, whatever else the store has; StoreError says why it has none."""
    statuses = plan(config, store, targets=(stage,))
    status = next(s for s in statuses if s.stage == stage)
    if status.state == "fresh" and status.artifact is not None:
        return status.artifact
    first = next(s for s in statuses if s.runs)  # those after it only wait for it
    raise StoreError(f"{store.place} has no {stage} of this configuration ({first.stage}: {'; '.join(first.why)}).")


def stored(config: Config, store: Store, stage: str) -> Artifact | None:
    """The intact artifact of the stage that a run of the configuration would find; None if anything up to it would run.

    No record of a run is read and no reason is given, so that hundreds of configurations take only seconds.
    """
    found: dict[str, Artifact] = {}
    for each in graph.needed_for((stage,), config=config):
        need = ingredients(each, config=config, inputs=found)
        artifact, _ = store.lookup(each.name, need.fingerprint)
        if artifact is None:
            return None
        found[each.name] = artifact
    return found[stage]


def chosen(
    config: Config,
    store: Store,
    *,
    targets: tuple[str, ...],
    reuse: Collection[str] = (),
    pins: Mapping[str, str] | None = None,
    force: Collection[str] = (),
) -> dict[str, Choice]:
    """The artifacts of the stages that a run is not to compute (`pipeline.engine.selection`); EzhoiError if one has none."""
    if not reuse and not pins:
        return {}
    known: dict[frozenset[str], list[StageStatus]] = {}

    def with_given(artifacts: Mapping[str, Artifact]) -> list[StageStatus]:
        name = frozenset(f"{a.stage}/{a.fingerprint}" for a in artifacts.values())
        if name not in known:
            stand_ins = {stage: Choice(artifact, "recorded") for stage, artifact in artifacts.items()}
            known[name] = plan(config, store, targets=targets, given=stand_ins)
        return known[name]

    return choose(
        config=config, store=store, targets=targets, plan=with_given, reuse=reuse, pins=pins or {}, force=force
    )


def remaining(statuses: Sequence[StageStatus]) -> tuple[float, list[str]]:
    """Seconds that the stages which would run should take, and the names of those that never ran."""
    waiting = [s for s in statuses if s.runs]
    return sum(s.expected for s in waiting if s.expected is not None), [s.stage for s in waiting if s.expected is None]


def _status(
    stage: Stage, *, config: Config, store: Store, fresh: dict[str, Artifact], last: dict[str, str]
) -> StageStatus:
    waits = [edge.stage for edge in stage.inputs if edge.stage not in fresh]
    known = replace(stage, inputs=tuple(edge for edge in stage.inputs if edge.stage in fresh))
    why: list[str] = []
    need = None
    try:
        need = ingredients(known, config=config, inputs=fresh)
    except EzhoiError as error:  # a file that the configuration names is not there
        why.append(str(error))
    fingerprint = need.fingerprint if need and not waits else None
    if fingerprint is not None:
        artifact, why = store.lookup(stage.name, fingerprint)
        if artifact is not None:
            return StageStatus(stage.name, "fresh", fingerprint, artifact, (), _code_changed(artifact))
    damaged = bool(why)
    old = _comparison(stage.name, store, last)
    if fingerprint is not None and not why and last.get(stage.name) == fingerprint:
        why.append("its artifact was removed")
    elif old is None and not why and not waits:
        why.append("never made in this store")
    elif old is not None and old.fingerprint != fingerprint:
        why += [str(d) for d in _differences(stage, old, config=config, store=store, need=need)]
    if waits:
        why.append(f"{WAITS}{', '.join(waits)}")
    state: State = "stale" if old is not None or (damaged and fingerprint) else "missing"
    return StageStatus(stage.name, state, fingerprint, old, tuple(why), old is not None and _code_changed(old))


def _differences(
    stage: Stage, old: Artifact, *, config: Config, store: Store, need: Ingredients | None
) -> list[compare.Difference]:
    """All differences that are known already; inputs that have to run first are left out."""
    manifest = old.manifest
    found = compare.with_asked(
        manifest,
        version=stage.version,
        config=stage.config_subset(config),
        sources=manifest.sources if need is None else need.sources,
    )
    if need is not None:
        there = {record.stage for record in need.inputs}
        found += compare.inputs([r for r in manifest.inputs if r.stage in there], need.inputs, store)
    return found


def _last_run(config: Config, store: Store) -> dict[str, str]:
    """{stage: fingerprint} of what runs of the profile used: of those with the stage, the one that differs in the fewest keys.

    Of several equally near runs it is the newest. So a run in another zero-shot setting, however new, explains nothing here.
    """
    asked = runs.RunRecord.asking(config.profile, setting=config.setting, seed=config.seed, changed=changed(config))
    known = [record for record in runs.records(store) if record.profile == config.profile]
    found: dict[str, str] = {}
    for record in sorted(known, key=lambda record: -runs.distance(record, asked)):  # stable: the newer after the older
        found |= record.stages
    return found


def _comparison(stage: str, store: Store, last: dict[str, str]) -> Artifact | None:
    """The artifact that the nearest run used, else the newest one of the stage."""
    used = store.get(stage, last[stage]) if stage in last else None
    if used is not None:
        return used
    return next(reversed(store.artifacts(stage)), None)


def _code_changed(artifact: Artifact) -> bool:
    return artifact.manifest.code != provenance.code_digest(artifact.stage)
