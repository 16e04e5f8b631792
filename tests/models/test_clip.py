"""The frozen CLIP: equal to open_clip's own encoders, trimmed context, pruned vocabularies, own checkpoints."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from models import clip as clips
from models.clip import Clip, Vocabulary, build

TEXTS = ["a person riding a horse", "a person and a cup", "a person holding a very long surfboard under one arm"]


def test_trimmed_text_features_equal_open_clip_at_77_tokens(clip: Clip) -> None:
    pooled, _ = clip.embed_texts(TEXTS)
    torch.testing.assert_close(
        pooled, clip.net.encode_text(open_clip.tokenize(TEXTS), normalize=True), atol=1e-6, rtol=1e-5
    )


def test_trimming_keeps_the_longest_text_only(clip: Clip) -> None:
    tokens, end = clip.vocabulary.encode(TEXTS)
    assert tokens.shape[1] == int(end.max()) + 1
    assert [int(tokens[i, e]) for i, e in enumerate(end)] == [clip.vocabulary.end] * 3


def test_a_text_longer_than_the_context_keeps_its_end_token(clip: Clip) -> None:
    tokens, end = clip.vocabulary.encode(["horse " * 200])
    assert tokens.shape == (1, 77)
    assert int(tokens[0, int(end[0])]) == clip.vocabulary.end


def test_image_tokens_start_with_open_clips_image_feature(clip: Clip) -> None:
    images = torch.randn(2, 3, 56, 56)
    tokens = clip.embed_images(images)
    assert tokens.shape == (2, 1 + 16, 32)
    torch.testing.assert_close(tokens[:, 0], clip.net.encode_image(images), atol=1e-5, rtol=1e-5)


def test_pruned_vocabulary_maps_ids_one_to_one_and_names_what_it_lacks() -> None:
    full = Vocabulary()
    pruned = Vocabulary(full.bpe_ids(["a person riding a horse"]))
    rows, _ = pruned.encode(["a person riding a horse"])
    assert len(set(rows[0].tolist())) == 6  # 'a' occurs twice
    assert pruned.unknown("a person riding a zebra") == ["zebra"]
    assert int(pruned.encode(["zebra"])[0][0, 1]) == pruned.size - 1


def test_own_checkpoint_loads_as_it_was(tmp_path, architecture) -> None:
    torch.manual_seed(1)
    kept = Vocabulary().bpe_ids(["a person riding a horse"])
    architecture["text_cfg"]["vocab_size"] = len(kept) + 1
    net = build(architecture)
    path = tmp_path / "own.safetensors"
    save_file(net.state_dict() | {"vocabulary": torch.tensor(kept)}, path, {"architecture": json.dumps(architecture)})
    loaded = clips.load(architecture="tiny", weights=path, image_size=56)
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), loaded.net.state_dict().values(), strict=True)
    )
    assert not any(p.requires_grad for p in loaded.net.parameters())
    with pytest.raises(ValueError, match="trained at image size 56"):
        clips.load(architecture="tiny", weights=path, image_size=112)


def test_normalise_uses_clips_mean_and_deviation() -> None:
    white = clips.normalise(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))
    assert white[0, 0, 0, 0].item() == pytest.approx((1 - 0.48145466) / 0.26862954)
