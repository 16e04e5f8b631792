"""How long the evaluator takes on a million predicted pairs. Run from the repository root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator
    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator --predictions 200000 --images 2000

Sizes default to HICO-DET's test set: 9,658 images, about 33,000 annotated pairs, 600 classes. A tenth of the
predictions are annotated pairs with moved boxes, the rest have random boxes of a class that the image shows, so that
nearly all of them have annotations to be compared with.
"""

import argparse
import time

import numpy as np
import pandas as pd

from pipeline.metrics import PROTOCOLS, evaluate

BOX_COLUMNS = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


def random_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    """``[count, 8]`` human and object boxes inside a 640 x 480 image."""
    corners = generator.uniform(0, 400, (count, 2, 2))
    sizes = generator.uniform(20, 240, (count, 2, 2))
    return np.concatenate([corners, corners + sizes], axis=2).reshape(count, 8)


def table(image: np.ndarray, hoi: np.ndarray, boxes: np.ndarray) -> pd.DataFrame:
    """A frame in the artifacts' layout, boxes as float32."""
    frame = pd.DataFrame(boxes.astype(np.float32), columns=BOX_COLUMNS)
    frame.insert(0, "image_id", image)
    frame.insert(1, "hoi_id", hoi)
    return frame


def synthetic(predictions: int, images: int, classes: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and annotations of the given sizes."""
    generator = np.random.default_rng(seed)
    annotated = int(images * 3.46)
    truth = table(
        np.sort(generator.integers(0, images, annotated)),
        generator.integers(0, classes, annotated),
        random_boxes(generator, annotated),
    )
    source = generator.integers(0, annotated, predictions)
    near = generator.random(predictions) < 0.1
    boxes = random_boxes(generator, predictions)
    boxes[near] = truth[BOX_COLUMNS].to_numpy()[source[near]] + generator.normal(0, 4, (int(near.sum()), 8))
    predicted = table(truth["image_id"].to_numpy()[source], truth["hoi_id"].to_numpy()[source], boxes)
    predicted["score"] = generator.random(predictions).astype(np.float32)
    return predicted, truth


def main() -> None:
    """Times every protocol once, in CPU and wall seconds."""
    parser = argparse.ArgumentParser(description="Times the HOI evaluator on synthetic pairs.")
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=9_658)
    parser.add_argument("--classes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    predicted, truth = synthetic(options.predictions, options.images, options.classes, options.seed)
    print(f"{len(predicted):,} predictions, {len(truth):,} annotations, {options.classes} classes")
    for name in PROTOCOLS:
        cpu, wall = time.process_time(), time.perf_counter()
        result = evaluate(predictions=predicted, pairs=truth, protocol=name, classes=range(options.classes))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"{name:9} {cpu:6.2f} CPU s {wall:6.2f} s   mAP {100 * result['ap'].mean():.2f}")


if __name__ == "__main__":
    main()
