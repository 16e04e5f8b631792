"""A store after a thousand runs: records and manifests as runs leave them, made in seconds.

Trainings are shared by eight runs, the stages before them by all of a seed; every run has its own `utpl`, predictions and
evaluation. Files are tiny, the manifests are the real ones' size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.engine.graph import STAGES
from pipeline.store import digest
from pipeline.store.manifest import FileRecord, InputRecord, Manifest
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OWN = ("utpl", "predictions", "evaluation")
CLASSES = 122


def fill(root: Path, count: int, *, kept: int | None = None, damaged: int = 0) -> Store:
    """A store of `count` runs, of which every tenth failed, and `damaged` records that cannot be read.

    With `kept` only the artifacts of so many first runs are there, as after a clean-up.
    """
    store = Store(root)
    made: set[tuple[str, str]] = set()
    for number in range(count):
        record = _record(number)
        for stage, name in record.stages.items():
            if (stage, name) not in made and (kept is None or number < kept):
                made.add((stage, name))
                _publish(root, stage, name, record)
        store.write_record(f"{record.id}.json", record.model_dump_json(indent=1))
    for number in range(damaged):
        store.write_record(f"20250101T000000-{number:06x}.json", "{")
    return store


def _record(number: int) -> RunRecord:
    training, seed = number // 8, number // 8 % 3
    failed = number % 10 == 9
    steps = {"utpl.steps": str(20 + number % 8), "seen.epochs": str(3 + training % 40), "utpl.lr": "0.002"}
    edits = {"descriptions.edits": "edits.yaml"} if number % 50 == 1 else {}
    names = {s.name: _name(s.name, number, training, seed, edited=bool(edits)) for s in STAGES if s.name != "bundle"}
    started = START + dt.timedelta(minutes=number)
    mean = 20 + 10 * (number * 37 % 101) / 101
    return RunRecord(
        id=f"{started:%Y%m%dT%H%M%S}-{number:06x}",
        profile="demo",
        started_at=started.isoformat(),
        saved_at=started.isoformat(),
        stages={stage: name for stage, name in names.items() if not (failed and stage in OWN)},
        hits=[] if number % 8 == 0 else [stage for stage in names if stage not in OWN],
        state="failed" if failed else "completed",
        deployment="ezhoi run",
        setting=("rf_uc", "uv")[number // 24 % 2],
        seed=seed,
        changed=steps | edits,
        targets=["evaluation"],
        metrics={} if failed else {"full": mean + 10, "seen": mean + 12, "unseen": mean, "untrained_unseen": 10.0},
        protocol="" if failed else "official",
        seconds=90.0,
    )


def _name(stage: str, number: int, training: int, seed: int, *, edited: bool) -> str:
    if stage in ("vocabulary", "annotations", "image_embeddings"):
        return digest.of_value([stage])
    if stage in ("descriptions", "text_embeddings", "disparities"):
        return digest.of_value([stage, number // 50 if edited else -1])
    if stage in OWN:
        return digest.of_value([stage, number])
    return digest.of_value([stage, seed if stage in ("detections", "untrained") else training])


def _publish(root: Path, stage: str, name: str, record: RunRecord) -> None:
    folder = root / stage / name
    folder.mkdir(parents=True)
    files = []
    if stage == "descriptions":
        classes = [f"hold thing{place}" for place in range(CLASSES)]
        texts = [f"A person holds thing {place}, both hands around it." for place in range(CLASSES)]
        if "descriptions.edits" in record.changed:
            texts[int(name[:4], 16) % CLASSES] = f"An edit, number {name[:6]}."
        table = pd.DataFrame({"hoi_id": range(CLASSES), "name": classes, "text": texts, "source": "lexicon"})
        table.to_parquet(folder / "descriptions.parquet", index=False)
        files.append(_file(folder / "descriptions.parquet", name))
    for place in range(8 if stage != "descriptions" else 1):
        path = folder / f"file-{place}.txt"
        path.write_text(name)
        files.append(_file(path, digest.of_value([name, place])))
    if stage == "evaluation":
        (folder / "report.html").write_text("<!doctype html>")
        files.append(_file(folder / "report.html", name))
    content = digest.of_files((file.name, file.digest) for file in files)
    manifest = Manifest(
        stage=stage,
        version=1,
        fingerprint=name,
        digest=content,
        config={f"{stage}.key{place}": place for place in range(12)},
        sources={},
        inputs=tuple(_inputs(stage, record)),
        files=tuple(files),
        metrics=dict(record.metrics) if stage == "evaluation" else {"rows": 1},
        seconds={"compute": 1.0, "read": 0.5},
        made_at=record.started_at,
        host="machine",
        device="cpu",
        packages={f"package{place}": "1.2.3" for place in range(10)},
        seed=record.seed or 0,
        git_commit="0" * 40,
        git_dirty=False,
        code="0" * 32,
        made_by=record.origin(),
    )
    (folder / "manifest.json").write_text(manifest.sealed().as_json())


def _inputs(stage: str, record: RunRecord) -> Iterator[InputRecord]:
    for edge in next(s for s in STAGES if s.name == stage).inputs:
        if edge.stage in record.stages:
            name = record.stages[edge.stage]
            yield InputRecord(stage=edge.stage, part=tuple(edge.part), fingerprint=name, digest=name)


def _file(path: Path, content: str) -> FileRecord:
    head = ({"row": "0", "value": "a text of some length " * 4},)
    return FileRecord(
        name=path.name, bytes=path.stat().st_size, digest=content, rows=1, columns={"row": "int64"}, head=head
    )
