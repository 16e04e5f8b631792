"""Regions and variance: VDRP (Yang et al., "Visual Diversity and Region-aware Prompt Learning for Zero-shot HOI Detection").

    t_v   = t0_v + alpha Delta_v                     variance prompts (VDP), Delta_v of the group variance of v
    t~_v  = t_v + beta eps sigma~_v                  while training, eps ~ N(0, I)
    t^r_v = t~_v + gamma sum_k w_k c^r_vk            region concepts (RAP), r of human, object, context
    logit = scale (h . t^h_v + o . t^o_v + u . t^c_v) / 3

Of the paper: sparsemax lookup, groups, noise, the three branches, u = Linear[union; f] with f = MLP([h; o], geometry). What
differs, since no picture is opened and the text tower is not run:

    Delta_v moves the text feature itself, and not the 24 context vectors before the sentence (E_v = E + alpha Delta_v); t0_v is
      the mean of the verb's guided phrases, with which the seen stage trained the fused feature that stands for the union;
    h and o are the frozen CLIP's RoI features under a small residual adapter each, in place of those of an adapted tower; the
      method wants no query of a detector, and gets none;
    z, of which the variances are, is the RoI feature of the union box and not a crop's;
    features and texts have unit length, so a learned scale takes the place of their lengths; and the mean cosine of a frozen
      branch, which is not 0 as a trained one's is, is taken off (`offsets`, learned from there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from models.geometry import NUMBERS, with_logarithms
from models.heads import variance
from models.heads.concepts import retrieved, unit
from models.heads.head import Examples, FittedHead, Texts
from models.heads.kinds import CONCEPTS, RegionsOptions
from models.heads.record import PairRecord

SMALL = 0.02
"""Standard deviation of the weights of a residual's last layer, small so that the head starts close to what it is made from."""


class Residual(nn.Module):
    """x + W2 ReLU(W1 x), d -> d/4 (8 at least) -> d."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, max(width // 4, 8))
        self.up = _small(nn.Linear(max(width // 4, 8), width))

    def forward(self, x: Tensor) -> Tensor:
        """Adapt features (P, d); same shape."""
        moved: Tensor = x + self.up(torch.relu(self.down(x)))
        return moved


class Union(nn.Module):
    """u = x + Linear[x; f]: the fused feature x with f, what both boxes and their geometry say (36 -> 128 -> 256 -> d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Sequential(nn.Linear(2 * NUMBERS, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU())
        self.boxes = nn.Sequential(nn.Linear(2 * width, 256), nn.ReLU())
        self.joined = nn.Linear(256, width)
        self.out = _small(nn.Linear(2 * width, width))

    def forward(self, x: Tensor, human: Tensor, thing: Tensor, geometry: Tensor) -> Tensor:
        """The union's features (P, d), from `PairRecord.feature`, the regions' features (P, d) and the geometry (P, 18)."""
        f = self.joined(self.place(with_logarithms(geometry)) * self.boxes(torch.cat([human, thing], dim=1)))
        moved: Tensor = x + self.out(torch.cat([x, f], dim=1))
        return moved


class RegionsHead(FittedHead):
    """The texts of V verbs, their variances, the phrases of their regions, and the parts that learn on these.

    Args:
        text: (V, d) t0, unit length; variances: (V, d) of the groups.
        human, object, context: (V, K, d) the regions' phrases, rows of zeros where there are fewer.
        weights: (3,) alpha, beta, gamma.
        scale, offsets: of the logits; offsets (3,) of human, object and union.
    """

    text: Tensor
    variances: Tensor
    human: Tensor
    object: Tensor
    context: Tensor
    weights: Tensor

    def __init__(
        self, *, text: Tensor, variances: Tensor, concepts: Mapping[str, Tensor], weights: Tensor, scale: Tensor
    ) -> None:
        super().__init__()
        width = text.shape[1]
        for name, value in {"text": text, "variances": variances, "weights": weights, **concepts}.items():
            self.register_buffer(name, value)
        self.prompts = variance.VariancePrompts(width)
        self.of_human, self.of_object, self.of_union = Residual(width), Residual(width), Union(width)
        self.scale = nn.Parameter(scale)
        self.offsets = nn.Parameter(torch.zeros(3))

    @classmethod
    def fresh(cls, *, texts: Texts, examples: Examples, options: RegionsOptions, generator: torch.Generator) -> Self:
        """The head before its training. Variances are taken by the examples' labels, of which unseen classes have none."""
        if texts.concepts is None:
            raise ValueError("the head regions needs phrases on each verb's regions, and there are none")
        union = unit(examples.pairs.regions()["union"])
        text = texts.of_verbs(texts.guided)
        found, there = variance.of_verbs(union, examples.shown)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=generator)))
            head = cls(
                text=text,
                variances=variance.of_groups(found, there, text),
                concepts={name: texts.concepts[name] for name in CONCEPTS},
                weights=torch.tensor([options.variance, options.noise, options.concepts]),
                scale=torch.tensor(texts.scale),
            ).to(text.device)
        if len(examples.pairs):
            with torch.no_grad():
                frozen = [(unit(getattr(examples.pairs, name)) @ text.T).mean() for name in ("human", "object")]
                head.offsets[:2] = torch.stack(frozen)
        return head

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The head with stored tensors."""
        head = cls(
            text=state["text"],
            variances=state["variances"],
            concepts={name: state[name] for name in CONCEPTS},
            weights=state["weights"],
            scale=state["scale"],
        )
        return head.filled(state)

    def texts(self) -> Tensor:
        """The verbs' texts t (V, d), with noise in training."""
        alpha, beta, _ = self.weights
        moved = self.text + alpha * self.prompts(self.variances)
        if self.training:
            noise = torch.randn(moved.shape, dtype=moved.dtype).to(moved.device)
            moved = moved + beta * noise * variance.spread(self.variances, self.text)
        return moved

    def logits(self, pairs: PairRecord) -> Tensor:
        """The logits (P, V): the scaled mean over the three regions."""
        if pairs.geometry is None:
            raise ValueError("the pairs have no geometry: the head regions reads it")
        regions = pairs.regions()
        human, thing, fused = unit(regions["human"]), unit(regions["object"]), unit(pairs.feature)
        branches = (
            (self.of_human(human), self.human),
            (self.of_object(thing), self.object),
            (self.of_union(fused, human, thing, pairs.geometry.float()), self.context),
        )
        text, gamma = self.texts(), self.weights[2]
        says = [unit(x) @ text.T + gamma * retrieved(unit(x), phrases) for x, phrases in branches]
        return self.scale * (torch.stack(says) - self.offsets[:, None, None]).mean(dim=0)


def _small(layer: nn.Linear) -> nn.Linear:
    nn.init.normal_(layer.weight, std=SMALL)
    nn.init.zeros_(layer.bias)
    return layer


HEAD = RegionsHead
