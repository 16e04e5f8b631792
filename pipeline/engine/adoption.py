"""A training of an earlier version, taken into the store as the artifact that the configuration asks for.

A release may change the names of stages, the tables that they write and what enters a fingerprint, so that a checkpoint that
cost days is no longer found. Adopting gives it the fingerprint that the configuration asks for now, after everything has been
compared that can be: the files with the old manifest, each key that the stage reads, the content of each file outside of the
store, and each input that still has the same parts.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.tree import Config
from pipeline.engine import graph
from pipeline.engine.ingredients import Ingredients, ingredients
from pipeline.engine.plan import plan
from pipeline.engine.stage import LATER, unrecorded
from pipeline.errors import DataError, StoreError
from pipeline.outside import reading
from pipeline.outside.parsing import first_fault
from pipeline.store import compare, digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import NAME, InputRecord, Manifest
from pipeline.store.store import Store

LARGEST_MANIFEST = 64 << 20
"""The most bytes of a manifest; that of an evaluation has some hundred kB."""


@dataclass(frozen=True)
class Adopted:
    """The adopted artifact, and what could not be compared with the configuration."""

    artifact: Artifact
    unknown: tuple[str, ...]


def adopt(folder: Path, *, config: Config, store: Store) -> Adopted:
    """Publish the artifact in `folder`, a training of an earlier version, as what `config` asks for.

    Adopting it again, as after a kill that left unknown whether it was done, changes nothing.

    Raises:
        DataError: the folder is no training's artifact, a file of it is damaged, or it was made otherwise than `config` says.
        StoreError: an input of the stage is not in the store yet, or another training is there already.
    """
    old = _manifest(folder)
    stage = graph.stage(old.stage).resolved(config)
    if not stage.trains:
        raise DataError(
            f"{folder}: an artifact of stage {old.stage}; only trainings are adopted, the others are made anew"
        )
    inputs = _inputs(stage.name, config, store)
    need = ingredients(stage, config=config, inputs=inputs)
    there = _there(old, need.fingerprint, store)
    if differs := _differences(old, need):
        raise DataError(
            f"{folder}: made otherwise than the configuration says: {'; '.join(differs)}. Give --profile and --set as it was "
            "trained with"
        )
    different, unknown = _inputs_compared(old.inputs, need.inputs)
    if different:
        raise DataError(f"{folder}: made from other inputs: {'; '.join(different)}")
    if there is not None:
        return Adopted(there, tuple(unknown))
    with store.workspace(need.fingerprint) as space:
        if (there := _there(old, need.fingerprint, store)) is not None:  # made while this waited for the lock
            return Adopted(there, tuple(unknown))
        for file in old.files:
            target = space.out / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.name, target)
            if digest.of_file(target) != file.digest:  # of the copy, since nobody holds the folder that it is of
                raise DataError(f"{folder / file.name}: was changed while it was copied; adopt it again")
        artifact = store.publish(space, _as_asked(old, stage.version, need))
    return Adopted(artifact, tuple(unknown))


def _there(old: Manifest, fingerprint: str, store: Store) -> Artifact | None:
    """The artifact if the store has it with the same files, None if it has none; StoreError if it has another training."""
    there, _ = store.lookup(old.stage, fingerprint)
    if there is not None and there.digest != old.digest:
        raise StoreError(
            f"{store.place} has {old.stage}/{fingerprint[:12]} already, which the configuration asks for: another training. "
            "It stays, and nothing was adopted"
        )
    return there


def _manifest(folder: Path) -> Manifest:
    """The manifest of an earlier version, which has no digest of its own; every file is checked with it."""
    path = folder / NAME
    content = reading.text(path, largest=LARGEST_MANIFEST)
    try:
        old = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise DataError(f"{path}: is no manifest ({first_fault(error)})") from None
    if not old.files or old.digest != digest.of_files((f.name, f.digest) for f in old.files):
        raise DataError(f"{path}: was changed, its digest is not that of the files in its list")
    for record in old.files:
        file = folder / record.name
        if file.is_symlink() or not file.is_file() or digest.of_file(file) != record.digest:
            raise DataError(f"{file}: missing or damaged, its digest is not that of the manifest")
    return old


def _inputs(name: str, config: Config, store: Store) -> dict[str, Artifact]:
    """The artifacts that the stage would read; StoreError naming the first one that is not there."""
    statuses = {status.stage: status for status in plan(config, store, targets=(name,))}
    found = {}
    for edge in graph.stage(name).resolved(config).inputs:
        status = statuses[edge.stage]
        if status.artifact is None or status.state != "fresh":
            raise StoreError(
                f"{store.place} has no {edge.stage} of this configuration yet, which {name} reads. "
                f"Make it first: ezhoi run --target {edge.stage}, under the same configuration"
            )
        found[edge.stage] = status.artifact
    return found


def _differences(old: Manifest, need: Ingredients) -> list[str]:
    """Keys and files in which the old artifact differs; a key that only one of the two records counts as `unrecorded`."""
    first = unrecorded()
    then, now = compare.flatten(old.config), compare.flatten(need.config)
    found = []
    for key in (*now, *(key for key in LATER if key in then and key not in now)):
        before, after = then.get(key, first.get(key)), now.get(key, first.get(key))
        if before != after:
            found.append(
                f"{key} was {before}, not {after}" if key in then else f"{key} = {after} is a key that there was not"
            )
    return found + [
        f"the content of {key} was another"
        for key, content in need.sources.items()
        if key in old.sources and old.sources[key] != content
    ]


def _inputs_compared(old: tuple[InputRecord, ...], new: tuple[InputRecord, ...]) -> tuple[list[str], list[str]]:
    """Inputs whose content differed, and inputs that have other parts now and cannot be compared."""
    then: Mapping[str, InputRecord] = {record.stage: record for record in old}
    different, unknown = [], []
    for record in new:
        before = then.get(record.stage)
        if before is None or before.part != record.part:
            unknown.append(f"{record.stage} ({', '.join(record.part)})")
        elif before.digest != record.digest:
            different.append(f"{record.stage} ({', '.join(record.part)})")
    return different, unknown


def _as_asked(old: Manifest, version: int, need: Ingredients) -> Manifest:
    return old.model_copy(
        update={
            "version": version,
            "fingerprint": need.fingerprint,
            "config": need.config,
            "sources": need.sources,
            "inputs": need.inputs,
            "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "made_by": {"adopted": f"{old.stage}/{old.fingerprint}, made {old.made_at}"},
        }
    )
