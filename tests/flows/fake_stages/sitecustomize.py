"""Tiny stand-ins for all stages, with the real graph: put this folder on PYTHONPATH, or call `install()`.

Each writes tables of one row under the names that downstream stages read; lists of images have as many as there are images.
Every execution is a line in `<store>/.ran`.
EZHOI_FAKE_FAIL=stage makes a stage fail, EZHOI_FAKE_SLEEP=stage:seconds makes it slow, EZHOI_FAKE_GATE=stage:path has it
wait until there is such a file, EZHOI_FAKE_SHARDS=stage:number has it make shards, half a second each.
EZHOI_FAKE_MEET=folder has each shard wait, and no longer, until the processes of two flow runs make some.
"""

from __future__ import annotations

import os
import sys
import time
import types
from fnmatch import fnmatch
from pathlib import Path

STAGES = (
    "vocabulary",
    "annotations",
    "detections",
    "descriptions",
    "text_embeddings",
    "image_embeddings",
    "disparities",
    "seen",
    "pair_features",
    "utpl",
    "untrained",
    "predictions",
    "evaluation",
    "bundle",
)


def files(stage: str) -> list[str]:
    """Names that the parts of the graph match, so that a change of the graph needs none here."""
    from pipeline.engine import graph

    patterns = {p for s in graph.STAGES for edge in s.inputs if edge.stage == stage for p in edge.part}
    return sorted({p.replace("*", "000") + ("" if "." in p else ".parquet") for p in patterns} | {"main.parquet"})


def run(work) -> dict[str, object]:
    """A stage: what it writes follows from its configuration and inputs; `descriptions` allows an early cut-off.

    Files of the training split ("train" in the name) follow from what is not of the test split alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.engine import graph
    from pipeline.errors import DataError
    from pipeline.store import digest

    root = work.out.parent.parent.parent
    with (root / ".ran").open("a") as log:
        log.write(f"{work.stage}\n")
    stage = graph.stage(work.stage).resolved(work.config)
    name, _, seconds = os.environ.get("EZHOI_FAKE_SLEEP", "").partition(":")
    steps = int(float(seconds or 0) * 10) if name == work.stage else 0
    for done in range(steps):
        time.sleep(0.1)
        work.progress(done + 1, steps, "sleeping")
    name, _, gate = os.environ.get("EZHOI_FAKE_GATE", "").partition(":")
    while name == work.stage and not Path(gate).exists():
        time.sleep(0.1)
    if os.environ.get("EZHOI_FAKE_FAIL") == work.stage:
        raise DataError(f"{work.stage}.csv row 7: no such class 'fly pig'; remove the row")
    if plan := shards_of(work):
        from pipeline.work import helpers, shards

        helpers.compute_all(work, compute)
        shards.gather(work, plan)
    config = stage.config_subset(work.config)
    if work.stage == "descriptions":  # templates of equal length make equal descriptions
        config = {"length": len(work.config.descriptions.template.text)}
    with work.clock("compute"):
        value, of_training = (digest.of_value(made_from(work, stage, config, test=test)) for test in (True, False))
    for file in set(files(work.stage)) - {shard.name for shard in plan}:
        text = of_training if "train" in file else value
        if (work.stage, file) == ("text_embeddings", "objects.parquet"):
            text = "the same in all splits"
        if file.endswith(".parquet"):
            split, _, listed = file.partition("-")  # as many rows as there are pictures, in the lists of pictures
            many = work.stage == "annotations" and listed == "images.parquet"
            rows = getattr(work.config.data.world, f"{split}_images") if many else 1
            table = {"row": [0] * rows, "value": [text] * rows, "vector": [[0.5] * 8] * rows}
            pq.write_table(pa.table(table), work.out / file)
        else:
            (work.out / file).write_text(text)
    if work.stage == "evaluation":
        (work.out / "report.md").write_text("# Report\n")
        untrained = {"untrained_full": 5.0, "untrained_seen": 5.5, "untrained_unseen": 4.0}
        before = {"before_utpl_full": 18.0, "before_utpl_seen": 19.5, "before_utpl_unseen": 12.25}
        return {"full": 20.0, "seen": 21.5, "unseen": 14.25, **before, **untrained}
    return {"rows": 1}


def made_from(work, stage, config: dict[str, object], *, test: bool) -> list[object]:
    """The configuration and the inputs' files; without `test`, without what is of the test split.

    Of an input that has files of the training split, these alone.
    """
    world = config.get("data.world")
    if not test and isinstance(world, dict):
        config = config | {"data.world": world | {"test_images": None}}
    found: list[object] = [config]
    for edge in stage.inputs:
        listed = [f for f in work.inputs[edge.stage].manifest.files if any(fnmatch(f.name, p) for p in edge.part)]
        training = [f for f in listed if "train" in f.name]
        found.append([(f.name, f.digest) for f in (listed if test or not training else training)])
    return found


def compute(work) -> int:
    """A process's share of the shards."""
    from pipeline.work.shards import Shard
    from pipeline.work.stream import stream

    def make(shard: Shard, ids: list[int], values: list[int]) -> dict[str, object]:
        if folder := os.environ.get("EZHOI_FAKE_MEET"):
            meet(Path(folder))
        else:
            time.sleep(0.5)
        return {"image_id": values}

    return stream(work, shards_of(work), read=lambda shard, image_id: image_id, compute=make, batch=1)


def meet(folder: Path) -> None:
    """Wait until another flow run has come here too."""
    (folder / os.environ["PREFECT__FLOW_RUN_ID"]).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.05)


def shards_of(work) -> list:
    from pipeline.work import shards

    name, _, number = os.environ.get("EZHOI_FAKE_SHARDS", "").partition(":")
    return shards.plan({"train": range(int(number))}, size=1) if name == work.stage else []


def install() -> None:
    """Take the place of the real stages in this process."""
    for name in STAGES:
        module = types.ModuleType(f"pipeline.stages.{name}")
        module.run, module.compute = run, compute  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module


if __name__ == "sitecustomize":  # found on PYTHONPATH by a new interpreter; a test that loads the file calls install()
    install()
