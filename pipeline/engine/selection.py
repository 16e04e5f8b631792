"""Which artifact takes the place of a stage that a run is not to compute: the pinned one, or the newest that fits.

`ezhoi/utpl` must not train for hours because a description of a seen class changed: it reuses a `seen` artifact, says
which, and refuses with a reason if none fits. A choice binds what it was made from (`pipeline/engine/compatibility.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.config.tree import Config
from pipeline.engine import compatibility, graph
from pipeline.engine.choice import Choice, How, name_of
from pipeline.engine.compatibility import Chain
from pipeline.engine.stage import Stage
from pipeline.errors import EzhoiError, StoreError
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store


def choose(
    *,
    config: Config,
    store: Store,
    targets: tuple[str, ...],
    plan: compatibility.Plan,
    reuse: Collection[str] = (),
    pins: Mapping[str, str] | None = None,
    force: Collection[str] = (),
) -> dict[str, Choice]:
    """An artifact for every stage of `reuse` and `pins` that the targets need, and for those that these choices bind.

    Args:
        plan: what the run would do with given artifacts (`pipeline.engine.plan`).
        reuse: stages that must not be computed: what the configuration asks for, else the newest artifact that fits.
        pins: {stage: fingerprint or its start}; pins win, and what is reused has to agree with them.
        force: stages to compute again; a stage from which a choice was made cannot be forced.

    Raises:
        EzhoiError: nothing fits, or two choices contradict each other.
        StoreError: what a pinned artifact was made from was removed or is damaged.
    """
    wanted = dict(pins or {})
    for name in (*wanted, *reuse, *force):
        graph.stage(name)
    needed = graph.needed_for(targets, config=config)
    if unused := wanted.keys() - {stage.name for stage in needed}:
        names = ", ".join(sorted(unused))
        raise EzhoiError(f"pinned, but not needed for {', '.join(targets)}: {names}. Leave the pin out.")
    selection = _Selection(config, store, targets, plan, frozenset({*wanted, *reuse}))
    selection.pin({stage: wanted[stage.name] for stage in reversed(needed) if stage.name in wanted})
    # All others have to be made from the annotations that are used, so these are chosen before them.
    downwards = [stage for stage in reversed(needed) if stage.name in reuse]
    for stage in sorted(downwards, key=lambda stage: stage.name != "annotations"):
        if stage.name not in selection.choices:
            selection.reuse(stage)
    selection.refuse_forced(force)
    return selection.choices


@dataclass
class _Selection:
    """The choices so far."""

    config: Config
    store: Store
    targets: tuple[str, ...]
    plan: compatibility.Plan
    asked: frozenset[str]
    choices: dict[str, Choice] = field(default_factory=dict)
    made_from: dict[str, Artifact] = field(default_factory=dict)
    """{stage of the run: the chosen artifact that was made from it}"""

    @property
    def settled(self) -> dict[str, Artifact]:
        return {name: choice.artifact for name, choice in self.choices.items()}

    def pin(self, references: Mapping[Stage, str]) -> None:
        """Take all pinned artifacts, before anything that they bind."""
        for stage, reference in references.items():
            artifact = self._pinned(stage, reference)
            differs = compatibility.differences(stage, artifact.manifest, self.config)
            self.choices[stage.name] = Choice(artifact, "pinned", differs)
        for stage in references:
            artifact = self.choices[stage.name].artifact
            chain = self._chain(artifact, seeds=False)
            if chain.lost:
                raise StoreError(f"{'; '.join(chain.lost)}. Choose another {stage.name}, or have it computed again.")
            if chain.conflicts:
                raise _unfit(artifact, chain.conflicts)
            self._settle(artifact, "pinned", chain)

    def reuse(self, stage: Stage) -> None:
        """Take what the configuration asks for, else the newest artifact that fits."""
        refused = []
        for how, artifact in self._candidates(stage):
            problems = compatibility.conflicts(stage, artifact.manifest, self.config) or self.store.faults(artifact)
            chain = Chain() if problems else self._chain(artifact)
            problems += [*chain.conflicts, *chain.lost]
            if not problems:
                self._settle(artifact, how, chain)
                return
            refused.append(f"{artifact.fingerprint[:12]}: {'; '.join(problems)}")
        reasons = "".join(f"\n  {line}" for line in dict.fromkeys(refused[:6])) or " The store has none of this stage."
        raise EzhoiError(
            f"no {stage.name} artifact in {self.store.place} fits, and this run does not compute one.{reasons}\n"
            f"Make one (`ezhoi run --target {stage.name}`, or a deployment that does), or pin one."
        )

    def refuse_forced(self, force: Collection[str]) -> None:
        """EzhoiError if a stage is forced although the run uses what was made from it, or is not to compute it."""
        for name in force:
            if name in self.made_from:
                maker = self.made_from[name]
                raise EzhoiError(
                    f"{name} is to be computed again, but this run uses {name_of(maker)}, which was made from what is "
                    f"there. Leave out --force {name}, or have {maker.stage} computed too."
                )
            if name in self.choices:
                raise EzhoiError(f"--force {name} contradicts --reuse or --pin of {name}; leave one of them out.")

    def _pinned(self, stage: Stage, reference: str) -> Artifact:
        artifact = self.store.find(reference if "/" in reference else f"{stage.name}/{reference}")
        if artifact.stage != stage.name:
            raise EzhoiError(f"{stage.name} is pinned to {reference}, an artifact of stage {artifact.stage}")
        if problems := compatibility.conflicts(stage, artifact.manifest, self.config, seeds=False):
            raise _unfit(artifact, problems)
        if faults := self.store.faults(artifact):
            raise StoreError(f"{'; '.join(faults)}. Choose another, or have the stage computed again.")
        return artifact

    def _candidates(self, stage: Stage) -> Iterator[tuple[How, Artifact]]:
        exact = None
        for status in self.plan(self.settled):
            if status.stage == stage.name and status.state == "fresh" and status.artifact is not None:
                exact = status.artifact
                yield "exact", exact
        for artifact in reversed(self.store.artifacts(stage.name)):
            if exact is None or artifact.fingerprint != exact.fingerprint:
                yield "newest", artifact

    def _chain(self, artifact: Artifact, *, seeds: bool = True) -> Chain:
        return compatibility.chain(
            artifact,
            config=self.config,
            store=self.store,
            targets=self.targets,
            settled=self.settled,
            plan=self.plan,
            asked=self.asked,
            seeds=seeds,
        )

    def _settle(self, artifact: Artifact, how: How, chain: Chain) -> None:
        stage = graph.stage(artifact.stage)
        differs = compatibility.differences(stage, artifact.manifest, self.config)
        self.choices[stage.name] = Choice(artifact, how, (*differs, *chain.differs))
        for name in chain.ancestors:
            self.made_from.setdefault(name, artifact)
        for name, source in chain.bound.items():
            differs = compatibility.differences(graph.stage(name), source.manifest, self.config)
            self.choices[name] = Choice(source, "recorded", differs)


def _unfit(artifact: Artifact, problems: Sequence[str]) -> EzhoiError:
    return EzhoiError(
        f"{name_of(artifact)} is pinned and does not fit: {'; '.join(problems)}. "
        "Pin another (`ezhoi artifacts list`), or change the configuration."
    )
