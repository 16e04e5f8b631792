"""What a crop of a pair's union box costs before the model sees it: CPU milliseconds, by Pillow and as the pipeline does it.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.crops

600 boxes of 0.3 to 1 of the sides of 12 pictures of 640 x 480, noise like that of photographs. An image's conversion to a
tensor counts for its 50 boxes; decoding does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.benchmarks.full_size import photograph_like

PICTURES, BOXES = 12, 50
Box = tuple[int, int, int, int]


def main() -> None:
    """Print a line a size."""
    from pipeline.datasets.images import pixels, quick_square, square

    source, noise = np.random.default_rng(0), photograph_like(1024)
    pictures = [Image.fromarray(np.roll(noise, 97 * i, axis=(0, 1))[:480, :640]) for i in range(PICTURES)]
    sides = source.uniform(0.3, 1, (BOXES, 2))
    corners = source.uniform(0, 1, (BOXES, 2)) * (1 - sides)
    boxes: list[Box] = [
        tuple(b) for b in (np.hstack([corners, corners + sides]) * (640, 480, 640, 480)).astype(int).tolist()
    ]

    def pillow(picture: Image.Image, size: int) -> object:
        return [square(picture.crop(box), size) for box in boxes]

    def quick(picture: Image.Image, size: int) -> object:
        whole = pixels(picture)
        return [quick_square(whole, box, size) for box in boxes]

    for size in (112, 224, 336):
        spent = {way.__name__: milliseconds(way, pictures, size) for way in (pillow, quick)}
        print(f"{size} pixels: " + ", ".join(f"{name} {value:.2f} ms" for name, value in spent.items()))


def milliseconds(way: Callable[[Image.Image, int], object], pictures: list[Image.Image], size: int) -> float:
    """The time of one crop, the least of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for picture in pictures:
            way(picture, size)
        rounds.append(time.process_time() - start)
    return min(rounds) / len(pictures) / BOXES * 1e3


if __name__ == "__main__":
    main()
