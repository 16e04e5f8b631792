"""One training step at the released code's shapes on the CPU: time by part, arithmetic, memory; random ViT-B/16 weights.

python tests/benchmarks/training_step.py --preset paper --batch 2
python tests/benchmarks/training_step.py --preset released --batch 4

224 px, 213 class phrases, 8 boxes (4 of them people, so 28 pairs) an image, one thread. Times are CPU seconds of the
process; the matrix product measured beside them lets machines be compared.

The released code is measured here in the same run: its text tower (77 tokens, prompts behind EOT, a second pass without
prompts, backward through the first) on 8 of the 213 classes, extrapolated; the rest of its step is taken to cost what
ours does, and its detector, which ran in every step, is left out. On another machine it needed 155 to 165 CPU seconds at
batch 2, detector included, and 13.4 GiB.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["OMP_NUM_THREADS"] = "1"

import open_clip
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.clip import Clip, Tokenizer
from models.clip_loading import build
from models.hoi import EzHoi, HoiModel, Phrases, pair_prior
from models.instances import Instances, collate
from models.losses import class_relation, focal, with_prior
from models.released.hoi import ReleasedHoi
from models.released.inert import features_behind_end
from models.scoring import verb_logits
from models.sizes import Sizes
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.learned.released_text import class_sentence

CLASSES = 213
SAMPLED = 8
RECORDED_GIB = 13.4


class Clock:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.spent[part] = self.spent.get(part, 0.0) + time.process_time() - start


class Step:
    """The model, a batch, and a training step on it."""

    def __init__(self, preset: str, batch: int) -> None:
        torch.manual_seed(0)
        net = build(open_clip.get_model_config("ViT-B-16-quickgelu")).eval().requires_grad_(False)
        self.clip = Clip(net, Tokenizer())
        sizes = Sizes(prompts=2, layers=9, bottleneck=64, heads=2, roi_size=7, logit_scale=20.0)
        self.model: HoiModel = (EzHoi if preset == "paper" else ReleasedHoi)(clip=self.clip, sizes=sizes)
        hois = HICO.classes[:: len(HICO.classes) // CLASSES][:CLASSES]
        tokens, end = self.clip.tokenizer.encode([h.phrase for h in hois])
        memory = nn.functional.normalize(torch.randn(len(hois), 1, 512), dim=-1)
        self.phrases = Phrases(tokens, end, memory, torch.zeros(len(hois), 1, dtype=torch.bool))
        self.verbs = torch.tensor([h.verb_id for h in hois])
        self.images, self.tokens = torch.randn(batch, 3, 224, 224), torch.randn(batch, 197, 512)
        self.found, self.objects = boxes(batch), torch.randn(80, 512)
        self.labels = (torch.rand(len(self.found.pairs), 117) < 0.02).float()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-4)

    def run(self, clock: Clock) -> None:
        """Forward, backward, clip and update; each part on its own clock."""
        with clock("text forward"):
            text = self.model.text(self.phrases)
        with clock("visual forward and fusion"):
            pairs = self.model.pairs(self.images, self.tokens, self.found, self.objects)
        with clock("logits and losses"):
            text_end, pairs_end = (t.detach().requires_grad_() for t in (text, pairs))
            loss = self.loss(pairs_end, text_end)
            loss.backward()
        with clock("visual backward"):
            pairs.backward(pairs_end.grad)
        if text.requires_grad:
            with clock("text backward"):
                text.backward(text_end.grad)
        with clock("clip and AdamW"):
            nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)

    def loss(self, pairs: Tensor, text: Tensor) -> Tensor:
        logits = verb_logits(self.model.phrase_logits(pairs, text), self.verbs, 117)
        prior = pair_prior(self.found, 1.0)[:, None].expand_as(logits)
        loss = focal(with_prior(logits, prior), self.labels, alpha=0.5, gamma=0.2).sum() / self.labels.sum()
        if isinstance(self.model, EzHoi):
            loss = loss + 150 * class_relation(text, self.phrases.memory[:, 0], temperature=0.1)
        return loss


def boxes(batch: int) -> Instances:
    """Eight boxes an image, four of them people."""
    corner = torch.rand(batch, 8, 2) * 0.6
    labels = torch.tensor([0, 0, 0, 0, 1, 2, 3, 4])
    around = torch.cat([corner, corner + 0.1 + 0.3 * torch.rand(batch, 8, 2)], dim=2)
    return collate([(around[i], torch.full((8,), 0.9), labels) for i in range(batch)])


def released_text(clip: Clip) -> float:
    """CPU seconds of the released code's text tower in one step, extrapolated from some classes."""
    tokens = torch.zeros(SAMPLED, 77, dtype=torch.long)
    short, end = clip.tokenizer.encode([class_sentence(h) for h in HICO.classes[:SAMPLED]])
    tokens[:, : short.shape[1]] = short
    prompts = torch.randn(SAMPLED, 9, 2, 512, requires_grad=True)
    spent = []
    for _ in range(2):
        start = time.process_time()
        features = features_behind_end(clip.net, tokens, end, prompts)
        features_behind_end(clip.net, tokens, end, prompts.detach())
        features.sum().backward()
        spent.append(time.process_time() - start)
    return min(spent) * CLASSES / SAMPLED


def matrix_product() -> float:
    """GFLOP/s of a plain fp32 product, by CPU time."""
    a, b = torch.randn(1536, 1536), torch.randn(1536, 1536)
    a @ b
    start = time.process_time()
    for _ in range(8):
        a @ b
    return 8 * 2 * 1536**3 / (time.process_time() - start) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("paper", "released"), default="paper")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1, help="measured steps; the fastest of each part counts")
    given = parser.parse_args()
    torch.set_num_threads(1)
    step = Step(given.preset, given.batch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with FlopCounterMode(display=False) as counter:
        step.run(Clock())  # also warms up, and computes the released preset's text features once
    clocks, speeds = [], [matrix_product()]
    for _ in range(given.steps):
        clocks.append(Clock())
        step.run(clocks[-1])
        speeds.append(matrix_product())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    parts = {part: min(c.spent[part] for c in clocks) for part in clocks[0].spent}
    total = sum(parts.values())
    speed = sum(speeds) / len(speeds)
    print(f"preset {given.preset}, batch {given.batch}, {CLASSES} phrases, ViT-B/16, one thread")
    for part, seconds in parts.items():
        print(f"  {part:<27}{seconds:8.2f} CPU s  {100 * seconds / total:5.1f} %")
    print(f"  {'step':<27}{total:8.2f} CPU s")
    flops = counter.get_total_flops()
    print(f"matrix product               {speed:8.1f} GFLOP/s of CPU time")
    if given.preset == "paper":
        print(
            f"arithmetic                   {flops / 1e9:8.0f} GFLOP: at the matrix product's speed {flops / speed / 1e9:.2f} s"
        )
    print(
        f"peak memory                  {peak:8.2f} GiB ({before:.2f} before the first step), "
        f"{peak / RECORDED_GIB:.2f} of the released code's {RECORDED_GIB}"
    )
    text = released_text(step.clip)
    theirs = text + sum(seconds for part, seconds in parts.items() if not part.startswith("text"))
    print(f"the released code's step here{theirs:8.2f} CPU s, its text tower {text:.2f} of them")
    print(f"ratio to it                  {total / theirs:8.3f}")


if __name__ == "__main__":
    main()
