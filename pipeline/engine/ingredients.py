"""What determines a stage's artifact: its configuration, the files that it reads and its inputs; and their fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.config.tree import Config
from pipeline.engine.stage import Stage, source_digest
from pipeline.errors import DataError
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import InputRecord, fingerprint


@dataclass(frozen=True)
class Ingredients:
    """What determines a stage's artifact, and the fingerprint of them all."""

    config: dict[str, object]
    sources: dict[str, str]
    inputs: tuple[InputRecord, ...]
    fingerprint: str


def ingredients(stage: Stage, *, config: Config, inputs: Mapping[str, Artifact]) -> Ingredients:
    """Resolve what a stage reads; DataError if a file that the configuration names does not exist."""
    sources = {}
    for key, source in stage.sources(config).items():
        if (fault := source.fault()) is not None:
            raise DataError(f"stage {stage.name}: {key} = {fault}")
        sources[key] = source_digest(source)
    records = tuple(
        InputRecord(
            stage=edge.stage,
            part=edge.part,
            fingerprint=inputs[edge.stage].fingerprint,
            digest=inputs[edge.stage].manifest.part_digest(edge.part),
        )
        for edge in stage.inputs
    )
    subset = stage.config_subset(config)
    name = fingerprint(
        stage=stage.name,
        version=stage.version,
        config=subset,
        sources=sources,
        inputs=[(r.stage, r.digest) for r in records],
    )
    return Ingredients(subset, sources, records, name)
