"""The frozen CLIP: equal to open_clip's own encoders, trimmed context, pruned vocabularies, its own pixels."""

import copy
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import set_model_preprocess_cfg
from PIL import Image

from models.clip import Clip, Tokenizer
from models.hoi import EzHoi, Sizes

TEXTS = ["a person riding a horse", "a person and a cup", "a person holding a very long surfboard under one arm"]


def test_trimmed_text_features_equal_open_clip_at_77_tokens(clip: Clip) -> None:
    pooled, _ = clip.embed_texts(TEXTS)
    torch.testing.assert_close(
        pooled, clip.net.encode_text(open_clip.tokenize(TEXTS), normalize=True), atol=1e-6, rtol=1e-5
    )


def test_trimming_keeps_the_longest_text_only(clip: Clip) -> None:
    tokens, end = clip.tokenizer.encode(TEXTS)
    assert tokens.shape[1] == int(end.max()) + 1
    assert [int(tokens[i, e]) for i, e in enumerate(end)] == [clip.tokenizer.end] * 3


def test_a_text_longer_than_the_context_keeps_its_end_token(clip: Clip) -> None:
    tokens, end = clip.tokenizer.encode(["horse " * 200])
    assert tokens.shape == (1, 77)
    assert int(tokens[0, int(end[0])]) == clip.tokenizer.end


def test_image_tokens_start_with_open_clips_image_feature(clip: Clip) -> None:
    images = torch.randn(2, 3, 56, 56)
    tokens = clip.embed_images(images)
    assert tokens.shape == (2, 1 + 16, 32)
    torch.testing.assert_close(tokens[:, 0], clip.net.encode_image(images), atol=1e-5, rtol=1e-5)


def test_pruned_vocabulary_maps_ids_one_to_one_and_names_what_it_lacks() -> None:
    full = Tokenizer()
    pruned = Tokenizer(full.bpe_ids(["a person riding a horse"]))
    rows, _ = pruned.encode(["a person riding a horse"])
    assert len(set(rows[0].tolist())) == 6  # 'a' occurs twice
    assert pruned.unknown("a person riding a zebra") == ["zebra"]
    assert int(pruned.encode(["zebra"])[0][0, 1]) == pruned.size - 1


def test_a_vocabulary_has_the_models_context() -> None:
    tokens, end = Tokenizer(context=16).encode(["horse " * 200])
    assert tokens.shape == (1, 16) and end.tolist() == [15]


def with_pixels(clip: Clip, **settings: object) -> Clip:
    """The same CLIP, trained on pixels prepared otherwise."""
    other = replace(clip, net=copy.deepcopy(clip.net))
    set_model_preprocess_cfg(other.net, clip.net.visual.preprocess_cfg | settings)
    return other


def test_pixels_are_normalised_with_the_models_own_mean_and_deviation(clip: Clip) -> None:
    white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert clip.normalise(white)[0, 0, 0, 0].item() == pytest.approx((1 - 0.48145466) / 0.26862954)
    halves = with_pixels(clip, mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 2.0))
    assert halves.normalise(white)[0, :, 0, 0].tolist() == [1.0, 1.5, 0.5]


@pytest.mark.parametrize("mean", [(0.48145466, 0.4578275, 0.40821073), (0.5, 0.5, 0.5), (0.0, 0.1, 0.2)])
def test_the_frozen_and_the_prompted_tower_see_the_same_pixels(clip: Clip, mean: tuple[float, ...]) -> None:
    other = with_pixels(clip, mean=mean, std=(0.5, 0.25, 0.125))
    sizes = Sizes(prompts=1, layers=1, bottleneck=8, heads=2, roi_size=2, logit_scale=1.0)
    drawn = torch.randint(0, 256, (90, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    picture = Image.fromarray(drawn.numpy())
    squashed = torch.from_numpy(np.asarray(picture.resize((56, 56), Image.Resampling.BICUBIC)).copy()).permute(2, 0, 1)
    torch.testing.assert_close(EzHoi(clip=other, sizes=sizes).normalise(squashed), other.preprocess()(picture))
