"""DETR as its original code names and computes it, on torchvision's ResNet: what converted checkpoints are held against."""

import math

import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.ops.misc import FrozenBatchNorm2d


class Layer(nn.Module):
    """A post-norm layer; a decoder's attends to the image too."""

    def __init__(self, width: int, hidden: int, decoder: bool) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, 8, batch_first=True)
        if decoder:
            self.multihead_attn = nn.MultiheadAttention(width, 8, batch_first=True)
            self.norm3 = nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(
        self, x: Tensor, position: Tensor, padding: Tensor | None, image: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        q = x + position
        own_padding = padding if image is None else None
        x = self.norm1(x + self.self_attn(q, q, x, key_padding_mask=own_padding)[0])
        if image is not None:
            memory, where = image
            found = self.multihead_attn(x + position, memory + where, memory, key_padding_mask=padding)[0]
            x = self.norm2(x + found)
        last = self.norm2 if image is None else self.norm3
        return last(x + self.linear2(self.linear1(x).relu()))


class Boxes(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 4)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](self.layers[1](self.layers[0](x).relu()).relu())


class OriginalDetr(nn.Module):
    def __init__(
        self, *, outputs: int, width: int, layers: int, queries: int, hidden: int, backbone: nn.Module
    ) -> None:
        super().__init__()
        self.transformer = nn.Module()
        for side in ("encoder", "decoder"):
            stack = nn.Module()
            stack.layers = nn.ModuleList([Layer(width, hidden, side == "decoder") for _ in range(layers)])
            setattr(self.transformer, side, stack)
        self.transformer.decoder.norm = nn.LayerNorm(width)
        self.class_embed, self.bbox_embed = nn.Linear(width, outputs), Boxes(width)
        self.query_embed = nn.Embedding(queries, width)
        self.input_proj = nn.Conv2d(backbone.fc.in_features, width, 1)
        joined = nn.Module()
        joined.body = IntermediateLayerGetter(backbone, {"layer4": "0"})
        self.backbone = nn.Sequential(joined)

    def forward(self, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, Q, outputs) and boxes (B, Q, 4); mask is 1 where an image is."""
        features = self.backbone[0].body(pixels)["0"]
        inside = nn.functional.interpolate(mask[None].float(), size=features.shape[-2:])[0].bool()
        position = sine(inside, self.query_embed.weight.shape[1]).flatten(2).transpose(1, 2)
        memory = self.input_proj(features).flatten(2).transpose(1, 2)
        padding = ~inside.flatten(1)
        for layer in self.transformer.encoder.layers:
            memory = layer(memory, position, padding, None)
        query = self.query_embed.weight.expand(len(pixels), -1, -1)
        x = torch.zeros_like(query)
        for layer in self.transformer.decoder.layers:
            x = layer(x, query, padding, (memory, position))
        x = self.transformer.decoder.norm(x)
        return self.class_embed(x), self.bbox_embed(x).sigmoid()


def sine(inside: Tensor, width: int) -> Tensor:
    """(B, width, H, W), as published."""
    half = width // 2
    axes = []
    for axis in (1, 2):
        place = inside.float().cumsum(axis)
        place = place / (place.max(axis, keepdim=True).values + 1e-6) * 2 * math.pi
        rate = 10000 ** (2 * (torch.arange(half) // 2) / half)
        angle = place[..., None] / rate
        axes.append(torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], dim=4).flatten(3))
    return torch.cat(axes, dim=3).permute(0, 3, 1, 2)


def build(
    *, outputs: int = 81, width: int = 32, layers: int = 2, queries: int = 10, deep: bool = False
) -> OriginalDetr:
    """Random weights; `deep` is ResNet-50, else a narrow net of basic blocks (torchvision's ResNet-18)."""
    torch.manual_seed(0)
    backbone = (resnet.resnet50 if deep else resnet.resnet18)(weights=None, norm_layer=FrozenBatchNorm2d)
    net = OriginalDetr(
        outputs=outputs, width=width, layers=layers, queries=queries, hidden=4 * width, backbone=backbone
    )
    for module in net.modules():
        if isinstance(module, FrozenBatchNorm2d):  # statistics that a mistake would show in
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.0)
            module.bias.uniform_(-0.2, 0.2)
    for module in net.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.uniform_(module.in_proj_bias, -0.2, 0.2)
    return net.eval()
