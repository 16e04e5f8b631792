"""Training state on disk: one safetensors file with a JSON header, replaced atomically. Loading never executes code."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import DataError
from pipeline.work.work import atomic


def save_weights(path: Path, state: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Tensors and a few strings, on the disk when this returns."""
    with atomic(path) as temporary:
        save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, temporary, metadata=about)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What `save_weights` wrote; DataError naming the file if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def save(path: Path, *, step: int, modules: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Weights, the optimiser's moments, and the step that they are at."""
    state = {f"model.{name}": tensor for name, tensor in modules.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    save_weights(path, state, {"step": str(step)})


def step_of(path: Path) -> int:
    """The step that a checkpoint is at, 0 if there is none; DataError naming the file if it is damaged."""
    return int(load_weights(path)[1]["step"]) if path.exists() else 0


def restore(path: Path, *, modules: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Put the state back; the step to go on with, 0 if there is no checkpoint yet."""
    if not path.exists():
        return 0
    tensors, about = load_weights(path)
    modules.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(about["step"])
