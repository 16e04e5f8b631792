"""Guidance tokens (Eq. 2) from the embedding cache: one pooled row, a row a sentence, or a row a token."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from shared_demo import Copied
from small_demo import small

from models.clip import Clip
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import run
from pipeline.learned import build, checkpoint, phrases
from pipeline.tables import arrays

GUIDANCE = ("pooled", "sentence", "token")
HOIS = [10, 150, 151]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Path:
    return demo(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def clip(store: Path) -> Clip:
    return build.frozen_clip(small(store))


@pytest.fixture
def cached(tmp_path: Path, clip: Clip) -> Any:
    """Descriptions of three classes with one, three and two sentences."""
    width, some = clip.joint_width, np.random.default_rng(0)
    rows = [some.standard_normal((m, width)).astype(np.float32) for m in (1, 3, 2)]
    tokens = [some.standard_normal((m, width)).astype(np.float32) for m in (9, 20, 14)]
    pooled = some.standard_normal((3, width)).astype(np.float32)
    columns = {"hoi_id": HOIS, "pooled": pooled, "sentences": rows, "tokens": tokens}
    arrays.write(tmp_path / "seen-descriptions.parquet", columns)
    return SimpleNamespace(path=lambda name: tmp_path / name, columns=columns)


@pytest.mark.parametrize("guidance", GUIDANCE)
def test_each_kind_is_read_row_by_row_and_padded(cached: Any, clip: Clip, guidance: str) -> None:
    read = phrases.read(cached, "seen", vocabulary=HICO, clip=clip, guidance=guidance)
    column = cached.columns["pooled" if guidance == "pooled" else f"{guidance}s"]
    expected = [np.atleast_2d(row) for row in column]
    assert read.phrases.memory.shape == (3, max(map(len, expected)), clip.joint_width)
    for rows, memory, absent in zip(expected, read.phrases.memory, read.phrases.absent, strict=True):
        assert np.array_equal(memory[~absent].numpy(), rows)
        assert not memory[absent].any()
    assert np.array_equal(read.descriptions.numpy(), cached.columns["pooled"])


def test_the_released_preset_has_its_own_sentences(cached: Any, clip: Clip) -> None:
    read = phrases.read(cached, "seen", vocabulary=HICO, clip=clip, guidance="pooled", preset="released")
    tokens, _ = clip.tokenizer.encode([f"A photo of {HICO.classes[h].phrase}." for h in HOIS])
    assert torch.equal(read.phrases.tokens, tokens)


@pytest.mark.slow
@pytest.mark.parametrize("guidance", GUIDANCE)
def test_training_with_each_kind(store: Path, clip: Clip, guidance: str) -> None:
    """The cache holds what CLIP makes of the texts, and the trained guidance hears every row of it."""
    config = small(store, f"model.guidance={guidance}", "seen.epochs=1")
    made = {name: outcome.artifact for name, outcome in run.run(config, targets=("seen",)).items()}
    read = phrases.read(made["text_embeddings"], "seen", vocabulary=HICO, clip=clip, guidance=guidance)
    texts = made["descriptions"].table("descriptions.parquet").set_index("hoi_id")
    described = texts.loc[read.hois[0]]
    pooled, tokens = clip.embed_texts([described["text"]])
    sentences, _ = clip.embed_texts(list(described["sentences"]))
    expected = {"pooled": pooled, "sentence": sentences, "token": tokens[0]}[guidance]
    memory = read.phrases.memory[0][~read.phrases.absent[0]]
    torch.testing.assert_close(memory, expected, atol=1e-5, rtol=1e-4)

    model = build.paper_model(config, clip)
    model.load_state_dict(checkpoint.load_weights(made["seen"].path("model.safetensors"))[0])
    model.requires_grad_(False)
    given = read.take([0, 1]).phrases
    given.memory.requires_grad_()
    (model.class_prompts(given) - model.prompts).square().sum().backward()
    assert given.memory.grad is not None
    hears = given.memory.grad.abs().sum(dim=2) > 0
    assert hears[~given.absent].all() and not hears[given.absent].any()
