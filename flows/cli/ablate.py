"""`ezhoi ablate`: what each part of the model is worth."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from flows.cli import display, options
from pipeline.errors import ConfigError, EzhoiError
from pipeline.store.opening import store_of
from pipeline.studies import ablation
from pipeline.studies.ablation import KEYS, Design, Table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ablate)


def ablate(
    profile: options.Profile = "demo",
    overrides: options.Settings = None,
    rows: Annotated[str, typer.Option(metavar="A,B", help="Rows of the table.")] = ",".join(KEYS),
    settings: Annotated[str, typer.Option(metavar="A,B", help="Zero-shot settings.")] = "uv,rf_uc",
    seeds: Annotated[str, typer.Option(metavar="0,1", help="Seeds; the spread is over them.")] = "0,1,2",
    full: Annotated[
        bool, typer.Option("--full", help=f"Train as the profile says, not with {', '.join(ablation.SCHEDULE)}.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Train and evaluate the model's parts one after the other, and print the table: mAP, gain and spread over seeds.

    Each row is an ordinary run: what is in the store is not computed again, and an ablation that was interrupted goes on
    where it was. The table is also kept in the store, under .runs/, and grows there run by run.

    Example: ezhoi ablate --settings uv --seeds 0 --rows llm,utpl --set seen.epochs=2
    """
    design = Design(
        profile=profile,
        overrides=tuple(overrides or ()),
        rows=tuple(_split(rows)),
        settings=tuple(_split(settings)),
        seeds=tuple(_number(seed) for seed in _split(seeds)),
        full=full,
    )
    table = Table(design)
    failed = _run(table)
    typer.echo(json.dumps(table.as_json(), indent=1) if as_json else "\n" + table.as_markdown())
    if failed:
        raise EzhoiError("\n".join([f"{len(failed)} runs of the ablation failed:", *failed]))


def _run(table: Table) -> list[str]:
    """All runs in this process, each told on stderr as it ends; what failed."""
    from pipeline.engine import run

    failed, trials = [], table.design.trials()
    for number, trial in enumerate(trials, start=1):
        started, config = time.perf_counter(), table.design.config(trial)
        try:
            with display.watching() as progress:
                outcomes = run.run(config, deployment="ezhoi ablate", progress=progress)
        except EzhoiError as error:
            failed.append(f"  {trial}: {error}")
            typer.secho(f"{number:>3} of {len(trials)}  {trial}  failed: {error}", fg="red", err=True)
            continue
        found = table.add(trial, outcomes["evaluation"].artifact)
        page = table.write(store_of(config))
        word = "cached" if all(o.hit for o in outcomes.values()) else "computed"
        taken = time.perf_counter() - started
        told = f"{number:>3} of {len(trials)}  {trial!s:<32} {word:<9} {taken:7.1f} s  {ablation.reading(found)}"
        typer.echo(told, err=True)
        if number == 1:
            typer.echo(f"the table grows in {page}", err=True)
    return failed


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ConfigError(f"--seeds: {text!r} is no seed; give numbers, for example --seeds 0,1,2")
    return int(text)
