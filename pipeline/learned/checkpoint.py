"""Training state on disk: one safetensors file with a JSON header, replaced atomically. Loading never executes code."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.outside import reading
from pipeline.tables.tensors import save_tensors
from pipeline.work.pieces import Pieces

log = logging.getLogger("ezhoi.training")
MOMENT = re.compile(r"optimiser\.(?P<index>[0-9]{1,6})\.(?P<name>\w+)")
NAME = "training.safetensors"
"""The checkpoint's file in a scratch folder."""


def save_weights(path: Path, state: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write tensors and a few strings, which are on the disk when this returns; OSError if they cannot be written."""
    with atomic(path) as temporary:
        save_tensors(temporary, state, about)


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_weights` wrote; DataError naming the file if it is damaged."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; expected a file of weights")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({reading.why(error)})") from error


def save(pieces: Pieces, *, step: int, history: str, modules: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write the weights, the optimiser's moments, the step that they belong to, and the digest of the history up to it."""
    with pieces.writing(NAME) as temporary:
        save_tensors(temporary, state(modules, optimiser), {"step": str(step), "history": history})


def state(modules: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The weights and the optimiser's moments, by their names in a checkpoint."""
    found = {f"model.{name}": tensor for name, tensor in modules.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        found |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    return found


def state_of(pieces: Pieces, modules: nn.Module) -> tuple[int, str]:
    """The step that the checkpoint is at and the digest of its history; (0, "") if there is none of these modules.

    A checkpoint that is whole but belongs to another version or another training is reported and dropped: it would end
    every later run.
    """
    if pieces.digest_of(NAME) is None:
        return 0, ""
    path = pieces.folder / NAME
    try:
        return _about(path, modules)
    except (SafetensorError, OSError, ValueError) as error:
        log.warning("%s: is no checkpoint of this training (%s), which starts anew", path, error)
        pieces.drop(NAME)
        return 0, ""


def _about(path: Path, modules: nn.Module) -> tuple[int, str]:
    """The step and the digest of the history; ValueError if `restore` could not put the tensors back."""
    trained = [list(p.shape) for p in modules.parameters() if p.requires_grad]
    wanted = {f"model.{name}": list(tensor.shape) for name, tensor in modules.state_dict().items()}
    with safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
        shapes = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    if not about.get("step", "").isdecimal():
        raise ValueError("it does not say at which step it is")
    moments = {key: MOMENT.fullmatch(key) for key in shapes if key not in wanted}
    for key, found in moments.items():
        if found is None or int(found["index"]) >= len(trained):
            raise ValueError(f"it has {key!r}, which the model does not have")
        wanted[key] = [] if found["name"] == "step" else trained[int(found["index"])]
    if wrong := [key for key, shape in wanted.items() if shapes.get(key) != shape]:
        raise ValueError(f"its {wrong[0]!r} is {shapes.get(wrong[0], 'not there')}, the model's is {wanted[wrong[0]]}")
    return int(about["step"]), about.get("history", "")


def restore(path: Path, *, modules: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore the state and return the step to go on with; 0 if there is no checkpoint yet."""
    if not path.exists():
        return 0
    tensors, about = load_weights(path)
    put_back(tensors, modules=modules, optimiser=optimiser)
    return int(about["step"])


def put_back(tensors: dict[str, Tensor], *, modules: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Set weights and moments to what `state` gave."""
    modules.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
