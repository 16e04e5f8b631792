"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.stage_name import StageName
from pipeline.config import Config, load
from pipeline.store.store import Store

Profile = Annotated[
    str,
    typer.Option("--profile", "-p", help="demo, hico-vitb, hico-vitl, or the path of a YAML file."),
]
Settings = Annotated[
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
        help=f"Make this stage and what it needs, no more. Can be repeated. Stages: {', '.join(StageName)}.",
    ),
]
Force = Annotated[
    list[StageName] | None,
    typer.Option("--force", "-f", metavar="STAGE", help="Compute this stage again even if it is in the store."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configuration(profile: str, settings: list[str] | None) -> Config:
    """The resolved configuration; ConfigError says what is wrong."""
    return load(profile=profile, overrides=settings or ())


def store(profile: str, settings: list[str] | None) -> Store:
    """The store of a configuration."""
    return Store(configuration(profile, settings).store.root)
