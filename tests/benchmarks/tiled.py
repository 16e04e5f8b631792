"""The stages after a changed description, at HICO-DET's full size: measured, not multiplied.

    python -m tests.benchmarks.full_size ANNOTATION FOLDER --train 0.01 --test 0.02
    python -m tests.benchmarks.tiled FOLDER FOLDER/store-now --python now=.venv/bin/python

What grows with the pictures is repeated until it is as large as with all of them: annotated pairs, pair features and untrained
features of the fraction's pictures, under other ids. (Features get a little noise, or equal scores would tie.) Then `utpl`,
`predictions` and `evaluation` each compute in a process of their own, or one after the other in one (`--together`, as a command
does), with one thread of arithmetic. Seconds include the imports; what a command adds around its stages (reading the store,
publishing) is not in them.
Several programs (`--python NAME=PATH`, e.g. of another checkout) take turns at each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

STAGES = ("utpl", "predictions", "evaluation")
APART = 10_000_000
"""By which ids of pictures of one copy lie apart from those of the next."""


def main() -> None:
    """Repeat, then compute stage by stage, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="as full_size made it")
    parser.add_argument("store", type=Path, help="of a program of full_size")
    parser.add_argument("--train", type=int, default=100, help="copies of the training split")
    parser.add_argument("--test", type=int, default=50, help="copies of the test split")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", type=lambda x: x.split("=", 1))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--together", action="store_true", help="in one process")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of full_size")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder, options.store = options.folder.absolute(), options.store.absolute()
    tiles = options.folder / "tiled"
    if options.only:
        into = tiles / options.python[0][0]
        sizes = [compute(stage, options.folder, options.store, into, options.set) for stage in options.only.split(",")]
        print(json.dumps({"bytes": sum(sizes)}))
        return
    if not (tiles / "made.json").exists():
        repeat(options.store, tiles, {"train": options.train, "test": options.test})
    programs = options.python or [["now", sys.executable]]
    print(f"| stage | {' | '.join(f'{name}: CPU s | s | peak GB | MB' for name, _ in programs)} |")
    print("|---|" + "---:|" * 4 * len(programs))
    for stages in [",".join(options.stages)] if options.together else options.stages:
        cells = [measure(stages, name, Path(path).absolute(), options) for name, path in programs]
        print(f"| {stages} | {' | '.join(cells)} |", flush=True)


def repeat(store: Path, tiles: Path, times: dict[str, int]) -> None:
    """Write the artifacts that grow with the pictures, `times` as large."""
    import pyarrow.parquet as pq

    source = np.random.default_rng(0)
    for stage in ("annotations", "pair_features", "untrained"):
        here, target = next((store / stage).iterdir()), tiles / stage
        target.mkdir(parents=True)
        for path in here.iterdir():
            if path.suffix == ".parquet" and path.name.split("-")[0] in times and path.name != "test-counts.parquet":
                count = times[path.name.split("-")[0]]
                _copies(pq.read_table(path), target, path.stem, count, source, one=stage == "annotations")
            elif path.name != "manifest.json":
                os.link(path, target / path.name)
    (tiles / "made.json").write_text(json.dumps(times))


def _copies(table: Any, target: Path, stem: str, count: int, source: np.random.Generator, *, one: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place, made = table.column_names.index("image_id"), []
    split, _, number = stem.partition("-")
    for copy in range(count):
        ids = pa.array(table["image_id"].to_numpy() + APART * copy)
        other = table.set_column(place, "image_id", ids)
        if copy and "file_name" in table.column_names:
            names = pa.array([f"copy-{copy}-{name}" for name in table["file_name"].to_pylist()])
            other = other.set_column(table.column_names.index("file_name"), "file_name", names)
        if "feature" in table.column_names:
            at = table.column_names.index("feature")
            column = table["feature"].combine_chunks()
            values = column.flatten().to_numpy()
            noisy = values + source.normal(0, 1e-4, len(values)).astype(values.dtype)
            width = column.type.list_size
            other = other.set_column(at, table.schema.field(at), pa.FixedSizeListArray.from_arrays(noisy, width))
        made.append(other)
        if not one:
            shards = int(number) + 1000 * copy
            pq.write_table(other, target / f"{split}-{shards:06d}.parquet", compression="zstd")
    if one:
        pq.write_table(pa.concat_tables(made), target / f"{stem}.parquet", compression="zstd")


def measure(stages: str, name: str, python: Path, options: argparse.Namespace) -> str:
    """Stages (names with commas between them) in one process: CPU-seconds, seconds, memory, bytes."""
    command = [
        str(python),
        __file__,
        str(options.folder),
        str(options.store),
        "--python",
        f"{name}=x",
        "--only",
        stages,
    ]
    command += [part for chosen in options.set for part in ("--set", chosen)]
    root = python.parents[2]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    took, size = time.monotonic() - begun, json.loads(said.splitlines()[-1])["bytes"]
    return f"{usage.ru_utime + usage.ru_stime:.1f} | {took:.1f} | {usage.ru_maxrss / 1e6:.2f} | {size / 1e6:.0f}"


def compute(stage: str, folder: Path, store: Path, into: Path, chosen: list[str]) -> int:
    """Run a stage's function on what was repeated, on what the stages before made of it, and on the store; give its bytes."""
    import importlib
    import shutil

    from pipeline.config.loading import load
    from pipeline.store.artifact import Artifact
    from pipeline.store.manifest import FileRecord, Manifest
    from pipeline.work.work import Work
    from tests.benchmarks.full_size import SETTINGS

    settings = [s.format(folder=folder, store=into / "store") for s in (*SETTINGS, *chosen)]
    inputs = {}
    for made in store.iterdir():
        if made.name.startswith(".") or not any(made.iterdir()):
            continue
        own = next((p for p in (into / made.name / "out", folder / "tiled" / made.name) if p.is_dir()), None)
        first = next(made.iterdir())
        manifest = Manifest.model_validate_json((first / "manifest.json").read_text())
        if own is not None:
            files = [FileRecord(name=p.name, bytes=0, digest="0" * 64) for p in sorted(own.iterdir()) if p.is_file()]
            manifest = manifest.model_copy(update={"files": tuple(files)})
        inputs[made.name] = Artifact(own or first, manifest)
    shutil.rmtree(into / stage, ignore_errors=True)
    out, scratch = into / stage / "out", into / stage / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir()
    inputs.pop(stage, None)
    work = Work(stage=stage, config=load(overrides=settings, environment={}), inputs=inputs, out=out, scratch=scratch)
    importlib.import_module(f"pipeline.stages.{stage}").run(work)
    return sum(p.stat().st_size for p in out.rglob("*") if p.is_file())


if __name__ == "__main__":
    main()
