"""Checkpoints of the original DETR code (as UPT and EZ-HOI publish them), renamed key by key for transformers.

Only names change, and the packed query-key-value projections are cut in three. The names are those of the published
transformers checkpoints, which every release of transformers reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models import weight_files

HEADS = 8
"""Attention heads; the one size that no weight tells."""
WRAPPERS = ("model_state_dict", "state_dict", "model")
"""Keys under which a checkpoint may keep its weights."""
_ATTENTION = {"self_attn": "self_attn", "multihead_attn": "encoder_attn"}
_NORMS = {
    "encoder": {"norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"},
    "decoder": {"norm1": "self_attn_layer_norm", "norm2": "encoder_attn_layer_norm", "norm3": "final_layer_norm"},
}
_TOP = {
    "class_embed": "class_labels_classifier",
    "input_proj": "model.input_projection",
    "query_embed": "model.query_position_embeddings",
    "transformer.decoder.norm": "model.decoder.layernorm",
}
_BACKBONE = "model.backbone.conv_encoder.model"


@dataclass(frozen=True)
class Converted:
    """A converted checkpoint: weights under transformers' names, sizes of the architecture, and what became of every key."""

    weights: dict[str, Tensor]
    sizes: dict[str, Any]
    keys: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...]
    """(old name, new names, old shape), in the checkpoint's order."""
    left: tuple[str, ...]
    """Keys that belong to no part of DETR's detector."""

    @property
    def outputs(self) -> int:
        """Outputs of the class head, no-object included."""
        return len(self.weights["class_labels_classifier.weight"])


def unwrap(checkpoint: Any) -> dict[str, Tensor]:
    """The detector's weights in a loaded checkpoint: unwrapped, without the `module.` of parallel training.

    A whole HOI model's checkpoint has its detector under `detector.`; only that part is taken.
    Raises ValueError if there is none.
    """
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"holds no weights by name, but one {type(checkpoint).__name__}")
    for wrapper in WRAPPERS:
        if isinstance(inner := checkpoint.get(wrapper), Mapping):
            checkpoint = inner
            break
    state = {str(k).removeprefix("module."): v for k, v in checkpoint.items() if isinstance(v, Tensor)}
    if any(k.startswith("detector.") for k in state):
        state = {k.removeprefix("detector."): v for k, v in state.items() if k.startswith("detector.")}
    if "class_embed.weight" not in state or not any(k.startswith("transformer.") for k in state):
        raise ValueError("holds no DETR: no class_embed.weight and transformer.* among its keys")
    return state


def convert(state: Mapping[str, Tensor]) -> Converted:
    """Rename all keys. Raises ValueError naming a part that is missing."""
    weights: dict[str, Tensor] = {}
    keys, left = [], []
    for name, value in state.items():
        found = _renamed(name, value)
        if found:
            keys.append((name, tuple(found), tuple(value.shape)))
            weights |= found
        elif not name.endswith("num_batches_tracked"):
            left.append(name)
    try:
        sizes = _sizes(state)
    except KeyError as error:
        raise ValueError(f"lacks {error.args[0]}") from None
    return Converted(weights, sizes, tuple(keys), tuple(left))


def _renamed(name: str, value: Tensor) -> dict[str, Tensor]:
    """The new names and values of one key; empty if transformers has no place for it."""
    stem, _, kind = name.rpartition(".")
    if stem in _TOP:
        return {f"{_TOP[stem]}.{kind}": value}
    if stem.startswith("bbox_embed.layers."):
        return {f"{stem.replace('bbox_embed', 'bbox_predictor')}.{kind}": value}
    if match := re.fullmatch(r"transformer\.(encoder|decoder)\.layers\.(\d+)\.(.+)", name):
        return _layer(f"model.{match[1]}.layers.{match[2]}", match[1], match[3], value)
    if match := re.fullmatch(r"backbone\.0\.body\.(.+)\.(weight|bias|running_mean|running_var)", name):
        new = _backbone(match[1])
        return {f"{_BACKBONE}.{new}.{match[2]}": value} if new else {}
    return {}


def _layer(prefix: str, side: str, name: str, value: Tensor) -> dict[str, Tensor]:
    first, _, rest = name.partition(".")
    if first in _ATTENTION:
        attention = f"{prefix}.{_ATTENTION[first]}"
        if rest.startswith("in_proj_"):
            kind = rest.removeprefix("in_proj_")
            return {f"{attention}.{p}_proj.{kind}": part.clone() for p, part in zip("qkv", value.chunk(3), strict=True)}
        return {f"{attention}.{rest}": value}
    if first in ("linear1", "linear2"):
        return {f"{prefix}.fc{first[-1]}.{rest}": value}
    if first in _NORMS[side]:
        return {f"{prefix}.{_NORMS[side][first]}.{rest}": value}
    return {}


def _backbone(name: str) -> str | None:
    """A module of torchvision's ResNet under transformers' name."""
    if name in ("conv1", "bn1"):
        return f"embedder.embedder.{'convolution' if name == 'conv1' else 'normalization'}"
    if not (match := re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))", name)):
        return None
    block = f"encoder.stages.{int(match[1]) - 1}.layers.{match[2]}"
    if match[5]:
        return f"{block}.shortcut.{('convolution', 'normalization')[int(match[5])]}"
    return f"{block}.layer.{int(match[4]) - 1}.{'convolution' if match[3] == 'conv' else 'normalization'}"


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of DetrConfig, and under `backbone` those of ResNetConfig, read off the shapes."""

    def count(pattern: str) -> int:
        found = {int(match[1]) for name in state if (match := re.match(pattern, name))}
        if not found:
            raise KeyError(pattern.replace("\\", "").replace("(d+)", "*"))
        return max(found) + 1

    body = "backbone.0.body"
    bottleneck = f"{body}.layer1.0.conv3.weight" in state
    last = "conv3" if bottleneck else "conv2"
    return {
        "d_model": state["class_embed.weight"].shape[1],
        "num_queries": len(state["query_embed.weight"]),
        "encoder_layers": count(r"transformer\.encoder\.layers\.(\d+)"),
        "decoder_layers": count(r"transformer\.decoder\.layers\.(\d+)"),
        "encoder_ffn_dim": len(state["transformer.encoder.layers.0.linear1.weight"]),
        "decoder_ffn_dim": len(state["transformer.decoder.layers.0.linear1.weight"]),
        "encoder_attention_heads": HEADS,
        "decoder_attention_heads": HEADS,
        "backbone": {
            "embedding_size": len(state[f"{body}.conv1.weight"]),
            "hidden_sizes": [len(state[f"{body}.layer{s}.0.{last}.weight"]) for s in range(1, 5)],
            "depths": [count(rf"backbone\.0\.body\.layer{s}\.(\d+)") for s in range(1, 5)],
            "layer_type": "bottleneck" if bottleneck else "basic",
        },
    }


def read(path: str | Path) -> Any:
    """A `.pth` checkpoint, tensors and plain values only: nothing in it is executed.

    Raises FileNotFoundError, and ValueError for what is no such file.
    """
    import argparse

    # The original code keeps its arguments beside the weights.
    return weight_files.content(Path(path), plain=[argparse.Namespace])
