"""`ezhoi runs`: which runs there are, what they asked for, and what came out."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated, Any

import typer

from flows.cli import lookup, options, runs_shown
from pipeline.errors import ConfigError
from pipeline.metrics.means import MAIN
from pipeline.outside.escaping import markdown, plain, to_cell
from pipeline.store import runs
from pipeline.studies import runs_table, standings
from pipeline.studies.runs_table import RESULT, RUN, Row
from pipeline.studies.standings import INTERVAL, Standing

RIGHT = (*(column.heading for column in (*RUN, *RESULT) if column.right), standings.HEADS[0])
"""Headings of the columns that stand right, as numbers do."""


app = typer.Typer(invoke_without_command=True)
app.command()(runs_shown.show)
app.command()(runs_shown.compare)


@app.callback()
def table(
    context: typer.Context,
    sort: Annotated[
        str, typer.Option("--sort", help=f"Order of the rows, the highest value first: {', '.join(runs_table.ORDERS)}.")
    ] = "when",
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="KEY=VALUE", help="Only runs with this setting, seed, state, ... Can be repeated."
        ),
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only this many of the newest runs.")] = None,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Fold runs that differ only in their seed: mean ± standard deviation.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="As a Markdown table.")] = False,
    as_json: options.Json = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """List the runs of the store; `show` and `compare` look closer.

    A row tells what the run asked for, as far as the rows differ in it, the mAP in percent, the state and the time it took.
    A run whose process is gone is `killed`. A line below the table tells what all rows asked for alike.

    Example: ezhoi runs --sort unseen --filter setting=uv --seeds
    """
    if context.invoked_subcommand is not None:
        return
    if as_csv + as_markdown + as_json > 1:
        raise ConfigError("--csv, --md and --json: choose one")
    metric = sort if sort in MAIN else "unseen"
    records, unreadable = runs.read(lookup.store(profile, overrides))
    rows = runs_table.table(records, filters=filters or (), sort=sort, last=last, seeds=seeds)
    beside = standings.standings(rows, metric) if seeds else [None] * len(rows)
    for line in unreadable:
        typer.echo(plain(f"not read: {line}"), err=True)
    for line in runs_table.unrecorded(records, filters or ()):
        typer.echo(plain(f"note: {line}"), err=True)
    if as_json:
        typer.echo(json.dumps([_plain(row, standing) for row, standing in zip(rows, beside, strict=True)], indent=1))
        return
    if not rows:
        typer.echo("no runs" + (" that the filters let through" if filters else ": `ezhoi run` makes one"))
        return
    table = [_cells(row, standing) for row, standing in zip(rows, beside, strict=True)]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([map(to_cell, table[0]), *(map(to_cell, row.values()) for row in table)])
    elif as_markdown:
        typer.echo("\n".join(_markdown(table)))
    else:
        typer.echo(plain("\n".join(_aligned(table))))
        if common := runs_table.unchanged(rows):
            said = ", ".join(f"{key}={value}" for key, value in common.items())
            typer.echo(plain(f"in all of them: {said}"))
        if seeds:
            some = runs_table.chosen(records, filters=filters or (), last=last)
            typer.echo("\n".join(_about_seeds(metric, runs_table.left_out(some, rows))))


def _cells(row: Row, standing: Standing | None) -> dict[str, str]:
    """The texts of a row by heading, with its standing behind the metrics."""
    cells = row.cells()
    last = list(cells).index(MAIN[-1]) + 1
    return dict(
        [*list(cells.items())[:last], *(standing.cells() if standing else {}).items(), *list(cells.items())[last:]]
    )


def _about_seeds(metric: str, left_out: str) -> list[str]:
    """How to read the table, and what is not in it."""
    lines = [
        f"from the best: {metric} mAP over the best row of its profile, setting and protocol, paired by seed; {INTERVAL}"
    ]
    return lines + ([f"not in the table: {left_out}"] if left_out else [])


def _aligned(table: list[dict[str, str]]) -> list[str]:
    heads = list(table[0])
    width = {head: max(len(head), *(len(row[head]) for row in table)) for head in heads}

    def line(cells: dict[str, str]) -> str:
        shown = (cells[h].rjust(width[h]) if h in RIGHT else cells[h].ljust(width[h]) for h in heads)
        return "  ".join(shown).rstrip()

    return [line({head: head for head in heads}), *map(line, table)]


def _markdown(table: list[dict[str, str]]) -> list[str]:
    heads = list(table[0])
    lines = [
        heads,
        ["---:" if head in RIGHT else "---" for head in heads],
        *([row[h] for h in heads] for row in table),
    ]
    return ["| " + " | ".join(map(markdown, line)) + " |" for line in lines]


def _plain(row: Row, standing: Standing | None) -> dict[str, Any]:
    return row.as_json() | ({"standing": standing.as_json()} if standing else {})
