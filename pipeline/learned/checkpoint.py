"""Training state on disk: one safetensors file with a JSON header, replaced atomically. Loading never executes code."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.tables.tensors import refused_as_usual
from pipeline.work.pieces import Pieces

NAME = "training.safetensors"
"""The checkpoint's file in a scratch folder."""


def save_weights(path: Path, state: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Tensors and a few strings, on the disk when this returns; OSError if it cannot be written."""
    with atomic(path) as temporary:
        _put(temporary, state, about)


def _put(path: Path, state: dict[str, Tensor], about: dict[str, str] | None) -> None:
    with refused_as_usual(path):
        save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, path, metadata=about)


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What `save_weights` wrote; DataError naming the file if it is damaged."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; expected a file of weights")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def save(pieces: Pieces, *, step: int, history: str, modules: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Weights, the optimiser's moments, the step that they are at, and the digest of the history up to there."""
    state = {f"model.{name}": tensor for name, tensor in modules.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    with pieces.writing(NAME) as temporary:
        _put(temporary, state, {"step": str(step), "history": history})


def state_of(pieces: Pieces) -> tuple[int, str]:
    """The step that the checkpoint is at and the digest of its history; (0, "") if there is none that is intact."""
    if pieces.digest_of(NAME) is None:
        return 0, ""
    with safe_open(pieces.folder / NAME, framework="pt") as file:
        about = file.metadata()
    return int(about["step"]), about.get("history", "")


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
