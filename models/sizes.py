"""The parts and sizes that are chosen of the model. No torch is imported, so that the configuration holds these very classes.

A further part is a line here and its effect in `models/hoi.py`; its key, its line in `ezhoi config keys` and its error
message follow from the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Preset = Literal["paper", "released"]
"""The method as the paper describes it, or numerically the released code."""

Scope = Literal["own_class", "own_object", "verb"]
"""Which pairs the phrase of an unseen class speaks for: `models.scoring.scoped_verb_logits`."""

Adapter = Literal["instance", "locality"]
"""How the visual blocks attend to the detections: `models/instances.py` or `models/locality.py`."""

Inter = Literal["block", "attention"]
"""How pairs of an image attend to each other: `models.fusion.InterBlock` or `InterFusion`."""


def _part(description: str) -> bool:
    """A switch that is on by default; `ezhoi config keys` shows its description."""
    switch: bool = field(default=True, metadata={"description": description})
    return switch


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which parts the model has; one that is off has no parameters. Deep prompts in both towers are always there.

    Without all five it is deep shared prompts on union-box features, the paper's baseline.
    """

    intra_fusion: bool = _part(
        "Eq. 10: a pair's feature fuses those of its two boxes; off: it is that of its union box"
    )
    instance_adapter: bool = _part("visual blocks attend to the detected instances")
    llm_guidance: bool = _part("Eq. 2: text prompts attend to the class's description")
    inter_fusion: bool = _part("Eq. 11: pairs of an image attend to each other")
    vlm_guidance: bool = _part("Eq. 3: visual prompts attend to the frozen CLIP's image tokens")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The chosen sizes of either preset; the rest follows from CLIP. Each is a key of the same name under `model`."""

    prompts: int
    """p, the number of prompt tokens in a layer."""
    layers: int
    """N, the number of prompted layers of each tower."""
    bottleneck: int
    heads: int
    """The number of attention heads in a bottleneck."""
    roi_size: int
    """RoI-Align output, pixels a side."""
    logit_scale: float
    """The start of the learned scale; preset `released` has a start of its own (`models.released.quirks.LOGIT_SCALE`)."""
    parts: Parts = Parts()
    """The chosen parts; preset `released` has them all."""
    adapter: Adapter = "instance"
    """The kind of adapter; preset `released` has `instance`."""
    inter: Inter = "block"
    """Kind of inter-HOI fusion; the block where a bundle does not say it. Preset `released` has a block of its own."""
    patterns: int = 0
    """K, spatial patterns that the adapter's instances attend to (`models/patterns.py`); 0: none, as in preset `released`."""
