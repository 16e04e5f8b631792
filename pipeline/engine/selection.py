"""Which artifact stands in for a stage that a run shall not compute: the pinned one, or the newest that fits.

`ezhoi/utpl` must not train for hours because a description of a seen class changed: it reuses a `seen` artifact, says
which, and refuses with a reason if none fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config.tree import Config
from pipeline.engine import graph
from pipeline.engine.graph import Stage
from pipeline.errors import EzhoiError, StoreError
from pipeline.store import compare, digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import Store

if TYPE_CHECKING:
    from pipeline.engine.plan import StageStatus

How = Literal["pinned", "exact", "newest", "recorded"]


@dataclass(frozen=True)
class Choice:
    """A stage's artifact that was chosen and not computed."""

    artifact: Artifact
    how: How
    """pinned by the user; exact: what the configuration asks for; newest that fits; recorded: made what was chosen."""
    differs: tuple[str, ...] = ()
    """How it differs from what the configuration asks for."""

    def __str__(self) -> str:
        name = f"{self.artifact.stage}/{self.artifact.fingerprint[:12]}"
        says = {
            "pinned": "as pinned",
            "exact": "what the configuration asks for",
            "newest": "the newest that fits",
            "recorded": "what the artifact chosen downstream was made from",
        }[self.how]
        differs = f"; it differs: {', '.join(self.differs)}" if self.differs else ""
        return f"{self.artifact.stage}: uses {name}, {says} (made {self.artifact.manifest.made_at[:16]}){differs}"


def choose(
    *,
    config: Config,
    store: Store,
    targets: tuple[str, ...],
    statuses: Sequence[StageStatus],
    reuse: Collection[str] = (),
    pins: Mapping[str, str] | None = None,
) -> dict[str, Choice]:
    """An artifact for every stage of `reuse` and `pins` that the targets need.

    `statuses` say what the configuration asks for and what of it the store has. A choice binds those upstream of it: the
    checkpoint that a chosen artifact was made from is the one to use with it. EzhoiError if nothing fits.
    """
    wanted = dict(pins or {})
    fresh = {s.stage: s.artifact for s in statuses if s.state == "fresh" and s.artifact is not None}
    data = next((s.fingerprint for s in statuses if s.stage == "annotations"), None)
    for name in (*wanted, *reuse):
        graph.stage(name)
    chosen: dict[str, Choice] = {}
    recorded: dict[str, tuple[str, Artifact]] = {}
    for stage in reversed(graph.needed_for(targets, config=config)):
        if stage.name not in wanted and stage.name not in reuse:
            continue
        if stage.name in wanted:
            choice = _pinned(stage, wanted[stage.name], config=config, store=store)
        elif stage.name in recorded:
            choice = _recorded(stage, *recorded[stage.name], config=config, store=store)
        elif stage.name in fresh:
            choice = Choice(fresh[stage.name], "exact")
        else:
            choice = _newest(stage, config=config, store=store, data=data)
        _agree(choice.artifact, recorded.get(stage.name))
        chosen[stage.name] = choice
        for record in choice.artifact.manifest.inputs:
            recorded.setdefault(record.stage, (record.fingerprint, choice.artifact))
    if unused := wanted.keys() - chosen.keys():
        names = ", ".join(sorted(unused))
        raise EzhoiError(f"pinned, but not needed for {', '.join(targets)}: {names}. Leave the pin out.")
    return chosen


def conflicts(stage: Stage, manifest: Manifest, config: Config, *, seeds: bool = True) -> list[str]:
    """Why an artifact cannot be used under a configuration; empty if it can.

    Every key that the stage shares with one downstream of it must be equal, or the two would read the artifact
    differently: the zero-shot setting, the CLIP, the model's sizes. Keys that only the stage reads (its epochs) may differ.
    With `seeds` the seed counts too.
    """
    if manifest.version != stage.version:
        return [f"stage version {manifest.version}, not {stage.version}"]
    shared = {key for other in _downstream(stage.name) for key in other.reads}
    now = compare.flatten(stage.config_subset(config))
    then = compare.flatten(manifest.config)
    found = []
    for key in sorted(now.keys() | then.keys()):
        if key == "seed" and not seeds:
            continue
        if any(key == s or key.startswith(f"{s}.") for s in shared) and now.get(key) != then.get(key):
            found.append(f"{key} is {_shown(then, key)}, not {_shown(now, key)}")
    for key, path in stage.source_files(config).items():
        if key in shared and path.exists() and manifest.sources.get(key) != digest.of_path(path):
            found.append(f"the content of {key} was another")
    return found


def _pinned(stage: Stage, reference: str, *, config: Config, store: Store) -> Choice:
    artifact = store.find(reference if "/" in reference else f"{stage.name}/{reference}")
    if artifact.stage != stage.name:
        raise EzhoiError(f"{stage.name} is pinned to {reference}, an artifact of stage {artifact.stage}")
    if problems := conflicts(stage, artifact.manifest, config, seeds=False):
        raise EzhoiError(
            f"{stage.name}/{artifact.fingerprint[:12]} is pinned and does not fit: {'; '.join(problems)}. "
            "Pin another (`ezhoi artifacts list`), or change the configuration."
        )
    return Choice(_intact(artifact, store), "pinned", _differs(stage, artifact, config))


def _recorded(stage: Stage, fingerprint: str, maker: Artifact, *, config: Config, store: Store) -> Choice:
    artifact = store.get(stage.name, fingerprint)
    if artifact is None:
        raise StoreError(
            f"{maker.stage}/{maker.fingerprint[:12]} was made from {stage.name}/{fingerprint[:12]}, which is no longer "
            f"in {store.place}. Choose another {maker.stage}, or leave {stage.name} to be computed."
        )
    return Choice(_intact(artifact, store), "recorded", _differs(stage, artifact, config))


def _newest(stage: Stage, *, config: Config, store: Store, data: str | None) -> Choice:
    refused = []
    for artifact in reversed(store.artifacts(stage.name)):
        problems = conflicts(stage, artifact.manifest, config)
        used = next((r.fingerprint for r in artifact.manifest.inputs if r.stage == "annotations"), None)
        if data is not None and used is not None and used != data:
            problems.append("made from other annotations")
        problems += store.faults(artifact) if not problems else []
        if not problems:
            return Choice(artifact, "newest", _differs(stage, artifact, config))
        refused.append(f"{artifact.fingerprint[:12]}: {'; '.join(problems)}")
    reasons = "".join(f"\n  {line}" for line in refused[:5]) or " The store has none of this stage."
    raise EzhoiError(
        f"no {stage.name} artifact in {store.place} fits, and this run does not compute one.{reasons}\n"
        f"Make one (`ezhoi run --target {stage.name}`, or a deployment that does), or pin one."
    )


def _intact(artifact: Artifact, store: Store) -> Artifact:
    if faults := store.faults(artifact):
        raise StoreError(f"{'; '.join(faults)}. Choose another, or have the stage computed again.")
    return artifact


def _agree(artifact: Artifact, recorded: tuple[str, Artifact] | None) -> None:
    if recorded is not None and recorded[0] != artifact.fingerprint:
        maker = recorded[1]
        raise EzhoiError(
            f"{maker.stage}/{maker.fingerprint[:12]} was made from {artifact.stage}/{recorded[0][:12]}, not from "
            f"{artifact.stage}/{artifact.fingerprint[:12]}: the two do not belong together. Pin only one of them."
        )


def _downstream(name: str) -> list[Stage]:
    """The stages that read the stage's artifact, directly or through others."""
    return [s for s in graph.STAGES if s.name != name and name in {u.name for u in graph.needed_for((s.name,))}]


def _differs(stage: Stage, artifact: Artifact, config: Config) -> tuple[str, ...]:
    return tuple(str(d) for d in compare.config(artifact.manifest.config, stage.config_subset(config)))


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values.get(key, "not set"))
