"""What a run would do and why, found without doing it: no torch, no stage module is imported.

    for status in plan(config, Store(config.store.root)):
        print(status.stage, status.state, *status.why)

is what `ezhoi status` shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline import compare, graph, provenance
from pipeline.config import Config
from pipeline.errors import EzhoiError
from pipeline.graph import Stage
from pipeline.runner import Ingredients, ingredients
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

State = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True)
class StageStatus:
    """A stage as it stands for one configuration."""

    stage: str
    state: State
    """fresh: a run takes it from the store; stale: another one, or a damaged one, is there; missing: nothing is."""
    fingerprint: str | None
    """Of the artifact that the configuration asks for; None while an input is not there."""
    artifact: Artifact | None
    """The fresh artifact, or the one that `why` compares with."""
    why: tuple[str, ...]
    """What would make the stage run, one reason a line; empty if it is fresh."""
    code_changed: bool
    """The stage's source files differ from those that made `artifact`."""


def plan(config: Config, store: Store, *, targets: tuple[str, ...] = graph.NAMES) -> list[StageStatus]:
    """The status of the targets and of all they need, in running order.

    A stage whose input has to run first is at best stale: if the input comes out as it was, the stage stays as it is.
    """
    last = _last_run(config, store)
    fresh: dict[str, Artifact] = {}
    found = []
    for stage in graph.needed_for(targets):
        status = _status(stage, config=config, store=store, fresh=fresh, last=last)
        if status.state == "fresh" and status.artifact is not None:
            fresh[stage.name] = status.artifact
        found.append(status)
    return found


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
        why.append(f"waits for {', '.join(waits)}")
    state: State = "stale" if old is not None or (damaged and fingerprint) else "missing"
    return StageStatus(stage.name, state, fingerprint, old, tuple(why), old is not None and _code_changed(old))


def _differences(
    stage: Stage, old: Artifact, *, config: Config, store: Store, need: Ingredients | None
) -> list[compare.Difference]:
    """Everything that can be told already; inputs that have to run first are left out."""
    manifest = old.manifest
    found = []
    if manifest.version != stage.version:
        found.append(compare.Difference("version", stage.name, str(manifest.version), str(stage.version)))
    found += compare.config(manifest.config, stage.config_subset(config))
    if need is not None:
        there = {record.stage for record in need.inputs}
        found += compare.sources(manifest.sources, need.sources)
        found += compare.inputs([r for r in manifest.inputs if r.stage in there], need.inputs, store)
    return found


def _last_run(config: Config, store: Store) -> dict[str, str]:
    """{stage: fingerprint} of the newest uses by runs of the same profile."""
    found: dict[str, str] = {}
    for record in runs.records(store):
        if record.profile == config.profile:
            found |= record.stages
    return found


def _comparison(stage: str, store: Store, last: dict[str, str]) -> Artifact | None:
    """The artifact that the last run of the profile used, else the newest one of the stage."""
    used = store.get(stage, last[stage]) if stage in last else None
    if used is not None:
        return used
    return next(reversed(store.artifacts(stage)), None)


def _code_changed(artifact: Artifact) -> bool:
    return artifact.manifest.code != provenance.code_digest(artifact.stage)
