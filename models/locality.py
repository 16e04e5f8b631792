"""The locality adapter of LAIN (Kim et al., CVPR 2025): patches learn of the detections on them and of their neighbours.

    y = relu(W_down x) + layout            at every patch, in the bottleneck
    y = conv3x3(z) + conv5x5(z),  z = W LayerNorm(y)
    x + gate * W_up LayerNorm(leaky_relu(y))

The layout is a map: at every patch the row of the instance that lies on it (`models.instances.InstancePrior`), and a learned
row where there is none. It stands in the place of `models.instances.InstanceAdapter` and has the same inputs. CLS and the
prompts pass unchanged; what the patches learned reaches them in the block's own attention. The gate starts at 1e-9, so that
the tower starts as the plain one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.instances import Instances

WIDTH = 32
"""The bottleneck's width, as published."""
GATE = 1e-9
"""Every channel's gate at the start."""


def covering(instances: Instances, grid: int) -> Tensor:
    """Which instance lies on each patch: its index (B, grid * grid), or -1 where none does.

    Of several instances the smallest counts, or an object would vanish behind the person who holds it; of equal ones the first.
    An instance lies on every patch of which its box has some part, so that none is too small for the map.
    """
    edge = torch.arange(grid + 1, device=instances.boxes.device) / grid
    low, high = edge[:-1], edge[1:]
    left, top, right, bottom = (side.unsqueeze(-1) for side in instances.boxes.unbind(dim=-1))  # (B, I, 1)
    columns, rows = (left < high) & (right > low), (top < high) & (bottom > low)  # (B, I, grid)
    on = (rows.unsqueeze(-1) & columns.unsqueeze(-2)).flatten(2) & instances.present.unsqueeze(-1)
    areas = ((right - left) * (bottom - top)).masked_fill(~instances.present.unsqueeze(-1), torch.inf)
    smallest = areas.expand(on.shape).masked_fill(~on, torch.inf).argmin(dim=1)
    return torch.where(on.any(dim=1), smallest, -1)


class Layout(nn.Module):
    """Makes the map of an image's instances."""

    def __init__(self, *, width: int = WIDTH) -> None:
        super().__init__()
        self.nothing = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, prior: Tensor, instances: Instances, grid: int) -> Tensor:
        """The map (B, grid * grid, width) of the instances' rows (B, I, width)."""
        which = covering(instances, grid).unsqueeze(-1)
        rows = prior.gather(1, which.clamp(min=0).expand(-1, -1, prior.shape[-1]))
        return torch.where(which >= 0, rows, self.nothing)


class LocalityAdapter(nn.Module):
    """Adapts the patches before a visual block."""

    def __init__(self, *, visual_width: int, width: int = WIDTH) -> None:
        super().__init__()
        self.down = nn.Linear(visual_width, width)
        self.norm_1 = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.near = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.far = nn.Conv2d(width, width, kernel_size=5, padding=2)
        self.norm_2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, visual_width)
        self.gate = nn.Parameter(torch.full((visual_width,), GATE))

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """Adapt tokens (B, T, d_v), first CLS and then the D patches of a square grid, by a layout (B, D, width)."""
        count = layout.shape[1]
        grid = round(count**0.5)
        patches = x[:, 1 : 1 + count]
        z = self.mix(self.norm_1(torch.relu(self.down(patches)) + layout))
        z = z.transpose(1, 2).unflatten(2, (grid, grid))  # (B, width, grid, grid)
        z = (self.near(z) + self.far(z)).flatten(2).transpose(1, 2)
        learned = self.up(self.norm_2(nn.functional.leaky_relu(z)))
        return torch.cat([x[:, :1], patches + self.gate * learned, x[:, 1 + count :]], dim=1)
