"""Checkpoints of the released EZ-HOI code, key by key, as weights of the preset `released`.

Nothing of the file is executed: torch files are read with `weights_only=True`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from models import weight_files
from models.released import keys, quirks
from models.released.hoi import ReleasedHoi
from pipeline.datasets import classes
from pipeline.datasets.hico.vocabulary import demand
from pipeline.errors import ConfigError, DataError
from pipeline.learned import build, checkpoint
from pipeline.learned.released_text import identified_rows
from pipeline.tables import arrays
from pipeline.work.work import Work

ROWS = "rows"
"""Key of the imported file: hoi_id of the class phrases that the checkpoint was trained with, in order."""
TOKEN_PROMPTS = "clip_head.prompt_learner.token_prompts"


@dataclass(frozen=True)
class Report:
    """What became of every key, and what the file lacks."""

    mapped: dict[str, str] = field(default_factory=dict)
    """Released key: own key."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Released key: reason."""
    unknown: list[str] = field(default_factory=list)
    """Keys that no rule names; they are left out."""
    redrawn: list[str] = field(default_factory=list)
    """Keys that the file lacks and whose tensors are drawn anew from the released code's seed."""
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a file beside the weights."""
        return asdict(self)


def read(path: Path) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Read the model's tensors from a checkpoint, and the optimiser's first moments if it has them; DataError if unreadable."""
    try:
        content = weight_files.content(path)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(str(error)) from error
    if path.suffix == ".safetensors":
        return dict(content), []
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path}: expected tensors by name, or a 'model_state_dict' with them")
    optimiser = content.get("optim_state_dict") if state is not content else None
    moments = [s["exp_avg"] for s in (optimiser or {}).get("state", {}).values() if "exp_avg" in s]
    return dict(state), moments


def convert(
    state: dict[str, Tensor], model: ReleasedHoi, *, moments: list[Tensor] | None = None, source: str = "checkpoint"
) -> tuple[dict[str, Tensor], Report]:
    """The weights of `model` from a released state dict, with `ROWS`; nothing of `model` changes.

    Raises:
        DataError: tensors that do not fit (both shapes are named) or are missing, or phrases that this CLIP cannot name.
    """
    report = Report()
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if (name := keys.own(key)) is not None:
            report.mapped[key], found[name] = name, tensor.float()
        elif (why := keys.reason(key)) is not None:
            report.ignored[key] = why
        else:
            report.unknown.append(key)
    wanted = {k: v for k, v in model.state_dict().items() if k != "prompts"}
    layers, prompts, width = model.prompts.shape
    drawn = quirks.redrawn_prompts(layers=layers, prompts=prompts, width=width)
    for layer in range(layers):
        name = f"prompts.{layer}"
        wanted[name] = drawn[layer]
        if name not in found:
            found[name] = drawn[layer]
            report.redrawn.append(name)
    _demand_fit(found, wanted, {own: key for key, own in report.mapped.items()}, source)
    converted = {name: found[name] for name in wanted if not name.startswith("prompts.")}
    converted["prompts"] = torch.stack([found[f"prompts.{layer}"] for layer in range(layers)])
    converted[ROWS] = _rows(state, model, source)
    report.warnings.extend(_frozen_differences(state, model, source))
    report.warnings.extend(_prompt_warnings(converted["prompts"], report, moments or []))
    return converted, report


def _demand_fit(found: dict[str, Tensor], wanted: dict[str, Tensor], origin: dict[str, str], source: str) -> None:
    faults = [
        f"{origin.get(name, name)}: {tuple(found[name].shape)} in the file, {tuple(tensor.shape)} in the model"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults += [f"{name}: missing in the file" for name in wanted if name not in found]
    faults += [f"{origin.get(name, name)}: the model has no {name}" for name in found if name not in wanted]
    if faults:
        shown = "\n  ".join(faults[:12]) + (f"\n  and {len(faults) - 12} more" if len(faults) > 12 else "")
        raise DataError(f"{source} does not fit clip.architecture and the model's sizes:\n  {shown}")
    if (name := weight_files.broken(found)) is not None:
        raise DataError(f"{source}: its {origin.get(name, name)} has values that are no finite numbers")


def _rows(state: dict[str, Tensor], model: ReleasedHoi, source: str) -> Tensor:
    if TOKEN_PROMPTS not in state:
        raise DataError(f"{source}: {TOKEN_PROMPTS} is missing, so which class phrases it was trained with is unknown")
    rows = identified_rows(state[TOKEN_PROMPTS], model.clip)
    if rows is None:
        raise DataError(
            f"{source}: a row of {TOKEN_PROMPTS} {tuple(state[TOKEN_PROMPTS].shape)} is no HICO-DET class phrase in the "
            "token embedding of clip.weights; was it trained on this CLIP and on HICO-DET?"
        )
    return torch.tensor(rows)


def _frozen_differences(state: dict[str, Tensor], model: ReleasedHoi, source: str) -> list[str]:
    """Frozen CLIP tensors of the file against those of clip.weights; a shape that differs is an error."""
    frozen, different = model.clip.net.state_dict(), []
    for key, tensor in state.items():
        name = key.removeprefix("clip_head.").removeprefix("text_encoder.").replace("image_encoder.", "visual.", 1)
        if not key.startswith("clip_head.") or name not in frozen:
            continue
        if tensor.shape != frozen[name].shape:
            raise DataError(
                f"{source}: {key} is {tuple(tensor.shape)} in the file, {tuple(frozen[name].shape)} in clip.weights"
            )
        if not torch.allclose(tensor.float(), frozen[name].cpu(), atol=1e-3):
            different.append(key)
    if not different:
        return []
    return [f"{len(different)} frozen CLIP tensors differ from clip.weights, such as {different[0]}: another CLIP?"]


def _prompt_warnings(prompts: Tensor, report: Report, moments: list[Tensor]) -> list[str]:
    warnings = []
    if report.redrawn:
        warnings.append(
            f"the prompts are not in the file, as the released code never saved them: {len(prompts)} layers redrawn from "
            f"seed {quirks.SEED}. It drew them from a stream whose position depends on its whole start-up, so these are "
            "others of the same distribution, and the visual prompts and scores differ from those of the trained model. "
            "Give the true ones with --prompts."
        )
    verdict = share_outside(prompts, moments)
    if verdict is not None and verdict > 0.05:
        warnings.append(
            f"the optimiser's moments in the file were made with other prompts: {verdict:.0%} of these lie outside of "
            "the space that every gradient of their projections lies in"
        )
    return warnings


def share_outside(prompts: Tensor, moments: list[Tensor]) -> float | None:
    """Which share of the prompts (N, p, d_t) the optimiser's moments of their projections cannot have seen, 0 to 1.

    The gradient of layer l's projection (d_v, d_t) is a sum of outer products with that layer's prompts, those of each
    process that trained; so is its running mean. None if the moments are not there or fill the whole space.
    """
    width = prompts.shape[2]
    tall = [m for m in moments if m.dim() == 2 and m.shape[1] == width and m.shape[0] > width]
    if len(tall) != len(prompts):
        return None
    outside = []
    for layer, moment in zip(prompts, tall, strict=True):
        _, values, rows = torch.linalg.svd(moment.float(), full_matrices=False)
        rows = rows[values > 1e-4 * values[0].clamp(min=1e-30)]
        if len(rows) > width // 2:
            return None
        outside.append(float((layer - layer @ rows.T @ rows).norm() / layer.norm()))
    return max(outside)


def publish(work: Work, path: Path) -> dict[str, Any]:
    """What stage `seen` makes of imported weights instead of training."""
    demand(classes.of_dataset(work.inputs["vocabulary"]), f"seen.weights = {path}")
    tensors, about = checkpoint.load_weights(path)
    preset = about.get("preset")
    if preset != work.config.model.preset or ROWS not in tensors:
        raise ConfigError(
            f"seen.weights = {path}: made for preset {preset!r}, but model.preset is {work.config.model.preset!r}. "
            "Files for it come from `ezhoi weights import`."
        )
    rows = tensors.pop(ROWS)
    expected = build.model(work.config, build.frozen_clip(work.config)).state_dict()
    _demand_fit(tensors, expected, {}, str(path))
    tensors = {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    checkpoint.save_weights(work.out / "model.safetensors", tensors)
    arrays.write(work.out / "phrases.parquet", {"hoi_id": rows.tolist()})
    pd.DataFrame().to_parquet(work.out / "history.parquet", index=False)
    return {"steps": 0, "phrases": len(rows), "logit_scale": float(tensors["logit_scale"])}
