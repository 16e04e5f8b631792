"""A small CLIP of OpenAI's architecture with random weights, three classes and two images with their detections."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.hoi import Phrases
from models.instances import Instances, collate

ARCHITECTURE = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 56, "patch_size": 14, "width": 64, "layers": 3, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 3},
}


@pytest.fixture
def architecture() -> dict[str, Any]:
    return copy.deepcopy(ARCHITECTURE)


@pytest.fixture(scope="session")
def clip() -> Clip:
    torch.manual_seed(0)
    return Clip(build(ARCHITECTURE).eval().requires_grad_(False), Tokenizer())


@pytest.fixture
def phrases(clip: Clip) -> Phrases:
    """Three classes whose descriptions have four, two and one rows."""
    tokens, end = clip.tokenizer.encode(["a person riding a horse", "a person holding a cup", "a person and a boat"])
    absent = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1]]).bool()
    return Phrases(tokens, end, torch.randn(3, 4, 32, generator=torch.Generator().manual_seed(3)), absent)


@pytest.fixture
def scene() -> tuple[Tensor, Instances, Tensor]:
    """Images (2, 3, 56, 56), their detections (two humans and a horse; a human and a motorcycle), object embeddings."""
    some = torch.Generator().manual_seed(4)
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.9], [0.3, 0.4, 0.9, 0.9], [0.6, 0.1, 0.9, 0.8]])
    found = collate(
        [
            (boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 17])),
            (boxes[:2], torch.ones(2) * 0.5, torch.tensor([0, 3])),
        ]
    )
    return torch.randn(2, 3, 56, 56, generator=some), found, torch.randn(80, 32, generator=some)
