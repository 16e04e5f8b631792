"""One training loop for every stage that trains: AdamW, clipped gradients, checkpoints, finite losses only.

A step is a pure function of (weights, optimiser state, step number): batches, augmentation and dropout are drawn from
generators seeded by the step, never from a running stream. So a run that was killed and continued equals one that was
not, on a CPU bit by bit.

Several processes (accelerate) and gradient accumulation divide the batch of a step into parts whose losses and gradients add
up. There are only some ten million parameters to learn, so one all-reduce of our own adds the gradients: it does not average
them, and it works if a batch without pairs gave some parts of the model no gradient.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn

from pipeline.config.training import Optimiser, TrainRuntime
from pipeline.errors import EzhoiError, StoreError
from pipeline.learned import checkpoint
from pipeline.learned.build import seed_of
from pipeline.training import ranks
from pipeline.training.ahead import ahead, loaders_for
from pipeline.training.history import History, intact
from pipeline.training.optimiser import optimiser
from pipeline.training.task import Part, Task
from pipeline.work.torch_device import device
from pipeline.work.work import Work

if TYPE_CHECKING:
    from accelerate import Accelerator

log = logging.getLogger("ezhoi.training")
L = TypeVar("L")
B = TypeVar("B")
WITHOUT_LABELS = (
    "stage %s: no pair of detected boxes matched an annotated one in any of %d steps, so no label taught anything; are "
    "the boxes those of these pictures?"
)


def train(
    *,
    work: Work,
    modules: nn.Module,
    task: Task[L, B],
    steps: int,
    optimiser: Optimiser,
    rate_at: Callable[[int], float],
    runtime: TrainRuntime,
    accumulate: int = 1,
) -> History:
    """Minimise the sum of the task's losses over the modules' trainable parameters.

    Continues from `<scratch>/training.safetensors` if that and the history are there as they were written;
    `<scratch>/history.jsonl` grows by a line with each step.

    Args:
        rate_at: the factor of the learning rate at a step.
        accumulate: the number of forward and backward passes in a step of each process, which divide its share of the batch.

    Raises:
        EzhoiError: a loss or gradient is not finite; it names the step's files, and the last checkpoint stays.
    """
    accelerator = ranks.accelerator(cpu=device(work.config).type == "cpu")
    trainer = Trainer(work, modules, task, optimiser, accelerator, accumulate)
    path, rows = work.scratch / checkpoint.NAME, work.scratch / "history.jsonl"
    start = 0
    if accelerator.is_main_process:
        _find_state(work, path, rows, modules)
        start = checkpoint.restore(path, modules=modules, optimiser=trainer.optimiser)
    start = ranks.hand_out(accelerator, modules, trainer.optimiser, start)
    history = History(rows if accelerator.is_main_process else None, steps=start)
    if accelerator.is_main_process:
        log.debug("stage %s: history in %s", work.stage, rows)
    with _deterministic(runtime.deterministic):
        loaders = loaders_for(ranks.on_this_machine()) if runtime.loaders is None else runtime.loaders
        loaded = ahead(trainer.load, range(start, steps), threads=loaders)
        for step in range(start, steps):
            row = trainer.step(step, loaded, rate_at(step))
            history.add(row)
            if not accelerator.is_main_process:
                continue
            if (step + 1) % runtime.checkpoint_every == 0 or step + 1 == steps:
                with work.clock("write"):
                    history.sync()
                    checkpoint.save(
                        work.pieces,
                        step=step + 1,
                        history=history.digest,
                        modules=modules,
                        optimiser=trainer.optimiser,
                    )
                    _keep(work, (rows, path), step=step + 1)
            work.progress(step + 1, steps, f"loss {row['loss']:.3f}")
    # Only of a training that began here: the steps before a checkpoint may have had labels.
    if accelerator.is_main_process and start == 0 < steps and not trainer.labelled:
        log.warning(WITHOUT_LABELS, work.stage, steps)
    return history


def _find_state(work: Work, path: Path, rows: Path, modules: nn.Module) -> None:
    """Bring the checkpoint and the history of the machine that got furthest here, both intact, or else no checkpoint."""
    here, _ = checkpoint.state_of(work.pieces, modules)
    newer = work.exchange.resume(path, beyond=here)
    if newer is not None:
        work.pieces.adopt(path.name, newer)
    work.exchange.resume(rows, beyond=here)  # it is never behind its checkpoint
    step, digest = checkpoint.state_of(work.pieces, modules)
    if newer is not None and not step:  # whole, and none of this training
        work.exchange.withdraw(path.name)
    if step and not intact(rows, steps=step, digest=digest):
        log.warning("%s: lacks steps of the checkpoint, or is damaged; stage %s is trained anew", rows, work.stage)
        work.pieces.drop(path.name)


def _keep(work: Work, files: Sequence[Path], *, step: int) -> None:
    """Hand the files over in this order. If the store is away, another machine starts later; this training goes on."""
    try:
        for file in files:
            work.exchange.keep(file, step=step)
    except StoreError as error:
        log.warning("stage %s: step %d was not handed over: %s", work.stage, step, error)


class Trainer(Generic[L, B]):
    """The optimiser, and one step of it."""

    def __init__(
        self,
        work: Work,
        modules: nn.Module,
        task: Task[L, B],
        section: Optimiser,
        accelerator: Accelerator,
        accumulate: int,
    ) -> None:
        self.work, self.task, self.section, self.accelerator = work, task, section, accelerator
        self.trainable = [p for p in modules.parameters() if p.requires_grad]
        self.optimiser = optimiser(section, self.trainable)
        count = accelerator.num_processes * accumulate
        self.parts = [Part(accelerator.process_index * accumulate + i, count) for i in range(accumulate)]
        self.labelled = False
        """Whether any of its steps had a positive label, in any process."""

    def load(self, step: int) -> list[L]:
        """The part of this process's batches at a step that can be prepared ahead."""
        return [self.task.load(step, part) for part in self.parts]

    def step(self, step: int, loaded: Iterator[list[L]], rate: float) -> dict[str, object]:
        """Make one step of the optimiser and return its row of the history."""
        seconds: dict[str, float] = {}
        with self._timed("data", seconds):
            mine = [self.task.ready(part) for part in next(loaded)]
            positives = self._total([sum(map(self.task.positives, mine))])[0]
            self.labelled |= positives > 0
        for group in self.optimiser.param_groups:
            group["lr"] = self.section.lr * rate
        self.optimiser.zero_grad(set_to_none=True)
        parts: dict[str, float] = {}
        for part, batch in zip(self.parts, mine, strict=True):
            torch.manual_seed(seed_of(self.work.config.seed, self.work.stage, step, part.index))
            with self._timed("forward", seconds):
                losses = self.task.losses(batch, positives)
                total = torch.stack(list(losses.values())).sum()
                parts = {name: parts.get(name, 0.0) + float(loss.detach()) for name, loss in losses.items()}
            with self._timed("backward", seconds):
                total.backward()
        with self._timed("backward", seconds):
            self._add_gradients()
            parts = dict(zip(parts, self._total(list(parts.values())), strict=True))
            norm = float(nn.utils.clip_grad_norm_(self.trainable, self.section.clip_norm))
            value = sum(parts.values())
            self._demand_finite(step, value, norm, parts)
            self.optimiser.step()
        numbers = {"step": step, "loss": value, **parts, "gradient_norm": norm, "lr": self.section.lr * rate}
        return numbers | {"seconds": {kind: round(spent, 6) for kind, spent in seconds.items()}}

    @contextmanager
    def _timed(self, kind: str, seconds: dict[str, float]) -> Iterator[None]:
        start = time.perf_counter()
        with self.work.clock(kind):
            yield
        seconds[kind] = seconds.get(kind, 0.0) + time.perf_counter() - start

    def _total(self, values: list[float]) -> list[float]:
        """Each value summed over the processes."""
        if self.accelerator.num_processes == 1:
            return values
        mine = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        return self.accelerator.reduce(mine, reduction="sum").tolist()

    def _add_gradients(self) -> None:
        """Sum the gradients of all processes. The gradient of a parameter that no pair reached counts as zero."""
        for parameter in self.trainable:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.accelerator.num_processes == 1:
            return
        gradients = [p.grad for p in self.trainable if p.grad is not None]
        flat: Tensor = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="sum")
        for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def _demand_finite(self, step: int, value: float, norm: float, parts: dict[str, float]) -> None:
        if math.isfinite(value) and math.isfinite(norm):
            return
        what = "the loss" if not math.isfinite(value) else "the gradient"
        shown = ", ".join(f"{name} = {part:.4g}" for name, part in parts.items())
        files = self.task.files(step)
        where = f" Files of the batch: {', '.join(files)}." if files else ""
        raise EzhoiError(
            f"stage {self.work.stage}, step {step}: {what} is not finite ({shown}). Try a lower learning rate.{where}"
        )


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Use only deterministic algorithms, also on a GPU; a CPU has no others."""
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
