"""What commands look up by their options: the configuration, its store, artifacts, bundles and classes."""

from __future__ import annotations

import shlex
from pathlib import Path

from flows.server.stage_name import StageName
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets import classes, configured
from pipeline.engine import plan
from pipeline.errors import DataError, StoreError
from pipeline.store.artifact import Artifact
from pipeline.store.opening import store_of
from pipeline.store.store import Store
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary


def configuration(profile: str, overrides: list[str] | None) -> Config:
    """The resolved configuration; ConfigError says what is wrong."""
    return load(profile=profile, overrides=overrides or ())


def store(profile: str, overrides: list[str] | None) -> Store:
    """The store of a configuration."""
    return store_of(configuration(profile, overrides))


def asked(stage: str, profile: str, overrides: list[str] | None) -> Artifact:
    """The stage's artifact that the configuration asks for; StoreError with the command that makes it otherwise."""
    config = configuration(profile, overrides)
    try:
        return plan.asked(config, store_of(config), stage)
    except StoreError as error:
        words = ["ezhoi", "run", "--target", stage, *(["--profile", profile] if profile != "demo" else [])]
        command = shlex.join([*words, *(word for override in overrides or [] for word in ("--set", override))])
        raise StoreError(
            f"{error} Make it: `{command}`; or name with --profile and --set the configuration with which it was made."
        ) from None


def artifact(store: Store, reference: str) -> Artifact:
    """The artifact of a fingerprint, `stage/fingerprint` or stage (`Store.find`); StoreError says what to run first."""
    is_stage = reference in [*StageName]
    if is_stage and not store.artifacts(reference) and not store.unusable(reference):
        raise StoreError(
            f"{store.place} has no artifact of the stage {reference} yet; make one: ezhoi run --target {reference}"
        )
    return store.find(reference)


def bundle(model: str | None, profile: str, overrides: list[str] | None) -> Path:
    """The file of the bundle that a command names (see `choosing.bundle_file`)."""
    from pipeline.predict.choosing import bundle_file

    return bundle_file(model, store(profile, overrides))


def vocabulary(config: Config) -> Vocabulary:
    """The classes of the configured dataset, from small files; no annotation is read."""
    return configured.vocabulary(config)


def vocabulary_of(artifact: Artifact, profile: str, overrides: list[str] | None) -> Vocabulary:
    """The classes that an artifact was made with; those of the configured dataset if they are no longer in the store."""
    used = next((record for record in artifact.manifest.inputs if record.stage == "vocabulary"), None)
    kept = store(profile, overrides).get("vocabulary", used.fingerprint) if used is not None else None
    return vocabulary(configuration(profile, overrides)) if kept is None else classes.vocabulary(kept)


def hoi_class(name: str, vocabulary: Vocabulary) -> Hoi:
    """The class of a name such as 'ride horse'; DataError with the nearest names otherwise."""
    try:
        return vocabulary.find(name)
    except ValueError as error:
        raise DataError(str(error)) from None
