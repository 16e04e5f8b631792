"""Parts that can be turned off: one that is off has no parameters and no effect; what is left still learns."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from models.clip import Clip
from models.fusion import box_features, union_features
from models.hoi import EzHoi
from models.instances import collate
from models.sizes import Parts, Sizes

SIZES = Sizes(prompts=2, layers=2, bottleneck=16, heads=2, roi_size=7, logit_scale=10.0)
PARAMETERS = {
    "intra_fusion": {"intra"},
    "instance_adapter": {"instance_prior", "adapters"},
    "llm_guidance": {"text_guidance"},
    "inter_fusion": {"inter"},
    "vlm_guidance": {"visual_guidance"},
}
NONE = Parts(**dict.fromkeys(PARAMETERS, False))


def model_with(clip: Clip, parts: Parts) -> EzHoi:
    """A model whose zero-initialised ends are moved, so that every part has an effect."""
    torch.manual_seed(0)
    model = EzHoi(clip=clip, sizes=dataclasses.replace(SIZES, parts=parts))
    for name, parameter in model.named_parameters():
        if ".up." in name:
            nn.init.normal_(parameter, std=0.1)
    return model


def owners(model: EzHoi) -> set[str]:
    return {name.split(".")[0] for name in model.state_dict()}


@pytest.mark.parametrize("part", PARAMETERS)
def test_a_part_that_is_off_has_no_parameters(clip: Clip, part: str) -> None:
    everything = owners(model_with(clip, Parts()))
    assert everything - owners(model_with(clip, dataclasses.replace(Parts(), **{part: False}))) == PARAMETERS[part]


def test_without_all_parts_only_the_prompts_are_left(clip: Clip) -> None:
    assert owners(model_with(clip, NONE)) == {"prompts", "visual_prompts", "logit_scale"}


@pytest.mark.parametrize("part", PARAMETERS)
def test_a_part_has_an_effect(clip: Clip, part: str, phrases: Any, scene: Any) -> None:
    images, found, objects = scene
    both = [model_with(clip, Parts()), model_with(clip, dataclasses.replace(Parts(), **{part: False}))]
    both[1].load_state_dict({k: v for k, v in both[0].state_dict().items() if k in both[1].state_dict()})
    frozen = clip.embed_images(images)
    if part == "llm_guidance":
        a, b = (m.text(phrases) for m in both)
    else:
        a, b = (m.pairs(images, frozen, found, objects) for m in both)
    assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize("part", [None, *PARAMETERS])
def test_every_tensor_that_is_left_gets_a_gradient(clip: Clip, part: str | None, phrases: Any, scene: Any) -> None:
    model = model_with(clip, NONE if part is None else dataclasses.replace(Parts(), **{part: False}))
    images, found, objects = scene
    pairs = model.pairs(images, clip.embed_images(images), found, objects)
    logits = model.phrase_logits(pairs, model.text(phrases))
    (logits * torch.linspace(-1, 1, logits.numel()).reshape(logits.shape)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_what_is_off_is_not_heard(clip: Clip, phrases: Any, scene: Any) -> None:
    images, found, objects = scene
    model = model_with(clip, NONE)
    frozen = clip.embed_images(images)
    still = model.pairs(images, frozen, found, objects)
    moved = dataclasses.replace(found, scores=found.scores / 2)
    torch.testing.assert_close(model.pairs(images, frozen + 1, moved, objects + 1), still)
    told = dataclasses.replace(phrases, memory=phrases.memory + 1)
    torch.testing.assert_close(model.text(told), model.text(phrases))


def test_union_features_read_the_box_around_both() -> None:
    tokens = torch.randn(1, 1 + 16, 8)
    pair = torch.tensor([[0.0, 0.25, 0.5, 0.75], [0.25, 0.0, 1.0, 0.5]])
    around = torch.tensor([[0.0, 0.0, 1.0, 0.75]])
    found = collate([(pair, torch.ones(2), torch.tensor([0, 1]))])
    union = collate([(around, torch.ones(1), torch.tensor([0]))])
    expected = box_features(tokens, union, grid=4, size=7)[0]
    torch.testing.assert_close(union_features(tokens, found, grid=4, size=7), expected)
