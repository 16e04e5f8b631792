"""Make the artifact of one stage: ask the store, compute what it lacks, publish. Stages are known by name only."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.tree import Config
from pipeline.engine import provenance
from pipeline.engine.choice import Choice
from pipeline.engine.ingredients import Ingredients, ingredients
from pipeline.engine.stage import Stage
from pipeline.errors import DataError, EzhoiError
from pipeline.machine.files import refusals
from pipeline.machine.holder import Claimant, Wait
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import Store, Workspace, describe_files
from pipeline.work import devices, helpers
from pipeline.work.machines import LOOK_SECONDS, Rendezvous
from pipeline.work.work import Place, Progress, Work, silent

log = logging.getLogger("ezhoi.runner")


@dataclass(frozen=True)
class Outcome:
    """A stage's artifact, and whether the store had it already."""

    stage: str
    artifact: Artifact
    hit: bool
    faults: tuple[str, ...] = ()
    """Why an artifact in the store could not be used."""
    choice: Choice | None = None
    """How the artifact was chosen, where the run was told not to compute the stage."""
    waits: tuple[Wait, ...] = ()
    """What the run had to wait for, and how long."""


AskHelpers = Callable[[Stage, Ingredients], AbstractContextManager[int]]
"""A context in which a sharded stage is computed: it may ask other runs to `help_with` it, and gives how many it asked."""


Waiting = Callable[[str, str], None]
"""Called with (stage, `waits for run ...`)."""


def say(stage: str, line: str) -> None:
    """Log that a stage waits."""
    log.info("%s %s", stage, line)


def no_helpers(stage: Stage, need: Ingredients) -> AbstractContextManager[int]:
    """Ask for no helpers, which is the default."""
    return nullcontext(0)


def execute(
    stage: Stage,
    *,
    config: Config,
    store: Store,
    inputs: Mapping[str, Artifact],
    progress: Progress = silent,
    force: bool = False,
    origin: Mapping[str, str] | None = None,
    ask_helpers: AskHelpers = no_helpers,
    known_digests: dict[str, str] | None = None,
    on_compute: Callable[[], None] = lambda: None,
    waiting: Waiting = say,
) -> Outcome:
    """The stage's artifact: from the store if it is there and intact, computed otherwise.

    With `force` it is computed even so. Two processes that want the same artifact compute it once: the second waits for
    the first, and helps it where a stage has shards.

    Args:
        origin: which run this is (`RunRecord.origin`).
        known_digests: digests of the files that the run's earlier stages read, by config key; this stage's are added.
        on_compute: called before anything is computed.
        waiting: called when the stage waits for another run that makes the same, or has the GPU or the server.

    Raises:
        DataError: such a file changed during the run or while the stage computed; what was made of two contents is not kept.
    """
    need = ingredients(stage, config=config, inputs=inputs)
    run = origin or {}
    claimant = Claimant(run.get("run", ""), run.get("deployment", ""), lambda line: waiting(stage.name, line))
    _demand_same(stage, need, {} if known_digests is None else known_digests)
    if not force:
        artifact, faults = store.lookup(stage.name, need.fingerprint)
        if artifact is not None:
            return Outcome(stage.name, artifact, hit=True)
        for fault in faults:
            log.warning("%s: %s; the stage runs again", stage.name, fault)
    else:
        faults = []
    on_compute()
    if (meeting := stage.joined_by(config)) is not None and meeting.place.number:
        return _joined(stage, need, meeting, config, store, inputs, force=force, claimant=claimant, progress=progress)
    if stage.sharded(config):
        _help_another_run(stage, need, config=config, store=store, inputs=inputs, progress=progress)
    with store.workspace(need.fingerprint, claimant) as space:
        artifact, _ = store.lookup(stage.name, need.fingerprint)
        if artifact is not None and not force:  # another process made it while we waited for the lock
            store.forget(need.fingerprint)
            return Outcome(stage.name, artifact, hit=True, waits=tuple(claimant.waits))
        manifest = _computed(
            stage, need, config, inputs, space, claimant=claimant, progress=progress, ask_helpers=ask_helpers
        )
        _demand_unchanged(stage, need, config=config, store=store, inputs=inputs)
        artifact = store.publish(space, manifest.model_copy(update={"made_by": dict(run)}))
    return Outcome(stage.name, artifact, hit=False, faults=tuple(faults), waits=tuple(claimant.waits))


def _computed(
    stage: Stage,
    need: Ingredients,
    config: Config,
    inputs: Mapping[str, Artifact],
    space: Workspace,
    *,
    claimant: Claimant,
    progress: Progress,
    ask_helpers: AskHelpers,
) -> Manifest:
    """Run the stage in its workspace, while it holds its devices and server alone; return the manifest of what it made."""
    wanted = config.device if stage.computes(config) else "cpu"
    with (
        devices.hold(wanted, count=stage.processes(config), most=_most_gpus(stage, config), claimant=claimant) as held,
        devices.alone(stage.server(config), claimant=claimant),
        (ask_helpers if stage.sharded(config) else no_helpers)(stage, need) as asked,
    ):
        started = time.perf_counter()
        device = held if stage.computes(config) else config.device
        work = _work(stage, config, inputs, space, device, place=Place(0, 1 + asked), progress_to=progress)
        module = importlib.import_module(f"pipeline.stages.{stage.name}")
        with refusals(f"stage {stage.name}", path=space.out):
            metrics = module.run(work)
            manifest = _manifest(stage, work.config, need, work, metrics)
    return manifest.model_copy(update={"wall_seconds": round(time.perf_counter() - started, 3)})


def _joined(
    stage: Stage,
    need: Ingredients,
    meeting: Rendezvous,
    config: Config,
    store: Store,
    inputs: Mapping[str, Artifact],
    *,
    force: bool,
    claimant: Claimant,
    progress: Progress,
) -> Outcome:
    """Take part in a training that machine 0 publishes, and return its artifact; this machine keeps nothing of its own.

    Raises:
        EzhoiError: machine 0 did not come, the training failed, or machine 0 did not publish it.
    """
    start = time.monotonic()
    patience = config.seen.runtime.patience_s
    waits = f"machine {meeting.place.number} waits for machine 0 at {meeting}"
    claimant.tell(waits)
    while not meeting.is_open():
        artifact, _ = store.lookup(stage.name, need.fingerprint)
        if artifact is not None and not force:  # machine 0 waited for a run that made it
            return Outcome(stage.name, artifact, hit=True, waits=tuple(claimant.waits))
        if time.monotonic() - start > patience:
            raise EzhoiError(
                f"stage {stage.name}: {waits}, and it did not come within seen.runtime.patience_s = {patience} s. Its log says "
                "why, or the address is not the one by which machine 0 is reached from here"
            )
        time.sleep(LOOK_SECONDS)
    with (
        devices.hold(config.device, count=stage.processes(config), claimant=claimant) as held,
        tempfile.TemporaryDirectory(prefix="ezhoi-") as folder,
    ):
        space = Workspace(Path(folder) / need.fingerprint / "out", Path(folder) / need.fingerprint / "scratch")
        for path in (space.out, space.scratch):
            path.mkdir(parents=True)
        work = _work(stage, config, inputs, space, held, helper=True, place=meeting.place, progress_to=progress)
        importlib.import_module(f"pipeline.stages.{stage.name}").run(work)
    with store.workspace(need.fingerprint, claimant):  # until machine 0 has published
        artifact, _ = store.lookup(stage.name, need.fingerprint)
        if artifact is None:
            raise EzhoiError(
                f"stage {stage.name}: machine 0 trained to the end and did not publish; its log says why. Run again on all "
                "machines: it goes on from the last checkpoint"
            )
    return Outcome(stage.name, artifact, hit=False, waits=tuple(claimant.waits))


def _help_another_run(
    stage: Stage,
    need: Ingredients,
    *,
    config: Config,
    store: Store,
    inputs: Mapping[str, Artifact],
    progress: Progress,
) -> None:
    """Compute shards for another run that is making this artifact already, if any; to wait for it would take longer."""
    try:
        made = help_with(
            stage, config=config, store=store, inputs=inputs, fingerprint=need.fingerprint, progress=progress
        )
        if made:
            log.info("%s: %d shards were made here for another run", stage.name, made)
    except Exception as error:  # whatever it is, the other run goes on, and this one only has to wait for it
        log.warning("%s: another run is computing it and could not be helped: %s", stage.name, error)


def _demand_same(stage: Stage, need: Ingredients, known: dict[str, str]) -> None:
    """DataError if a file has changed since an earlier stage of this run read it, so that the two would not fit."""
    for key, content in need.sources.items():
        if known.setdefault(key, content) != content:
            raise DataError(
                f"stage {stage.name}: {key} changed during this run, and stages before it read the file as it was. "
                "Run again: what does not read it is reused"
            )


def _demand_unchanged(
    stage: Stage, need: Ingredients, *, config: Config, store: Store, inputs: Mapping[str, Artifact]
) -> None:
    """DataError if a file changed meanwhile. What was made may be of either content: it is dropped, pieces too."""
    now = ingredients(stage, config=config, inputs=inputs).sources
    if changed := [key for key in need.sources if now.get(key) != need.sources[key]]:
        store.forget(need.fingerprint)
        raise DataError(
            f"stage {stage.name}: {', '.join(changed)} changed while the stage waited or was at work, so what it made is "
            "thrown away. Run again"
        )


def help_with(
    stage: Stage,
    *,
    config: Config,
    store: Store,
    inputs: Mapping[str, Artifact],
    fingerprint: str,
    place: Place | None = None,
    progress: Progress = silent,
) -> int:
    """Help the run that computes a sharded stage until no shard is left; return how many were made here, 0 if there is no run.

    `place` is the place among its helpers that the run gave this one, if it asked for it.
    """
    with (
        store.helper_workspace(stage.name, fingerprint) as space,
        devices.hold_if_free(config.device if space else "cpu", most=_most_gpus(stage, config)) as held,
    ):
        if space is None or held is None:
            return 0
        work = _work(stage, config, inputs, space, held, helper=True, place=place, progress_to=progress)
        return helpers.help_with(work, importlib.import_module(f"pipeline.stages.{stage.name}").compute)


def _most_gpus(stage: Stage, config: Config) -> int:
    """How many GPUs the stage can use on this machine."""
    return config.images.runtime.workers if stage.sharded(config) else 1


def _work(
    stage: Stage, config: Config, inputs: Mapping[str, Artifact], space: Workspace, held: str, **more: Any
) -> Work:
    """The stage's work in a workspace, on the devices that are held ('cuda:0,cuda:2').

    A training assigns them itself; other stages compute on the first and leave the others to their helpers.
    """
    gpus = tuple(held.split(",")) if held.startswith("cuda:") else ()
    device = held if stage.trains or not gpus else gpus[0]
    return Work(
        stage=stage.name,
        config=config.model_copy(update={"device": device}),
        gpus=gpus,
        inputs=inputs,
        out=space.out,
        scratch=space.scratch,
        exchange=space.exchange,
        code=provenance.code_digest(stage.name),
        **more,
    )


def _manifest(stage: Stage, config: Config, need: Ingredients, work: Work, metrics: dict[str, object]) -> Manifest:
    files = describe_files(work.out, known=work.digests)
    if not files:
        raise EzhoiError(f"stage {stage.name} made no file")
    commit, dirty = provenance.git_state()
    return Manifest(
        stage=stage.name,
        version=stage.version,
        fingerprint=need.fingerprint,
        digest=digest.of_files((f.name, f.digest) for f in files),
        config=need.config,
        sources=need.sources,
        inputs=need.inputs,
        files=files,
        metrics=metrics,
        seconds={kind: round(value, 3) for kind, value in work.clock.seconds.items()},
        made_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        host=provenance.host(),
        device=provenance.device(config.device),
        packages=provenance.packages(),
        seed=config.seed,
        git_commit=commit,
        git_dirty=dirty,
        code=provenance.code_digest(stage.name),
    )
