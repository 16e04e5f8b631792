"""How many parameters each part of the model has, beside the released code at the same sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from models.clip_loading import skeleton
from models.hoi import EzHoi
from models.released.inert import InertText
from models.unseen import UnseenPrompts
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.errors import ConfigError
from pipeline.learned.build import clip_weights, released_model, sizes

PUBLISHED = {768: ("ViT-B/16", "6.85 M"), 1024: ("ViT-L/14-336", "14.07 M")}
"""The number of parameters that the paper states, by visual width."""

PARTS: tuple[tuple[str, str, str], ...] = (
    ("prompts", "Eq. 6-8", "text prompts, shared by all classes"),
    ("text_guidance", "Eq. 2", "guidance of the text prompts by descriptions"),
    ("visual_prompts", "Eq. 1, 9", "text prompts to visual prompts, a layer each"),
    ("visual_guidance", "Eq. 3", "guidance of the visual prompts by the frozen CLIP"),
    ("instance_prior", "", "instances as the adapters' memory"),
    ("patterns", "", "spatial patterns that the instances attend to (CMMP)"),
    ("layout", "", "what the locality adapters see where no instance lies (LAIN)"),
    ("adapters", "", "adapter of every visual block"),
    ("intra", "Eq. 10", "intra-HOI fusion"),
    ("inter", "Eq. 11", "inter-HOI fusion"),
    ("logit_scale", "", "scale of the logits"),
    ("unseen", "Eq. 4, 5", "UTPL"),
)
CHOSEN = ("patterns", "layout")
"""Parts that are listed only where the configuration has them."""


@dataclass(frozen=True)
class Row:
    """One part: its parameters in preset `paper`, in the released code, and how many of the latter get a gradient."""

    part: str
    equation: str
    what: str
    paper: int
    released: int
    released_live: int


@dataclass(frozen=True)
class Summary:
    """The table, with what was counted."""

    architecture: str
    published: str | None
    unseen_classes: int
    own_prompts: int
    rows: tuple[Row, ...]

    def total(self, column: str) -> int:
        """Sum of a column: "paper", "released" or "released_live"."""
        return sum(getattr(row, column) for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The table as plain JSON, for programs."""
        totals = {column: self.total(column) for column in ("paper", "released", "released_live")}
        return asdict(self) | {"total": totals}

    def lines(self) -> list[str]:
        """The table for a terminal."""
        head = f"{'trained numbers':<17}{'':<10}{'paper':>12}{'released':>12}{'with gradient':>15}"
        body = [
            f"{r.part:<17}{r.equation:<10}{r.paper:>12,}{r.released:>12,}{r.released_live:>15,}  {r.what}"
            for r in self.rows
        ]
        totals = "".join(f"{self.total(c):>{w},}" for c, w in (("paper", 12), ("released", 12), ("released_live", 15)))
        return [f"CLIP {self.architecture}", head, *body, f"{'all':<27}{totals}", "", *self._remarks()]

    def _remarks(self) -> list[str]:
        remarks = []
        if self.published:
            remarks.append(f"The paper states {self.published} for this CLIP, which is the column 'released'.")
        return [
            *remarks,
            "Where 'paper' differs: the prompts are learned (there they are constants), one linear layer instead of a "
            "three-layer",
            "MLP leads into each bottleneck, nothing is there that gets no gradient, and every unseen class has prompts of "
            f"its own ({self.unseen_classes} x {self.own_prompts:,}).",
        ]


def summarise(config: Config) -> Summary:
    """Count the parameters, without making any. ConfigError if CLIP's architecture is unknown or has too few layers."""
    chosen, m = sizes(config), config.model
    try:
        clip = skeleton(
            architecture=config.clip.architecture, weights=clip_weights(config), image_size=config.clip.image_size
        )
        paper = EzHoi(clip=clip, sizes=chosen)
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    narrow = {"bottleneck": m.bottleneck, "heads": m.heads}
    released = released_model(config, clip)
    inert = InertText(clip=clip, prompts=m.prompts, **narrow)
    count = len(configured.unseen(config))
    utpl = UnseenPrompts(shared=paper.prompts, count=count, joint_width=clip.joint_width, **narrow)
    ours = _by_part(paper) | {"unseen": _count(utpl)}
    live = _by_part(released)
    theirs = live | {
        "prompts": inert.unused.numel(),
        "text_guidance": _count(inert.guidance) + _spare_norms(1, m.bottleneck),
        "visual_guidance": live["visual_guidance"] + _spare_norms(1, m.bottleneck),
        "adapters": live["adapters"] + _spare_norms(clip.visual_layers, m.bottleneck),
        "inter": live["inter"] + _count(inert.guidance.memory),
        "unseen": _count(inert.unseen),
    }
    rows = tuple(
        Row(p, e, w, ours.get(p, 0), theirs.get(p, 0), live.get(p, 0))
        for p, e, w in PARTS
        if p not in CHOSEN or p in ours
    )
    name, stated = PUBLISHED.get(clip.visual_width, (config.clip.architecture, None))
    fits = (m.prompts, m.layers, m.bottleneck) == (2, 9, 64)
    own = m.layers * m.prompts * clip.text_width
    return Summary(name, stated if fits else None, count, own, rows)


def _by_part(module: nn.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, parameter in module.named_parameters():
        part = name.split(".")[0]
        found[part] = found.get(part, 0) + parameter.numel()
    return found


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _spare_norms(blocks: int, width: int) -> int:
    """The LayerNorms that the released code's blocks without self-attention keep unused."""
    return blocks * 2 * width
