"""What grows how with the number of pictures (bookkeeping, indices, box tables, evaluation), at sizes that show a line.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.larger                        a minute or two
    OMP_NUM_THREADS=1 python -m tests.benchmarks.larger --images 4000 16000 64000

Each measurement is a process of its own: CPU seconds of the call and the growth of its resident memory. The last columns are
the power of n with which the CPU seconds grow between the two largest sizes, and what that gives for 1 and for 10 million
pictures (with a power of 1 where it is less, as it is where a fixed part is still seen). Tokens are one value wide, since what
is measured is the index and not the reading; the evaluator gets 100 detections a picture.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

SHARD = 200
LARGE = (1_000_000, 10_000_000)


def measured(call: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of a call, and MB by which the process grew at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, start = _peak(), time.process_time()
    kept = call()
    spent = time.process_time() - start
    grown = _peak() - before
    del kept
    return spent, grown


def _peak() -> float:
    """MB that the process had resident at most."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def progress_of_shards(images: int, folder: Path) -> tuple[float, float]:
    """Telling after each shard how many there are, which looks for all of them: as often as there are shards."""
    from pipeline.config.loading import load
    from pipeline.work import shards
    from pipeline.work.work import Work

    plan = shards.plan({"train": range(images)}, size=SHARD)
    for shard in plan:
        (folder / shard.name).touch()
    work = Work(stage="image_embeddings", config=load(environment={}), inputs={}, out=folder, scratch=folder)
    spent, grown = measured(lambda: [shards.settled(work, plan) for _ in range(5)])
    return spent / 5 * len(plan), grown


def publishing(images: int, folder: Path) -> tuple[float, float]:
    """Records of all shards for the manifest, whose digests are known."""
    from pipeline.store.store import describe_files

    _token_files(images, folder)
    known = {path.name: "0" * 32 for path in folder.iterdir()}
    return measured(lambda: describe_files(folder, known))


def token_index(images: int, folder: Path) -> tuple[float, float]:
    """Where in the files each image's tokens are: at the start of each process that reads them."""
    from pipeline.learned.tokens import FrozenTokens

    _token_files(images, folder)
    names = sorted(path.name for path in folder.iterdir())
    artifact: Any = SimpleNamespace(names=lambda pattern: names, path=lambda name: folder / name)
    return measured(lambda: FrozenTokens(artifact, "train"))


def _token_files(images: int, folder: Path) -> None:
    from pipeline.tables import arrays

    for number, start in enumerate(range(0, images, SHARD)):
        ids = np.arange(start, min(start + SHARD, images))
        values = np.zeros((len(ids), 1, 1), np.float16)
        arrays.put(folder / f"train-{number:03d}.parquet", {"image_id": ids, "tokens": values}, rows_a_group=1)


def boxes(images: int, folder: Path) -> tuple[float, float]:
    """Where in a table of 20 boxes a picture each one's are: at the start of a training, in every process."""
    from pipeline.boxes.instances import Detected
    from pipeline.config.model import Pairing

    rng, rows = np.random.default_rng(0), 20 * images
    table = pd.DataFrame({name: rng.random(rows, np.float32) for name in ("x1", "y1", "x2", "y2", "score")})
    table["image_id"], table["object_id"] = np.repeat(np.arange(images), 20), rng.integers(0, 80, rows)
    sizes = dict.fromkeys(range(images), (640, 480))
    return measured(lambda: Detected(table, sizes=sizes, pairing=Pairing()))


def evaluation(images: int, folder: Path) -> tuple[float, float]:
    """One protocol over 100 detections a picture."""
    from pipeline.metrics.protocols import PROTOCOLS
    from pipeline.metrics.results import results
    from tests.benchmarks.evaluator import synthetic, truth

    annotated = truth()
    found = synthetic(100 * images, annotated)
    asked = {"protocols": [PROTOCOLS["official"]], "modes": ["default"], "setting": "default"}
    return measured(lambda: list(results(found, annotated, **asked)))


MEASUREMENTS = (progress_of_shards, publishing, token_index, boxes, evaluation)


def in_a_process(measure: Callable[[int, Path], tuple[float, float]], images: int) -> tuple[float, float]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(measure, images, Path(folder)).result()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Slopes of what grows with the number of pictures.")
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 8_000, 32_000])
    options = parser.parse_args()
    titles = [f"{n:,} pictures" for n in options.images]
    print(f"| CPU s (MB) | {' | '.join(titles)} | power | 1 M | 10 M |\n|---{'|---:' * (len(titles) + 3)}|")
    for measure in MEASUREMENTS:
        found = [in_a_process(measure, n) for n in options.images]
        (less, _), (more, memory) = found[-2:]
        first, last = options.images[-2:]
        power = math.log(more / less) / math.log(last / first)
        large = [(more * (n / last) ** max(power, 1.0), memory * n / last / 1000) for n in LARGE]
        cells = [f"{spent:.2f} ({grown:.0f})" for spent, grown in found]
        cells += [f"{power:.2f}", *(f"{spent:,.0f} s ({size:.1f} GB)" for spent, size in large)]
        print(f"| {measure.__name__.replace('_', ' ')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
