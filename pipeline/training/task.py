"""What the loop trains: the data of a step and its losses, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

Losses = dict[str, Tensor]
L = TypeVar("L")
B = TypeVar("B")
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One of `count` shares of a step's batch: what one process computes in one forward and backward pass.

    Processes and gradient accumulation divide a batch in the same way. The shares' losses add up, so neither changes
    what a step is.
    """

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """This part's share of some items; empty if there are too few."""
        return list(items[self.index :: self.count])


class Task(Protocol[L, B]):
    """A training task. Everything that is random in it is drawn from generators seeded by the step."""

    def load(self, step: int, part: Part) -> L:
        """The part's data in host memory. It is called in a thread ahead of its step, so it depends only on its arguments."""

    def ready(self, loaded: L) -> B:
        """The part's batch. It is called just before its step and alone, so it may draw from torch's own generator."""

    def positives(self, batch: B) -> float:
        """How many positive labels the part has."""

    def losses(self, batch: B, positives: float) -> Losses:
        """The part's share of each loss of the step; their sums over the parts are the step's losses.

        Args:
            positives: the number of positive labels of the whole step.
        """

    def files(self, step: int) -> list[str]:
        """The names of the files that the step reads, for messages."""


@dataclass(frozen=True)
class Whole:
    """A task without files whose steps are not divided: the losses at a step, and nothing to load."""

    losses_at: Callable[[int], Losses]

    def load(self, step: int, part: Part) -> int:
        if part.count != 1:
            raise ValueError("this task cannot be divided")
        return step

    def ready(self, loaded: int) -> int:
        return loaded

    def positives(self, batch: int) -> float:
        return 1.0

    def losses(self, batch: int, positives: float) -> Losses:
        return self.losses_at(batch)

    def files(self, step: int) -> list[str]:
        return []
