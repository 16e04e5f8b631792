"""Whether prompts have an effect: gradients and sensitivity of any function from prompts to logits.

The released EZ-HOI code learns nothing from its text prompts, which stand behind EOT under a causal mask: their gradient is
exactly zero, and changing them changes nothing. Neither a falling loss nor a good mAP shows that; this does.

    for effect in prompt_effects({"text prompts": prompts}, lambda: model(images), module=model):
        print(effect)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FAR = 3.0
"""Standard deviation of what is added to the prompts, large compared with any prompts in use."""
STILL = 1e-6
"""How much the logits may move by rounding, as a share of the largest logit."""


@dataclass(frozen=True)
class PromptEffect:
    """What was found of one tensor of prompts."""

    name: str
    gradient: float
    """The largest entry of the gradient of a random combination of the logits; exactly 0 where no gradient arrives."""
    moved: float
    """How far the logits move when the prompts do, as a share of the largest logit."""
    kept: bool | None
    """Whether it is one of the module's parameters, so that an optimiser and a checkpoint have it; None: no module given."""

    @property
    def acts(self) -> bool:
        """Whether the prompts can learn: there is a gradient, and the logits move."""
        return self.gradient > 0 and self.moved > STILL

    def __str__(self) -> str:
        kept = {None: "", True: "; a parameter of the module", False: "; NOT a parameter: neither trained nor saved"}
        verdict = "acts" if self.acts else "DOES NOTHING"
        return (
            f"{self.name}: {verdict} (gradient {self.gradient:.1e}, logits move by {self.moved:.1e}{kept[self.kept]})"
        )


def prompt_effects(
    prompts: Mapping[str, Tensor], logits: Callable[[], Tensor], *, module: nn.Module | None = None, seed: int = 0
) -> tuple[PromptEffect, ...]:
    """What each tensor of prompts does to the logits.

    `logits` has to read the tensors themselves, since they are moved in place (and back), and be the same function at
    every call: evaluation mode, no dropout. The direction is drawn at random, because the first LayerNorm would remove a
    constant added to all channels. Give a new adapter, whose last layer starts at zero, other weights first: behind it every
    gradient is zero, although the prompts may have an effect.

    Args:
        prompts: leaf tensors by a name for the report; their `grad` is left as it was.
        module: whose parameters the prompts should be.

    Raises:
        ValueError: the logits are not finite, or not the same at two calls.
    """
    random = torch.Generator().manual_seed(seed)
    registered = None if module is None else {id(p) for p in module.parameters()}
    wanted = [tensor.requires_grad for tensor in prompts.values()]
    try:
        for tensor in prompts.values():
            tensor.requires_grad_()
        first = logits()
        with torch.no_grad():
            largest = float(first.abs().max())
            if not first.isfinite().all() or float((logits() - first).abs().max()) > STILL * largest:
                raise ValueError("the logits are not finite, or others at every call: is something in training mode?")
        gradients = _gradients(first, list(prompts.values()), random)
        moved = [_moved(tensor, logits, first.detach(), random) / max(largest, STILL) for tensor in prompts.values()]
    finally:
        for tensor, learns in zip(prompts.values(), wanted, strict=True):
            tensor.requires_grad_(learns)
    return tuple(
        PromptEffect(name, gradient, far, None if registered is None else id(tensor) in registered)
        for (name, tensor), gradient, far in zip(prompts.items(), gradients, moved, strict=True)
    )


def _gradients(logits: Tensor, prompts: list[Tensor], random: torch.Generator) -> list[float]:
    """The largest gradient of each tensor; 0 where the logits do not depend on it."""
    if not logits.requires_grad:
        return [0.0] * len(prompts)
    weights = torch.randn(logits.shape, generator=random).to(logits)
    found = torch.autograd.grad((logits * weights).sum(), prompts, allow_unused=True)
    return [0.0 if gradient is None else float(gradient.abs().max()) for gradient in found]


@torch.no_grad()
def _moved(prompts: Tensor, logits: Callable[[], Tensor], still: Tensor, random: torch.Generator) -> float:
    """How far the logits move when these prompts do; they are put back."""
    kept = prompts.clone()
    try:
        prompts += FAR * torch.randn(prompts.shape, generator=random).to(prompts)
        return float((logits() - still).abs().max())
    finally:
        prompts.copy_(kept)
