"""How long the evaluator takes, and how much memory. Run from the repository root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator                        one million, every protocol and mode
    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator --scaling              0.1, 1 and 10 million, protocol official
    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator --compare              a paired bootstrap of two evaluations
    OMP_NUM_THREADS=1 python -m tests.benchmarks.evaluator --table                five methods' files in one table

Annotations are HICO-DET's real test set where `../shared` has it, else random pairs of the same number. A tenth of the
detections are annotated pairs with moved boxes; the rest have random boxes of a class that the image shows, so that
nearly all of them have annotations to be compared with, which is the slow case. Times are CPU seconds after loading.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.metrics import annotations, detections
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.detections import Detections
from pipeline.metrics.matching import Pairs
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.metrics.resampling import Resampled
from pipeline.metrics.results import MODES, results

HICO = Path(__file__).parents[3] / "shared" / "data" / "hico"
SCALES = (100_000, 1_000_000, 10_000_000)


def random_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    """``[count, 8]`` human and object boxes inside a 640 x 480 image."""
    corners = generator.uniform(0, 400, (count, 2, 2))
    sizes = generator.uniform(20, 240, (count, 2, 2))
    return np.concatenate([corners, corners + sizes], axis=2).reshape(count, 8)


def truth(seed: int = 0) -> Annotations:
    """The real test set, or one of the same size."""
    if HICO.is_dir():
        return annotations.read(HICO / "instances_test2015.json.gz", image_labels=HICO / "anno.mat")
    generator = np.random.default_rng(seed)
    boxes = random_boxes(generator, 33_405)
    pairs = Pairs(
        image=np.sort(generator.integers(0, 9_658, len(boxes))),
        hoi=generator.integers(0, 600, len(boxes)),
        human=boxes[:, :4],
        object=boxes[:, 4:],
    )
    names = [f"HICO_test2015_{n:08d}.jpg" for n in range(9_658)]
    return Annotations(pairs=pairs, images=pd.DataFrame({"file_name": names}), complete=True)


def synthetic(count: int, annotated: Annotations, seed: int = 1) -> Detections:
    """Detections as the module's text says."""
    generator = np.random.default_rng(seed)
    source = generator.integers(0, len(annotated.pairs), count)
    near = generator.random(count) < 0.1
    boxes = random_boxes(generator, count)
    true = np.concatenate([annotated.pairs.human, annotated.pairs.object], axis=1)
    boxes[near] = true[source[near]] + generator.normal(0, 4, (int(near.sum()), 8))
    boxes = boxes.reshape(count, 2, 4)
    boxes[..., 2:] = np.maximum(boxes[..., 2:], boxes[..., :2] + 1)
    pairs = Pairs(
        image=annotated.pairs.image[source],
        hoi=annotated.pairs.hoi[source],
        human=boxes[:, 0].astype(np.float32).astype(np.float64),
        object=boxes[:, 1].astype(np.float32).astype(np.float64),
    )
    return Detections(pairs=pairs, scores=generator.random(count), notes=())


def timed(found: Detections, annotated: Annotations, protocol: str, mode: str) -> str:
    cpu, wall = time.process_time(), time.perf_counter()
    (result,) = results(found, annotated, protocols=[PROTOCOLS[protocol]], modes=[mode], setting="default")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return (
        f"{len(found.pairs):>11,} {protocol:9} {mode:13} {cpu:6.2f} CPU s  {wall:6.2f} s  "
        f"{1e6 * cpu / len(found.pairs):5.2f} us a detection  peak {peak:5.2f} GB  mAP {result.summary['full']:.2f}"
    )


def compared(annotated: Annotations, count: int, resamples: int = 100) -> None:
    """One bootstrap draw of two evaluations."""
    pair = []
    for seed in (1, 2):
        found = synthetic(count, annotated, seed)
        (result,) = results(found, annotated, protocols=[PROTOCOLS["official"]], modes=["default"], setting="default")
        pair.append(Resampled(result.judged, classes=np.arange(600), rule="tenths"))
    generator, images = np.random.default_rng(0), len(annotated.images)
    cpu = time.process_time()
    for _ in range(resamples):
        weights = generator.multinomial(images, np.full(images, 1 / images))
        for one in pair:
            one.average_precision(weights)
    cpu = time.process_time() - cpu
    print(f"{count:>11,} detections, both evaluations: {1000 * cpu / resamples:.1f} CPU ms a draw")


def checked(annotated: Annotations, count: int) -> None:
    """Reading and checking a Parquet file, which comes before the times above."""
    import tempfile

    from pipeline.metrics.export import write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.parquet"
        write(path, synthetic(count, annotated), annotated, to="parquet")
        cpu = time.process_time()
        frame, _ = detections.read(path)
        detections.check(frame, annotated)
        print(
            f"{count:>11,} read and checked: {time.process_time() - cpu:.2f} CPU s, {path.stat().st_size / 1e6:.0f} MB"
        )


def tabled(annotated: Annotations, count: int, methods: int = 5) -> None:
    """Reading several methods' files of named classes, and their table under two protocols in both modes."""
    import dataclasses
    import tempfile

    from pipeline.metrics.export import write
    from pipeline.metrics.methods_table import compare

    size = annotated.images.get(["width", "height"], pd.DataFrame(np.full((len(annotated.images), 2), 640))).to_numpy()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"method{seed}.json" for seed in range(methods)]
        for seed, path in enumerate(paths):
            found = synthetic(count, annotated, seed)
            edges = np.tile(size[found.pairs.image], 2)  # boxes that leave their images are refused
            boxes = {side: np.minimum(getattr(found.pairs, side), edges) for side in ("human", "object")}
            write(
                path, dataclasses.replace(found, pairs=dataclasses.replace(found.pairs, **boxes)), annotated, to="named"
            )
        cpu = time.process_time()
        read = {}
        for path in paths:
            frame, _ = detections.read(path, annotated.groups.vocabulary)
            read[path.stem] = detections.check(frame, annotated)
        reading = time.process_time() - cpu
        protocols = [PROTOCOLS[name] for name in ("official", "upt")]
        blocks = list(compare(read, annotated, protocols=protocols, modes=MODES, setting="default"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{methods} files of {count:,} detections, {blocks[0]['resamples']} draws: {time.process_time() - cpu:.1f} CPU s, "
            f"{reading:.1f} of it reading and checking; peak {peak:.2f} GB"
        )


def main() -> None:
    """Prints the times."""
    parser = argparse.ArgumentParser(description="Times the HOI evaluator.")
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    annotated = truth()
    source = "HICO-DET's test set" if HICO.is_dir() else "random annotations"
    print(f"{source}: {len(annotated.pairs):,} pairs, {len(annotated.images):,} images, 600 classes")
    if options.scaling:
        for count in SCALES:
            print(timed(synthetic(count, annotated), annotated, "official", "default"))
        return
    if options.compare:
        compared(annotated, options.detections)
        return
    if options.table:
        tabled(annotated, options.detections)
        return
    found = synthetic(options.detections, annotated)
    for protocol in PROTOCOLS:
        for mode in MODES:
            print(timed(found, annotated, protocol, mode))
    checked(annotated, options.detections)


if __name__ == "__main__":
    main()
