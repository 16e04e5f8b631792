"""Which trial comes next: trials that share a training wait for the first of them, the others go on meanwhile.

The store would keep them apart too, but a run that waits there occupies a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.studies.study import Study, Trial, identity, is_trained, training


@dataclass(frozen=True)
class Work:
    """What a trial is made of."""

    run: str
    """The digest of the whole run; two readings of one run have the same."""
    training: str
    """The digest of everything from which its training is made."""
    trained: bool = False
    """Whether the store had the training when the study began."""


@dataclass
class Queue:
    """The trials that wait, in the order of the study, and those that run."""

    works: Mapping[Trial, Work]
    waiting: list[Trial]
    running: list[Trial] = field(default_factory=list)
    _trained: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._trained |= {work.training for work in self.works.values() if work.trained}

    def take(self) -> Trial | None:
        """Take the next trial, which counts as running from now on; None if all that wait have to wait for a running one."""
        runs = {self.works[trial].run for trial in self.running}
        trainings = {self.works[trial].training for trial in self.running} - self._trained
        for trial in self.waiting:
            work = self.works[trial]
            if work.run not in runs and work.training not in trainings:
                self.waiting.remove(trial)
                self.running.append(trial)
                return trial
        return None

    def end(self, trial: Trial, *, well: bool) -> None:
        """Note that a trial has ended; if not `well`, the next one that shares its training has to make it."""
        self.running.remove(trial)
        if well:
            self._trained.add(self.works[trial].training)

    def put_back(self, trial: Trial) -> None:
        """Put back a trial that was not run after all; it is the next one."""
        self.running.remove(trial)
        self.waiting.insert(0, trial)


def queue(study: Study, trials: Sequence[Trial]) -> Queue:
    """A queue of trials of a study, with what the store knows of their trainings."""
    works: dict[Trial, Work] = {}
    trained: dict[str, bool] = {}
    for trial in trials:
        config = study.config(trial)
        name = training(config)
        if name not in trained:
            trained[name] = is_trained(config)
        works[trial] = Work(identity(config), name, trained[name])
    return Queue(works, list(trials))
