"""What the trainings behind an evaluation cost: parameters and seconds, as their own artifacts recorded them.

Two stages train: `seen`, which all heads share, and `utpl`, which adapts unseen classes or makes another head. Their
artifacts are found from the evaluation's, input by input, so a reused training tells what it took when it was made, and
nothing about the run that reused it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.errors import DataError, StoreError
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.studies.study import Reading

STEP = ("data", "forward", "backward")
"""What a training's steps spend time on (`pipeline.training.history.KINDS`); loading and writing are not counted."""
UNTRAINED: tuple[Reading, ...] = ("untrained", "detector_only", "memory")
"""Readings behind which there is no training."""
HEADS = ("trained parameters", "training seconds")
EXPLAINED = (
    "Trained parameters and training seconds are those of `seen`, which heads share, + those of UTPL or of the head: the "
    "steps alone, when they were made; means over runs."
)


@dataclass(frozen=True)
class Part:
    """One training; a value is None if its artifact does not tell it."""

    parameters: float | None = None
    seconds: float | None = None


NOTHING = Part(0, 0.0)


@dataclass(frozen=True)
class Cost:
    """The trainings behind a number."""

    seen: Part = Part()
    own: Part = Part()
    """That of UTPL or of the head; empty where neither learns."""

    def of(self, reading: Reading) -> Cost:
        """The cost behind one of the evaluation's readings."""
        if reading in UNTRAINED:
            return Cost(NOTHING, NOTHING)
        return self if reading == "after_utpl" else Cost(self.seen, NOTHING)


UNKNOWN = Cost()


def cost(evaluation: Artifact, store: Store) -> Cost:
    """The trainings of an evaluation; unknown where an artifact is gone or does not tell."""
    try:
        own = _input(_input(evaluation, "predictions", store), "utpl", store)
        if own is not None and own.manifest.metrics.get("trained_parameters") == 0:
            return Cost(
                NOTHING, NOTHING
            )  # a head that does not learn reads frozen regions alone (models/heads/kinds.py)
        seen = _input(own, "seen", store)
        return Cost(Part() if seen is None else _seen(seen), Part() if own is None else _own(own))
    except (DataError, StoreError, OSError):
        return UNKNOWN


def mean(costs: Collection[Cost]) -> Cost:
    """The mean, part by part; unknown where one of them is, or where there is none."""
    return Cost(*(_mean([getattr(cost, name) for cost in costs]) for name in ("seen", "own")))


def cells(cost: Cost) -> list[str]:
    """The cells of tables, such as `1,203,457 + 0` and `212 + 2.1`."""
    parts = (cost.seen, cost.own)
    return [" + ".join(map(_count, parts)), " + ".join(map(_seconds, parts))]


def as_json(cost: Cost) -> dict[str, float | None]:
    """The sums and their parts, as plain JSON."""
    found: dict[str, float | None] = {}
    for key, name in (("trained_parameters", "parameters"), ("training_seconds", "seconds")):
        seen, own = (getattr(part, name) for part in (cost.seen, cost.own))
        both = None if seen is None or own is None else seen + own
        found |= {key: both, f"{key}_seen": seen, f"{key}_own": own}
    return found


def _input(artifact: Artifact | None, stage: str, store: Store) -> Artifact | None:
    """The artifact of a stage from which another was made; None if it is gone."""
    records = artifact.manifest.inputs if artifact is not None else ()
    return next((store.get(stage, record.fingerprint) for record in records if record.stage == stage), None)


def _seen(artifact: Artifact) -> Part:
    """The training of stage `seen`, whose metrics know every step, also those before a restart."""
    metrics = artifact.manifest.metrics
    steps, rate = (_number(metrics.get(name)) for name in ("steps", "steps_per_second"))
    return Part(_number(metrics.get("trained_parameters")), steps / rate if steps and rate else None)


def _own(artifact: Artifact) -> Part:
    """The training of stage `utpl`; empty if nothing learned there (after `seen.joint` it is counted in `seen`).

    The seconds of a training that was stopped after its last step are unknown: the execution that finished it made no step.
    """
    seconds, metrics = artifact.manifest.seconds, artifact.manifest.metrics
    known = _number(metrics.get("trained_parameters"))
    steps = [seconds[kind] for kind in STEP if kind in seconds]
    if not steps and known is None and not any(name.endswith("_last") for name in metrics):
        return NOTHING
    return Part(_stored(artifact) if known is None else known, sum(steps) if steps else None)


def _stored(artifact: Artifact) -> int:
    """The number of parameters of the unseen module; every tensor in its file is learned."""
    from safetensors import SafetensorError, safe_open

    path = artifact.path("model.safetensors")
    try:
        with safe_open(path, framework="np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _mean(parts: Collection[Part]) -> Part:
    return Part(*(_of([getattr(part, name) for part in parts]) for name in ("parameters", "seconds")))


def _of(values: Collection[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _count(part: Part) -> str:
    return "?" if part.parameters is None else f"{part.parameters:,.0f}"


def _seconds(part: Part) -> str:
    if part.seconds is None:
        return "?"
    return f"{part.seconds:.1f}" if 0 < part.seconds < 10 else f"{part.seconds:.0f}"
