"""Prompts act: moving a prompt moves the feature, and gradients reach every learned tensor."""

import pytest
import torch
from torch import Tensor

from models.clip import Clip
from models.hoi import EzHoi, Phrases
from models.instances import collate
from models.scoring import verb_logits
from models.sizes import Sizes
from models.text_tower import text_features

SIZES = Sizes(prompts=2, layers=2, bottleneck=16, heads=2, roi_size=7, logit_scale=10.0)


def phrases(clip: Clip) -> Phrases:
    texts = ["a person riding a horse", "a person holding a cup", "a person and a boat"]
    tokens, end = clip.tokenizer.encode(texts)
    torch.manual_seed(3)
    return Phrases(tokens, end, torch.randn(3, 4, 32), torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1]]).bool())


def scene() -> tuple[Tensor, object, Tensor]:
    torch.manual_seed(4)
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.9], [0.3, 0.4, 0.9, 0.9], [0.6, 0.1, 0.9, 0.8]])
    found = collate(
        [
            (boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 17])),
            (boxes[:2], torch.ones(2) * 0.5, torch.tensor([0, 3])),
        ]
    )
    return torch.randn(2, 3, 56, 56), found, torch.randn(80, 32)


def test_moving_a_text_prompt_moves_the_feature(clip: Clip) -> None:
    tokens, end = clip.tokenizer.encode(["a person riding a horse"])
    prompts = torch.zeros(1, 2, 2, 48)
    still = text_features(clip.net, tokens, end, prompts)
    for layer in range(2):
        moved = prompts.clone()
        moved[:, layer] += torch.randn(2, 48)  # not a constant, which LayerNorm would take out again
        assert (text_features(clip.net, tokens, end, moved) - still).abs().max() > 1e-3


def test_text_after_the_end_does_not_matter(clip: Clip) -> None:
    tokens, end = clip.tokenizer.encode(
        ["a person riding a horse", "a person holding a cup of tea beside a small table"]
    )
    prompts = torch.randn(2, 2, 2, 48)
    alone = text_features(clip.net, *clip.tokenizer.encode(["a person riding a horse"]), prompts[:1])
    torch.testing.assert_close(text_features(clip.net, tokens, end, prompts)[:1], alone, atol=1e-5, rtol=1e-5)


def test_an_untrained_model_guides_nothing(clip: Clip) -> None:
    model = EzHoi(clip=clip, sizes=SIZES)
    prompts = model.class_prompts(phrases(clip))
    torch.testing.assert_close(prompts, model.prompts.expand(3, -1, -1, -1))


def test_padding_of_descriptions_is_masked(clip: Clip) -> None:
    torch.manual_seed(0)
    model = EzHoi(clip=clip, sizes=SIZES)
    torch.nn.init.normal_(model.text_guidance.attend.up.weight)
    given = phrases(clip)
    disturbed = Phrases(given.tokens, given.end, given.memory + given.absent[..., None] * 100.0, given.absent)
    torch.testing.assert_close(model.class_prompts(given), model.class_prompts(disturbed))


def test_an_image_without_instances_is_finite(clip: Clip) -> None:
    torch.manual_seed(0)
    model = EzHoi(clip=clip, sizes=SIZES)
    for adapter in model.adapters:
        torch.nn.init.normal_(adapter.attend.up.weight)
    images, _, objects = scene()
    none = (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
    one = (torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.8, 0.8]]), torch.ones(2), torch.tensor([0, 5]))
    pairs = model.pairs(images, clip.embed_images(images), collate([none, one]), objects)
    assert pairs.shape == (1, 32)
    assert pairs.isfinite().all()


def test_pairs_of_an_image_do_not_depend_on_the_other_images(clip: Clip) -> None:
    torch.manual_seed(0)
    model = EzHoi(clip=clip, sizes=SIZES)
    for module in (model.inter.attend, model.visual_guidance.attend, *(a.attend for a in model.adapters)):
        torch.nn.init.normal_(module.up.weight, std=0.1)
    images, found, objects = scene()
    both = model.pairs(images, clip.embed_images(images), found, objects)
    first = collate([(found.boxes[0], found.scores[0], found.labels[0])])
    alone = model.pairs(images[:1], clip.embed_images(images[:1]), first, objects)
    torch.testing.assert_close(both[: len(alone)], alone, atol=1e-4, rtol=1e-4)


def test_every_learned_tensor_gets_a_gradient_after_one_step(clip: Clip) -> None:
    torch.manual_seed(0)
    model = EzHoi(clip=clip, sizes=SIZES)
    images, found, objects = scene()
    given = phrases(clip)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(2):  # W_up is zero at the start, so what is behind it gets its gradient from the second step on
        pairs = model.pairs(images, clip.embed_images(images), found, objects)
        logits = verb_logits(model.phrase_logits(pairs, model.text(given)), torch.tensor([0, 1, 1]), 2)
        optimiser.zero_grad()
        (logits * torch.linspace(-1, 1, logits.numel()).reshape(logits.shape)).sum().backward()
        without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        optimiser.step()
    assert without == []


def test_no_part_of_clip_is_learned_or_saved(clip: Clip) -> None:
    model = EzHoi(clip=clip, sizes=SIZES)
    assert not any(name.startswith("clip") or "resblocks" in name for name in model.state_dict())


def test_more_prompted_layers_than_clip_has_is_an_error(clip: Clip) -> None:
    with pytest.raises(ValueError, match=r"model.layers = 9, but CLIP has 3 text and 3 visual"):
        EzHoi(clip=clip, sizes=Sizes(prompts=2, layers=9, bottleneck=16, heads=2, roi_size=7, logit_scale=10.0))
