"""Options that several commands share."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.server.stage_name import StageName
from pipeline.config.loading import profiles
from pipeline.errors import ConfigError
from pipeline.outside.parsing import shown

SplitName = Literal["train", "test"]
LARGEST_SEED = (1 << 63) - 1
Profile = Annotated[
    str,
    typer.Option("--profile", "-p", help=f"{', '.join(profiles())}, or the path of a YAML file."),
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


def age(text: str | None) -> dt.timedelta | None:
    """The time that `30d` names (hours h, days d, weeks w); ConfigError if it names none."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise ConfigError(f"--older-than {shown(text[:40])}: expected a whole number with h, d or w, such as 30d")
    return int(found[1]) * {"h": dt.timedelta(hours=1), "d": dt.timedelta(days=1), "w": dt.timedelta(weeks=1)}[found[2]]
