"""One training loop for both stages: AdamW, clipped gradients, a checkpoint every so many steps, finite losses only.

A step is a pure function of (weights, optimiser state, step number): batches and augmentation are drawn from generators
seeded by the step, never from a running stream. So a run that was killed and continued equals one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import EzhoiError
from pipeline.sections.training import Optimiser
from pipeline.training import checkpoint
from pipeline.work import Work

Losses = dict[str, Tensor]


def train(
    *,
    work: Work,
    modules: nn.Module,
    steps: int,
    losses_at: Callable[[int], Losses],
    settings: Optimiser,
    rate_at: Callable[[int], float],
    every: int,
    name: str = "training.safetensors",
) -> list[dict[str, Any]]:
    """Minimise the sum of the losses over the modules' trainable parameters; the history has one row a step.

    Continues from `<scratch>/<name>` if it is there. Raises EzhoiError, keeping the last checkpoint, if a loss is not finite.
    """
    path: Path = work.scratch / name
    trainable = [p for p in modules.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=settings.lr, weight_decay=settings.weight_decay)
    start, history = checkpoint.restore(path, modules=modules, optimiser=optimiser)
    for step in range(start, steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * rate_at(step)
        with work.clock("compute"):
            losses = losses_at(step)
            total = torch.stack(list(losses.values())).sum()
            value = float(total.detach())
            if not math.isfinite(value):
                parts = ", ".join(f"{k} = {float(v.detach()):.4g}" for k, v in losses.items())
                raise EzhoiError(
                    f"stage {work.stage}, step {step}: the loss is not finite ({parts}). Try a lower learning rate."
                )
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            norm = nn.utils.clip_grad_norm_(trainable, settings.clip_norm)
            optimiser.step()
        history.append(
            {"step": step, "loss": value, "gradient_norm": float(norm)}
            | {k: float(v.detach()) for k, v in losses.items()}
        )
        if (step + 1) % every == 0 and step + 1 < steps:
            with work.clock("write"):
                checkpoint.save(path, step=step + 1, modules=modules, optimiser=optimiser, history=history)
        work.progress(step + 1, steps, f"loss {value:.3f}")
    return history
