"""Train the tiny CLIP of the demo on the project's own rendered pictures alone.

    ezhoi world clip --out pipeline/tiny/tiny_clip.safetensors

OpenAI's architecture and parameter names at toy size. Multi-positive InfoNCE (all captions of a picture's class are its
positives), PCA-initialised patch embedding, sin-cos positions, AdamW with a cosine schedule.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.text_tower import text_features
from pipeline.config.data import Data
from pipeline.datasets import configured
from pipeline.datasets.world.classes import WORLD_VERSION, held_out, world_classes
from pipeline.learned.checkpoint import save_weights
from pipeline.texts.lexicon.lexicon import contrast, describe
from pipeline.tiny.captions import Picture, caption, disturb, object_alone, scene_picture, window
from pipeline.vocabulary.vocabulary import Vocabulary

KINDS = ("phrase", "phrase", "sentence", "description")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything on which the checkpoint depends besides the code."""

    seed: int = 0
    scenes: int = 6000
    object_views: int = 16
    steps: int = 1600
    batch: int = 64
    lr: float = 1.2e-3
    warmup: int = 100
    image_size: int = 112
    patch: int = 14
    width: int = 128
    visual_layers: int = 4
    text_layers: int = 3

    def architecture(self, vocabulary: int) -> dict[str, object]:
        """The open_clip configuration."""
        return {
            "embed_dim": self.width,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": self.image_size,
                "patch_size": self.patch,
                "width": self.width,
                "layers": self.visual_layers,
                "head_width": 32,
            },
            "text_cfg": {
                "context_length": 77,
                "vocab_size": vocabulary,
                "width": self.width,
                "heads": self.width // 32,
                "layers": self.text_layers,
            },
        }


def vocabulary() -> list[int]:
    """The BPE ids of all that the lexicon can say about HICO-DET's 600 classes. A row for a word is not its meaning: held-out
    words keep their initial embedding."""
    hico = configured.dataset(Data(source="hico")).vocabulary
    classes = hico.classes
    texts = [hoi.phrase for hoi in classes] + [f"a {thing.noun}" for thing in hico.objects]
    texts += [sentence for hoi in classes for sentence in describe(hoi)]
    for template in ("contrast-v1", "contrast-v2"):
        texts += [s for a, b in zip(classes, classes[1:] + classes[:1], strict=True) for s in contrast(a, b, template)]
    return Tokenizer().bpe_ids(texts)


def pictures(recipe: Recipe, progress: Callable[[int, int], None] = lambda done, total: None) -> list[Picture]:
    """The pool of pictures: scenes of allowed classes, and every object alone."""
    pool = []
    for index in range(recipe.scenes):
        pool.append(scene_picture(index))
        progress(index + 1, recipe.scenes)
    for object_id in sorted({c.object_id for c in world_classes()}):
        pool += [object_alone(object_id, view) for view in range(recipe.object_views)]
    return pool


def batch(pool: list[Picture], recipe: Recipe, step: int, world: Vocabulary) -> tuple[Tensor, list[str], Tensor]:
    """Pixels (B, 3, S, S) uint8, captions and groups (B,) of a step, a pure function of the recipe's seed and the step.

    `world` is the vocabulary of the rendered world, of which the pictures are.
    """
    rng = np.random.default_rng([recipe.seed, step])
    kind = KINDS[int(rng.integers(len(KINDS)))]
    views, texts, groups = [], [], []
    for index in rng.choice(len(pool), recipe.batch, replace=False):
        picture = pool[index]
        subject = picture.subjects[int(rng.integers(len(picture.subjects)))]
        views.append(disturb(window(picture, subject, rng, recipe.image_size), rng))
        texts.append(caption(subject.group, kind, rng, world))
        groups.append(subject.group)
    pixels = torch.from_numpy(np.stack(views).transpose(0, 3, 1, 2).copy())
    return pixels, texts, torch.tensor(groups)


def contrastive(images: Tensor, texts: Tensor, groups: Tensor, scale: Tensor) -> Tensor:
    """Multi-positive InfoNCE, both ways: the targets are uniform over the members of a sample's group.

    Args:
        images, texts: (B, d_a), unit length; groups: (B,).
    """
    logits = scale * images @ texts.T
    same = (groups[:, None] == groups[None]).float()
    target = same / same.sum(dim=1, keepdim=True)
    forward = -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()
    backward = -(target * logits.T.log_softmax(dim=1)).sum(dim=1).mean()
    return (forward + backward) / 2


def train(
    recipe: Recipe, pool: list[Picture], report: Callable[[int, float], None] = lambda step, loss: None
) -> tuple[Clip, list[float]]:
    """Train the CLIP; return it with the loss of every step."""
    torch.manual_seed(recipe.seed)
    kept = vocabulary()
    words = Tokenizer(kept)
    net = build(recipe.architecture(words.size))
    clip = Clip(net, words)
    _initialise(clip, pool, recipe)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))
    world = configured.dataset(Data(source="world")).vocabulary
    losses = []
    net.train()
    for step in range(recipe.steps):
        rate = min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.lr * rate
        pixels, texts, owners = batch(pool, recipe, step, world)
        tokens, end = words.encode(texts)
        image = net.encode_image(clip.normalise(pixels), normalize=True)
        text = nn.functional.normalize(text_features(net, tokens, end), dim=-1)
        loss = contrastive(image, text, owners, net.logit_scale.exp().clamp(max=100))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        report(step + 1, losses[-1])
    net.eval().requires_grad_(False)
    return clip, losses


def save(path: Path, clip: Clip, recipe: Recipe, losses: list[float]) -> None:
    """Write the checkpoint (fp16) with its architecture in the header, and beside it a manifest of how it was made."""
    state = {k: v.half() for k, v in clip.net.state_dict().items()} | {"vocabulary": torch.tensor(clip.tokenizer.kept)}
    save_weights(path, state, {"architecture": json.dumps(recipe.architecture(clip.tokenizer.size))})
    manifest = {
        "made_by": "ezhoi world clip",
        "recipe": asdict(recipe),
        "world_version": WORLD_VERSION,
        "trained_on": "windows of rendered scenes and rendered objects in the style 'flat', with phrases and lexicon sentences",
        "classes_shown_or_named": sorted({c.hoi_id for c in world_classes()} - held_out()),
        "held_out_classes": sorted(held_out()),
        "parameters": sum(p.numel() for p in clip.net.parameters()),
        "loss_first_50": float(np.mean(losses[:50])),
        "loss_last_50": float(np.mean(losses[-50:])),
        "torch": torch.__version__,
    }
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _initialise(clip: Clip, pool: list[Picture], recipe: Recipe) -> None:
    """Initialise the patch embedding by the principal components of patches, and positions by 2-d sines."""
    rng = np.random.default_rng(recipe.seed)
    some = [pool[i] for i in rng.choice(len(pool), min(200, len(pool)), replace=False)]
    views = np.stack([window(p, p.subjects[0], rng, recipe.image_size) for p in some])
    net = clip.net
    pixels = clip.normalise(torch.from_numpy(views.transpose(0, 3, 1, 2).copy()))
    patches = nn.functional.unfold(pixels, recipe.patch, stride=recipe.patch).transpose(1, 2).flatten(0, 1)
    patches = patches - patches.mean(dim=0)
    _, values, basis = torch.linalg.svd(patches[torch.randperm(len(patches))[:4000]], full_matrices=False)
    scale = values[: recipe.width] / math.sqrt(4000)
    with torch.no_grad():
        net.visual.conv1.weight.copy_(
            (basis[: recipe.width] / (scale[:, None] + 0.5)).reshape(net.visual.conv1.weight.shape) * 0.3
        )
        net.visual.positional_embedding[1:].copy_(0.3 * _sines(recipe.image_size // recipe.patch, recipe.width))
        net.token_embedding.weight.mul_(0.02 / float(net.token_embedding.weight.std()) * 5)
        net.positional_embedding.mul_(0.02 / max(float(net.positional_embedding.std()), 1e-6) * 2)


def _sines(grid: int, width: int) -> Tensor:
    """Position embeddings (grid * grid, width): a quarter each of sin x, cos x, sin y, cos y."""
    frequencies = 1.0 / 100 ** (torch.arange(width // 4) / (width // 4))
    y, x = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [axis.flatten()[:, None] * frequencies[None] for axis in (x, y)]
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], dim=1)
