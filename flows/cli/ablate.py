"""`ezhoi ablate`: what each part of the model is worth; the short form of `ezhoi study ablation`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import options
from flows.cli.study import JSON, MARKDOWN, carry_out, demand_well, say, seed, words
from pipeline.studies import ablation
from pipeline.studies.ablation import KEYS, SEEDS, SETTINGS
from pipeline.studies.table import Table


def ablate(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    rows: Annotated[str, typer.Option(metavar="A,B", help="Which rows of the table to train and print.")] = ",".join(
        KEYS
    ),
    settings: Annotated[str, typer.Option(metavar="A,B", help="Zero-shot settings to train in.")] = ",".join(SETTINGS),
    seeds: Annotated[
        str, typer.Option(metavar="0,1", help="Seeds of the trainings, over which the table gives mean and spread.")
    ] = ",".join(map(str, SEEDS)),
    full: Annotated[
        bool, typer.Option("--full", help=f"Train as the profile says, not with {', '.join(ablation.SCHEDULE)}.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Train and evaluate the model's parts one after the other, and print the table: mAP, gain and spread over seeds.

    Each row is an ordinary run: what is in the store is not computed again, and an ablation that was interrupted goes on
    where it was. The table is also kept in the store, under .runs/, and grows there run by run. `ezhoi study ablation` does
    the same, on request with several workers.

    Example: ezhoi ablate --settings uv --seeds 0 --rows llm,utpl --set seen.epochs=2
    """
    table = Table(
        ablation.study(
            profile=profile,
            overrides=overrides or (),
            rows=words(rows),
            settings=words(settings),
            seeds=[seed(text) for text in words(seeds)],
            full=full,
        )
    )
    carry_out(table, command="ezhoi ablate")
    say(table, JSON if as_json else MARKDOWN)
    demand_well(table, "ablation")
