"""The training data path's pixels: a batch of 16 photographs under the paper's augmentation, CPU milliseconds a batch.

    python tests/benchmarks/data_path.py FOLDER [--batches 4] [--size 224] [--loaders 1 2]

FOLDER holds JPEG photographs. Measured in one run: decoding alone; the square resized once (`Transform.pixels`); the same by
way of the picture that a detector sees (`Transform.picture`, resized twice), as the released code does; their mean
difference; and how many batches a second one and more loader threads make, of which the ratio tells whether they scale.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from PIL import Image

from pipeline.boxes.augmentation import Transform, draw
from pipeline.config.training import Augment
from pipeline.datasets.images import read_rgb, square
from pipeline.training.ahead import ahead

BATCH = 16
PAPER = Augment(flip=True, colour=0.4, scale=True, crop=0.5)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--loaders", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(options.folder.glob("*.jpg"))
    if not files:
        parser.error(f"{options.folder} holds no .jpg file")

    def chosen(step: int) -> list[tuple[Image.Image, Transform]]:
        source = np.random.default_rng(step)
        images = [read_rgb(files[i]) for i in source.integers(0, len(files), BATCH)]
        return [(image, draw(PAPER, image.size, source.random)) for image in images]

    def once(step: int) -> torch.Tensor:
        return torch.stack([transform.pixels(image, options.size) for image, transform in chosen(step)])

    def twice(step: int) -> torch.Tensor:
        return torch.stack([square(transform.picture(image), options.size) for image, transform in chosen(step)])

    steps = range(options.batches)
    decoding = _milliseconds(lambda step: chosen(step), steps)
    ways = {"resized once": _milliseconds(once, steps), "resized twice": _milliseconds(twice, steps)}
    difference = np.mean([float((once(s).float() - twice(s).float()).abs().mean()) for s in steps])
    print(f"{BATCH} photographs, square of {options.size}: CPU ms a batch, decoding included")
    print(f"  decoding alone    {decoding:6.0f}")
    for name, spent in ways.items():
        print(f"  {name:<18}{spent:6.0f}")
    print(f"  ratio {ways['resized twice'] / ways['resized once']:.1f}; mean difference {difference:.2f} of 255")
    rates = {n: _rate(once, 4 * options.batches, n) for n in options.loaders}
    first = next(iter(rates.values()))
    for count, rate in rates.items():
        print(f"  {count} loader threads: {rate:.2f} batches a second, {rate / first:.2f} times")


def _milliseconds(load: Callable[[int], object], steps: range) -> float:
    start = time.process_time()
    for step in steps:
        load(step)
    return 1000 * (time.process_time() - start) / len(steps)


def _rate(load: Callable[[int], object], steps: int, threads: int) -> float:
    start = time.perf_counter()
    for _ in ahead(load, range(steps), threads=threads):
        pass
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
