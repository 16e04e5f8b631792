"""What UTPL reads before its first step: the training pairs of HICO-DET at full size, as stage `pair_features` keeps them.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.utpl_start                  82,500 pairs of width 512: 0.17 GB of features
    OMP_NUM_THREADS=1 python -m tests.benchmarks.utpl_start --width 768

Values are random; what is real are the vocabulary, the setting `uv` and the code that reads. CPU seconds and the memory by
which the process grows are those of reading alone; the models and texts that `utpl` loads besides do not depend on pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks.larger import measured

IMAGES, SHARD = 38_118, 200
"""Training pictures of HICO-DET, and pictures a shard."""


def write(folder: Path, pairs: int, width: int) -> int:
    """The `train-*` files; their bytes."""
    from pipeline.datasets.hico.vocabulary import HICO
    from pipeline.tables import arrays
    from pipeline.work.shards import Shard

    source, count, size = np.random.default_rng(0), -(-IMAGES // SHARD), 0
    classes = np.array(HICO.ids)
    for number, rows in enumerate(np.diff(np.linspace(0, pairs, count + 1).astype(int))):
        hois = classes[source.integers(0, len(classes), rows)]
        columns = {
            "image_id": np.sort(source.integers(0, SHARD, rows)) + SHARD * number,
            "object_id": HICO.object_of[hois],
            "prior": source.random(rows, np.float32),
            "feature": source.normal(size=(rows, width)).astype(np.float32),
            "hois": pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32), hois),
        }
        path = folder / Shard("train", number, ()).name
        arrays.put(path, columns)
        size += path.stat().st_size
    return size


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=82_500, help="training pairs that match an annotated one")
    parser.add_argument("--width", type=int, default=512, help="d_a: 512 for ViT-B/16, 768 for ViT-L/14")
    options = parser.parse_args()
    from pipeline.datasets.hico.vocabulary import HICO
    from pipeline.training import seen_pairs

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write(folder, options.pairs, options.width)
        names = sorted(path.name for path in folder.iterdir())
        artifact: Any = SimpleNamespace(names=lambda pattern: names, path=lambda name: folder / name)
        unseen = HICO.ids[::7]
        seen = [h for h in HICO.ids if h not in set(unseen)]
        found: list[seen_pairs.SeenPairs] = []

        def read() -> None:
            found.append(seen_pairs.read(artifact, vocabulary=HICO, unseen=unseen, seen=seen, scope="own_object"))

        spent, grown = measured(read)
    rows, width = found[0].features.shape
    print(
        f"{options.pairs:,} pairs of width {width} in {len(names)} files ({size / 1e6:,.0f} MB), of which {rows:,} are kept: "
        f"{spent:.2f} CPU s, {grown:,.0f} MB"
    )


if __name__ == "__main__":
    main()
