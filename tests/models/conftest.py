"""A small CLIP of OpenAI's architecture with random weights."""

import copy
from typing import Any

import pytest
import torch

from models.clip import Clip, Vocabulary, build

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
    return Clip(build(ARCHITECTURE).eval().requires_grad_(False), Vocabulary())
