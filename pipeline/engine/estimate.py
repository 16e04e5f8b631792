"""How long a stage would take: as long as last time, scaled to the present number of pictures, less the finished shards.

No data is opened for that: the manifest of `annotations` has the number of pictures of a split, and shards are recognised by
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
    """The pictures of a run, from the fresh annotations or the number of rendered scenes; None if only the run can tell."""
    if annotations is not None:
        return _listed(annotations)
    world = config.data.world
    return {"train": world.train_images, "test": world.test_images} if config.data.source == "world" else None


def estimated(status: StageStatus, stage: Stage, *, config: Config, store: Store, now: Pictures | None) -> StageStatus:
    """The status of a stage that would run, with the expected seconds and its unfinished work."""
    found = status
    if stage.sharded(config) and status.fingerprint is not None and now is not None:
        of = sum(-(-now[split] // shards.SIZE) for split in stage.pictures(config))
        there = min(shards.finished(store.pieces(status.fingerprint)), of)
        found = replace(found, shards=(there, of) if there else None)
    if status.seconds is None or status.artifact is None:
        return found
    share = 1.0 - found.shards[0] / found.shards[1] if found.shards is not None else 1.0
    before = _pictures_of(status.artifact, store) if now is not None and stage.pictures(config) else None
    if now is not None and before is not None:
        last, present = (sum(of[split] for split in stage.pictures(config)) for of in (before, now))
        share *= present / max(last, 1)
        found = replace(found, pictures=(last, present) if last != present else None)
    return replace(found, expected=status.seconds * share * _epochs(status.artifact, config))


def _listed(annotations: Artifact) -> Pictures | None:
    """The numbers of rows of the lists of images; None if the manifest does not tell them."""
    rows = {file.name.removesuffix("-images.parquet"): file.rows for file in annotations.manifest.files}
    found = {split: rows.get(split) for split in ("train", "test")}
    return {split: count for split, count in found.items() if count is not None} if None not in found.values() else None


def _pictures_of(artifact: Artifact, store: Store) -> Pictures | None:
    """The pictures from which an artifact was made, if the store still has the annotations of that time."""
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
    """By which factor a training would see its pictures more often than last time; 1 for other stages."""
    last = artifact.manifest.config.get("seen")
    epochs = last.get("epochs") if isinstance(last, dict) and artifact.stage == "seen" else None
    return config.seen.epochs / epochs if isinstance(epochs, int) and epochs > 0 else 1.0
