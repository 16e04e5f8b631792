"""How long a stage would take: as long as last time, for as many pictures as there are now, less the shards that are there.

Nothing is opened for it: how many pictures a split has stands in the manifest of its `annotations`, and shards are told by
their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.config.tree import Config
from pipeline.engine.stage import Stage
from pipeline.engine.status import StageStatus
from pipeline.store import lineage
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.work import shards

Pictures = Mapping[str, int]
"""How many pictures each split has."""


def pictures(config: Config, annotations: Artifact | None) -> Pictures | None:
    """Those that a run would look at, by the fresh annotations or the number of drawn scenes; None if only it can tell."""
    if annotations is not None:
        return _listed(annotations)
    world = config.data.world
    return {"train": world.train_images, "test": world.test_images} if config.data.source == "world" else None


def estimated(status: StageStatus, stage: Stage, *, config: Config, store: Store, now: Pictures | None) -> StageStatus:
    """The status of a stage that would run, with how long that should take and what is there of it."""
    found = status
    if stage.sharded(config) and status.fingerprint is not None and now is not None:
        of = sum(-(-now[split] // shards.SIZE) for split in stage.looks_at(config))
        there = min(shards.finished(store.pieces(status.fingerprint)), of)
        found = replace(found, shards=(there, of) if there else None)
    if status.seconds is None or status.artifact is None:
        return found
    share = 1.0 - found.shards[0] / found.shards[1] if found.shards is not None else 1.0
    before = _pictures_of(status.artifact, store) if now is not None and stage.pictures else None
    if now is not None and before is not None:
        last, present = (sum(of[split] for split in stage.looks_at(config)) for of in (before, now))
        share *= present / max(last, 1)
        found = replace(found, pictures=(last, present) if last != present else None)
    return replace(found, expected=status.seconds * share * _epochs(status.artifact, config))


def _listed(annotations: Artifact) -> Pictures | None:
    """Rows of the lists of images; None if they are not told."""
    rows = {file.name.removesuffix("-images.parquet"): file.rows for file in annotations.manifest.files}
    found = {split: rows.get(split) for split in ("train", "test")}
    return {split: count for split, count in found.items() if count is not None} if None not in found.values() else None


def _pictures_of(artifact: Artifact, store: Store) -> Pictures | None:
    """Those that an artifact was made from, if the store still has the annotations of that time."""
    pending = [artifact]
    while pending:
        made = pending.pop(0)
        if made.stage == "annotations":
            return _listed(made)
        records = sorted(made.manifest.inputs, key=lambda record: record.stage != "annotations")
        named = [record for record in records if record.stage in ("annotations", "pair_features", "predictions")]
        pending += [found for record in named[:1] if (found := lineage.source(record, store)) is not None]
    return None


def _epochs(artifact: Artifact, config: Config) -> float:
    """How many times as often as last time a training would see its pictures; 1 for what trains on none."""
    last = artifact.manifest.config.get("seen")
    epochs = last.get("epochs") if isinstance(last, dict) and artifact.stage == "seen" else None
    return config.seen.epochs / epochs if isinstance(epochs, int) and epochs > 0 else 1.0
