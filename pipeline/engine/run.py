"""Run stages in order, keep the run's record, and compare the result. No server is needed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pipeline.config.changed import changed
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.engine import plan
from pipeline.engine.choice import Choice
from pipeline.engine.execute import AskHelpers, Outcome, Waiting, execute, no_helpers, say
from pipeline.engine.graph import WHOLE, needed_for, stage
from pipeline.engine.stage import Stage
from pipeline.engine.unread import unread
from pipeline.engine.verdict import Verdict, verdict
from pipeline.store import lineage, runs
from pipeline.store.artifact import Artifact
from pipeline.store.opening import store_of
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store
from pipeline.work.work import Progress, silent

log = logging.getLogger("ezhoi.runner")


@dataclass
class Run:
    """A run in progress: executes stages in order and keeps the run's record in the store."""

    config: Config
    store: Store
    force: Collection[str] = ()
    progress: Progress = silent
    given: Mapping[str, Choice] = field(default_factory=dict)
    """Artifacts of stages that are not computed (`pipeline.engine.selection`)."""
    deployment: str = ""
    flow_run: str = ""
    ask_helpers: AskHelpers = no_helpers
    waiting: Waiting = say
    targets: tuple[str, ...] = ()
    """The targets of the run; artifacts that it will find for them are kept until it ends."""
    against: RunRecord | None = None
    """The run to compare with, if one was named."""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    _verdict: Verdict | None = None
    _sources: dict[str, str] = field(default_factory=dict)
    _held: bool = False
    _started: float = 0.0

    def __post_init__(self) -> None:
        configured.unseen(self.config)  # a setting that the dataset does not have ends the run before it begins
        for line in unread(self.config):
            log.warning("%s", line)
        self.store.sweep()
        self._started = time.perf_counter()
        self.record = runs.new(
            self.config.profile,
            deployment=self.deployment,
            flow_run=self.flow_run,
            setting=self.config.setting,
            seed=self.config.seed,
            changed=changed(self.config),
            targets=list(self.targets),
        )
        if self.given:
            self.record.holds = {name: choice.artifact.fingerprint for name, choice in self.given.items()}
            self.record.save(self.store)

    def step(self, stage: Stage) -> Outcome:
        """Execute one stage whose inputs have been executed."""
        if (choice := self.given.get(stage.name)) is not None:
            log.info("%s", choice)
            outcome = Outcome(stage.name, choice.artifact, hit=True, choice=choice)
        else:
            outcome = execute(
                stage,
                config=self.config,
                store=self.store,
                inputs={edge.stage: self.artifacts[edge.stage] for edge in stage.inputs},
                progress=self.progress,
                force=stage.name in self.force,
                origin=self.record.origin(),
                ask_helpers=self.ask_helpers,
                known_digests=self._sources,
                on_compute=self._hold,
                waiting=self.waiting,
            )
        self.artifacts[stage.name] = outcome.artifact
        self.record.stages[stage.name] = outcome.artifact.fingerprint
        if stage.name == "evaluation":
            metrics = outcome.artifact.manifest.metrics
            self.record.metrics = {name: float(x) for name, x in metrics.items() if isinstance(x, int | float)}
            self.record.protocol = self.config.evaluation.protocol
            self.record.made_of = lineage.made_of(outcome.artifact, self.artifacts, self.store, but="seed")
        if outcome.hit:
            self.record.hits.append(stage.name)
        if outcome.choice is not None:
            self.record.reused.append(stage.name)
        self.record.save(self.store)
        return outcome

    def _hold(self) -> None:
        """Before the first stage that takes time, name the artifacts that later stages are likely to find: `gc` keeps them.

        Raises:
            ConfigError: a training over several machines is to come, and it is not known where they meet.
        """
        if self.targets and not self._held:
            self._held = True
            found = plan.plan(self.config, self.store, targets=self.targets, force=self.force, given=self.given)
            for planned in found:
                if planned.artifact is None:  # machines that cannot meet say so before anything takes time
                    stage(planned.stage).joined_by(self.config)
            self.record.holds |= {s.stage: s.artifact.fingerprint for s in found if s.artifact is not None}
            self.record.save(self.store)

    @property
    def relative(self) -> RunRecord | None:
        """The run with which this one is compared: the one that was asked for, else the nearest one."""
        return self.against or runs.relative(self.store, self.record, other_than=self.record.stages.get("evaluation"))

    def verdict(self) -> Verdict | None:
        """The comparison with the relative; None if there is none, or one of the two was not evaluated.

        It takes seconds, so a run that found its evaluation in the store is compared only if that was asked for.
        """
        if "evaluation" in self.record.stages and self._verdict is None:
            other = self.relative if self.against or "evaluation" not in self.record.hits else None
            if other is not None and "evaluation" in other.stages:
                self._verdict = verdict(self.store, other, self.record.stages)
        return self._verdict

    def answer(self) -> list[str]:
        """The run's last lines, which its record keeps: whether it is better, whether that is noise, and what was changed."""
        if not self.record.answer and (lines := self._answered()):
            self.record.answer = lines
            self.record.save(self.store)
        return self.record.answer

    def _answered(self) -> list[str]:
        if "evaluation" not in self.record.stages:
            return []
        if (found := self.verdict()) is not None:
            return found.lines
        if "evaluation" in self.record.hits:
            return ["nothing from which the result is made has changed: it is that of an earlier run (`ezhoi runs`)"]
        return ["no earlier run of this profile and setting to compare with"]

    def finish(self, state: str) -> None:
        """Close the record."""
        self.record.state = state
        self.record.seconds = round(time.perf_counter() - self._started, 1)
        self.record.holds = {}
        self.record.save(self.store)


def run(
    config: Config,
    *,
    targets: tuple[str, ...] = WHOLE,
    force: Collection[str] = (),
    given: Mapping[str, Choice] | None = None,
    deployment: str = "",
    against: RunRecord | None = None,
    progress: Progress = silent,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    on_end: Callable[[Run], None] = lambda steps: None,
) -> dict[str, Outcome]:
    """Execute the targets and everything they need in this process, in order; `on_end` is called however it ends."""
    chosen = given or {}
    steps = Run(config, store_of(config), force, progress, chosen, deployment, targets=targets, against=against)
    outcomes: dict[str, Outcome] = {}
    state = "failed"
    try:
        for stage in needed_for(targets, given=chosen, config=config):
            outcomes[stage.name] = steps.step(stage)
            on_outcome(outcomes[stage.name])
        state = "completed"
    finally:
        steps.finish(state)
        on_end(steps)
    return outcomes
