"""What the artifacts of the smallest demo hold, decoded: a reference that holds on other machines and library versions.

    python tests/parity/decoded.py      rebuild decoded.json after a change that means to change what is made

A file's bytes differ from one library version to the next, and floats in their last bits from one processor to the next.
So tables, tensors and JSON are read; whole numbers, texts and pixels are kept exactly (as a digest), of floats the
count, the mean, the spread and some values at fixed places.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.engine import run
from pipeline.predict.bundle import DIGEST
from pipeline.store.artifact import Artifact

REFERENCE = Path(__file__).with_name("decoded.json")
PLACES = 4
"""Values of an array of floats that are kept."""
SPEED = ("a_second", "per_second", "data_percent", "forward_percent", "backward_percent", "other_percent")
"""Metrics that say how fast it was, not what was made."""
AMPLIFIED = "gradient_norm"
"""What a training's history has of it is the first to show another processor's rounding; the weights do not."""
UNREAD = ("report.json", "report.html", "report.md")
"""Files of the evaluation that name digests and dates; what they report is in the tables and the metrics."""


def decoded(artifacts: Mapping[str, Artifact]) -> dict[str, Any]:
    """{stage: {file and column, or metric: what it holds}}."""
    return {stage: _artifact(artifact) for stage, artifact in artifacts.items()}


def _artifact(artifact: Artifact) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in artifact.names("*"):
        path = artifact.path(name)
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            kept = [column for column in table.column_names if column != AMPLIFIED]
            found |= {f"{name}:{column}": _column(table[column].combine_chunks()) for column in kept}
        elif path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            tensors = {
                key: value for key, value in load_file(path).items() if key != DIGEST
            }  # of the others' last bits
            found |= {f"{name}:{key}": _array(value) for key, value in sorted(tensors.items())}
        elif path.suffix == ".json" and name not in UNREAD:
            found[name] = _plain(json.loads(path.read_text(encoding="utf-8")))
    metrics = {key: value for key, value in artifact.manifest.metrics.items() if not key.endswith(SPEED)}
    return found | {"metrics": _plain(metrics)}


def _column(column: pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if pa.types.is_binary(column.type):
        return _digest(np.asarray(Image.open(io.BytesIO(value))).tobytes() for value in column.to_pylist())
    lengths = []
    while pa.types.is_nested(column.type) and not pa.types.is_struct(column.type):
        lengths.append(column.value_lengths().to_pylist() if pa.types.is_list(column.type) else column.type.list_size)
        column = column.flatten()
    shape = {"lists": _digest([json.dumps(lengths).encode()])} if lengths else {}
    if pa.types.is_floating(column.type):
        return _array(column.to_numpy(zero_copy_only=False)) | shape
    return {"count": len(column), "exact": _digest([json.dumps(column.to_pylist(), default=str).encode()])} | shape


def _array(values: np.ndarray) -> dict[str, Any]:
    if not np.issubdtype(values.dtype, np.floating):
        return {"count": values.size, "exact": _digest([values.astype(np.int64).tobytes()])}
    flat = values.reshape(-1).astype(np.float64)
    known = flat[~np.isnan(flat)]
    places = np.linspace(0, max(len(known) - 1, 0), min(PLACES, len(known))).astype(int)
    spread = {"mean": float(known.mean()), "std": float(known.std())} if len(known) else {}
    return {"count": len(flat), "nan": len(flat) - len(known), "values": known[places].tolist()} | spread


def _plain(value: Any) -> Any:
    """JSON as it is, without what differs from one machine to the next."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if "digest" not in k}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _digest(parts: Any) -> str:
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _rounded(value: Any) -> Any:
    """Floats to eight digits: more than are compared."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


def main() -> None:
    """Run the smallest demo and write the reference."""
    from small_demo import small

    with tempfile.TemporaryDirectory() as folder:
        outcomes = run.run(small(Path(folder)))
        found = decoded({stage: outcome.artifact for stage, outcome in outcomes.items()})
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else REFERENCE
    lines = [f"{json.dumps(stage)}: {json.dumps(_rounded(entries))}" for stage, entries in found.items()]
    target.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print(f"{target}: {sum(map(len, found.values()))} entries")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
    main()
