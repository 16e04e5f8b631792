"""Proof of life: every module that is said to learn has a gradient, moves, is heard, and is in the checkpoint."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.hoi import EzHoi, Phrases
from models.instances import collate
from models.released.hoi import ReleasedHoi
from models.scoring import verb_logits
from models.sizes import Sizes
from models.text_tower import text_features

SIZES = Sizes(prompts=2, layers=2, bottleneck=16, heads=2, roi_size=7, logit_scale=10.0)
PAPER = (
    *("prompts", "visual_prompts", "text_guidance", "visual_guidance", "instance_prior"),
    *("adapters", "intra", "inter", "logit_scale"),
)
RELEASED = tuple(part for part in PAPER if part not in ("prompts", "text_guidance"))
LOCALITY = ("layout", *PAPER)
PATTERNS = ("patterns", *PAPER)
VERBS = torch.tensor([0, 1, 1])


def paper(clip: Clip, **chosen: Any) -> EzHoi:
    torch.manual_seed(0)
    return EzHoi(clip=clip, sizes=dataclasses.replace(SIZES, **chosen))


def locality(clip: Clip) -> EzHoi:
    model = paper(clip, adapter="locality")
    for adapter in model.adapters:  # starts at 1e-9, where a gradient would only be rounding
        nn.init.constant_(adapter.gate, 0.1)
    return model


def patterns(clip: Clip) -> EzHoi:
    return paper(clip, patterns=3)


def plain_inter(clip: Clip) -> EzHoi:
    return paper(clip, inter="attention")


def released(clip: Clip) -> ReleasedHoi:
    torch.manual_seed(0)
    model = ReleasedHoi(clip=clip, sizes=SIZES, dropout=0, roi_dropout=0)
    for adapter in model.adapters:  # starts at 1e-9, where a gradient would only be rounding
        nn.init.constant_(adapter.scale, 0.1)
    return model


MODELS: dict[str, tuple[Callable[[Clip], Any], tuple[str, ...]]] = {
    "paper": (paper, PAPER),
    "released": (released, RELEASED),
    "locality": (locality, LOCALITY),
    "patterns": (patterns, PATTERNS),
    "inter": (plain_inter, PAPER),
}


def logits(model: Any, clip: Clip, phrases: Phrases, scene: Any) -> Tensor:
    images, found, objects = scene
    pairs = model.pairs(images, clip.embed_images(images), found, objects)
    return verb_logits(model.phrase_logits(pairs, model.text(phrases)), VERBS, 2)


def step(model: Any, clip: Clip, phrases: Phrases, scene: Any, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    x = logits(model, clip, phrases, scene)
    (x * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum().backward()
    optimiser.step()


def of(part: str, name: str) -> bool:
    return name.split(".")[0] == part


@pytest.mark.parametrize(
    ("preset", "part"), [(preset, part) for preset, (_, parts) in MODELS.items() for part in parts]
)
def test_life(clip: Clip, phrases: Phrases, scene: Any, preset: str, part: str) -> None:
    """The second step, since what is behind a W_up that starts at zero gets its gradient from then on."""
    model = MODELS[preset][0](clip)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    step(model, clip, phrases, scene, optimiser)
    before = copy.deepcopy(model.state_dict())
    step(model, clip, phrases, scene, optimiser)
    learned = {name: p for name, p in model.named_parameters() if of(part, name)}
    assert learned
    for name, parameter in learned.items():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, f"{name} has no gradient"
        assert not torch.equal(before[name], model.state_dict()[name]), f"{name} did not move, or is not saved"


@pytest.mark.parametrize(
    ("preset", "part"), [(preset, part) for preset, (_, parts) in MODELS.items() for part in parts]
)
def test_moving_a_part_moves_the_logits(clip: Clip, phrases: Phrases, scene: Any, preset: str, part: str) -> None:
    model = MODELS[preset][0](clip)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    step(model, clip, phrases, scene, optimiser)
    with torch.no_grad():
        still = logits(model, clip, phrases, scene)
        for name, parameter in model.named_parameters():
            if of(part, name):
                parameter += 0.1 * torch.randn_like(parameter)
        assert (logits(model, clip, phrases, scene) - still).abs().max() > 1e-4


def heard(model: EzHoi, clip: Clip, phrases: Phrases, scene: Any) -> dict[str, Tensor]:
    """The logits after each input of a module was moved."""
    images, found, objects = scene
    frozen = clip.embed_images(images)
    text = model.text(phrases)

    def with_(**changed: Any) -> Tensor:
        given = {"images": images, "frozen": frozen, "found": found, "objects": objects, "text": text} | changed
        pairs = model.pairs(given["images"], given["frozen"], given["found"], given["objects"])
        return model.phrase_logits(pairs, given["text"])

    swapped = dataclasses.replace(found, boxes=found.boxes.flip(1))
    told = dataclasses.replace(phrases, memory=phrases.memory.flip(0))
    return {
        "nothing": with_(),
        "image": with_(images=images.flip(0)),
        "frozen tokens": with_(frozen=frozen.flip(0)),
        "scores": with_(found=dataclasses.replace(found, scores=found.scores / 2)),
        "boxes": with_(found=swapped),
        "object names": with_(objects=objects.flip(0)),
        "descriptions": with_(text=model.text(told)),
    }


@pytest.mark.parametrize("made", [paper, locality, patterns, plain_inter])
def test_every_input_is_heard(clip: Clip, phrases: Phrases, scene: Any, made: Callable[[Clip], EzHoi]) -> None:
    model = made(clip)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(2):
        step(model, clip, phrases, scene, optimiser)
    with torch.no_grad():
        outputs = heard(model, clip, phrases, scene)
    still = outputs.pop("nothing")
    for name, moved in outputs.items():
        assert (moved - still).abs().max() > 1e-5, name


@pytest.mark.parametrize("length", [15, 25, 75])
def test_trimming_is_exact_for_features_and_gradients(clip: Clip, length: int) -> None:
    """The untrimmed context is padded behind EOT, up to all 77 positions with two prompts."""
    tokens, end = clip.tokenizer.encode(["a person riding a horse", "a person standing under an umbrella"])
    padded = nn.functional.pad(tokens, (0, length - tokens.shape[1]))
    start = torch.randn(2, 2, 2, 48, generator=torch.Generator().manual_seed(0))
    found = []
    for given in (tokens, padded):
        prompts = start.clone().requires_grad_()
        features = text_features(clip.net, given, end, prompts)
        (features * torch.linspace(-1, 1, features.numel()).reshape(features.shape)).sum().backward()
        found.append((features.detach(), prompts.grad))
    (trimmed, gradient), (whole, whole_gradient) = found
    torch.testing.assert_close(trimmed, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradient, whole_gradient, atol=1e-6, rtol=1e-5)
    assert gradient.abs().max() > 0


class Operations(TorchDispatchMode):
    """Counts what is asked of torch."""

    count = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(model: Any, clip: Clip, people: int, classes: int) -> int:
    boxes = torch.rand(people + 3, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = torch.tensor([0] * people + [1, 2, 3])
    found = collate([(boxes / 2, torch.ones(len(boxes)), labels)] * 2)
    tokens, end = clip.tokenizer.encode(["a person riding a horse"] * classes)
    phrases = Phrases(tokens, end, torch.randn(classes, 1, 32), torch.zeros(classes, 1, dtype=torch.bool))
    images = torch.randn(2, 3, 56, 56)
    frozen, objects = clip.embed_images(images), torch.randn(80, 32)
    with Operations() as counted:
        text = model.text(phrases)
        verb_logits(
            model.phrase_logits(model.pairs(images, frozen, found, objects), text), torch.arange(classes) % 5, 5
        )
    return counted.count


@pytest.mark.parametrize("preset", MODELS)
def test_more_pairs_or_classes_are_no_more_operations(clip: Clip, preset: str) -> None:
    model = MODELS[preset][0](clip)
    few = operations(model, clip, people=1, classes=2)
    assert few > 50
    assert operations(model, clip, people=9, classes=2) == few
    assert operations(model, clip, people=1, classes=40) == few


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "widths", "layers"),
    [("ViT-B-16-quickgelu", (512, 768, 512), 12), ("ViT-L-14-336-quickgelu", (768, 1024, 768), 24)],
)
def test_real_architectures_with_fewer_layers(name: str, widths: tuple[int, int, int], layers: int) -> None:
    """OpenAI's ViTs as open_clip builds them, cut to two layers a tower: prompts, adapters and RoI features fit."""
    config = open_clip.get_model_config(name)
    assert config["vision_cfg"]["layers"] == layers
    config = config | {
        "vision_cfg": config["vision_cfg"] | {"layers": 2},
        "text_cfg": config["text_cfg"] | {"layers": 2},
    }
    clip = Clip(build(config).eval().requires_grad_(False), Tokenizer())
    assert (clip.text_width, clip.visual_width, clip.joint_width) == widths
    model = EzHoi(clip=clip, sizes=dataclasses.replace(SIZES, bottleneck=64))
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.9], [0.3, 0.4, 0.9, 0.9]])
    found = collate([(boxes, torch.ones(2), torch.tensor([0, 5]))])
    images = torch.randn(1, 3, clip.image_size, clip.image_size)
    frozen = clip.embed_images(images)
    assert frozen.shape == (1, 1 + clip.grid**2, widths[2])
    torch.testing.assert_close(frozen[:, 0], clip.net.encode_image(images), atol=1e-4, rtol=1e-4)
    tokens, end = clip.tokenizer.encode(["a person riding a horse"])
    phrases = Phrases(tokens, end, torch.randn(1, 1, widths[2]), torch.zeros(1, 1, dtype=torch.bool))
    x = model.phrase_logits(model.pairs(images, frozen, found, torch.randn(80, widths[2])), model.text(phrases))
    x.sum().backward()
    assert x.shape == (1, 1) and model.prompts.grad is not None and model.prompts.grad.abs().max() > 0
