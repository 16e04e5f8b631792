"""Options that several commands share."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.server.stage_name import StageName
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets import classes, configured
from pipeline.engine import plan
from pipeline.errors import ConfigError, DataError, StoreError
from pipeline.outside.parsing import shown
from pipeline.store.artifact import Artifact
from pipeline.store.opening import store_of
from pipeline.store.store import Store
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

SplitName = Literal["train", "test"]
LARGEST_SEED = (1 << 63) - 1
Profile = Annotated[
    str,
    typer.Option(
        "--profile", "-p", help="demo, hico-vitb, hico-vitl, vcoco-vitb, vcoco-vitl, or the path of a YAML file."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Change one key, e.g. --set seen.epochs=3. Can be repeated."),
]
Targets = Annotated[
    list[StageName] | None,
    typer.Option(
        "--target",
        "--only",
        "-t",
        metavar="STAGE",
        help=f"Make only this stage and what it needs. Can be repeated. Stages: {', '.join(StageName)}.",
    ),
]
Force = Annotated[
    list[StageName] | None,
    typer.Option("--force", "-f", metavar="STAGE", help="Compute this stage again even if it is in the store."),
]
Reuse = Annotated[
    list[StageName] | None,
    typer.Option(
        "--reuse",
        "-r",
        metavar="STAGE",
        help="Do not compute this stage: use the newest artifact that fits, or refuse. Can be repeated.",
    ),
]
Reference = Annotated[
    str, typer.Argument(help="A fingerprint or its start, stage/fingerprint, or a stage (its newest).")
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="RUN", help="The run to compare the result with, instead of the nearest one."),
]
Pins = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="STAGE=FINGERPRINT", help="Use this artifact for the stage. Can be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def pinned(pins: list[str] | None) -> dict[str, str]:
    """The pins as {stage: fingerprint}; ConfigError if one is not written so."""
    found: dict[str, str] = {}
    for pin in pins or []:
        stage, separator, reference = pin.partition("=")
        if not separator or not reference:
            raise ConfigError(f"--pin {shown(pin)}: expected stage=fingerprint, for example --pin seen=3f2a9c")
        if stage in found:
            raise ConfigError(f"--pin {stage}={found[stage]} and --pin {pin}: a stage has one artifact; keep one")
        found[stage] = reference
    return found


def demand_another_file(out: Path, *read: Path | None) -> None:
    """ConfigError if a command would write to a file or folder that it reads, which might be the only copy."""
    for path in read:
        if path is not None and os.path.realpath(out) == os.path.realpath(path):  # pathlib's stops at links in a circle
            raise ConfigError(f"{out} is read by this command, which would write over it; write to another file")


def demand_ending(out: Path, *endings: str, what: str) -> None:
    """ConfigError if the name of a file to be written has the ending of another format.

    Other commands and programs tell the format of a file by its name.
    """
    if out.suffix.lower() not in endings:
        raise ConfigError(f"{out}: {what}, so its name has to end in {' or '.join(endings)}")


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


def age(text: str | None) -> dt.timedelta | None:
    """The time that `30d` names (hours h, days d, weeks w); ConfigError if it names none."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise ConfigError(f"--older-than {shown(text[:40])}: expected a whole number with h, d or w, such as 30d")
    return int(found[1]) * {"h": dt.timedelta(hours=1), "d": dt.timedelta(days=1), "w": dt.timedelta(weeks=1)}[found[2]]
