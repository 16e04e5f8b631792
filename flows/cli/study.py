"""`ezhoi study`: compare variants of a profile over settings and seeds."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import display, options
from pipeline.errors import ConfigError, EzhoiError
from pipeline.outside.escaping import plain, to_cell
from pipeline.outside.parsing import shown
from pipeline.store.opening import store_of
from pipeline.studies import file
from pipeline.studies.study import Study
from pipeline.studies.table import Table, reading_line

if TYPE_CHECKING:
    from pipeline.studies.running import Ended

MARKDOWN, CSV, JSON, TEXT = "md", "csv", "json", "text"


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help=f"A YAML file, or a study that comes with ezhoi: {', '.join(file.packaged())}."
        ),
    ],
    overrides: options.Overrides = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", metavar="NAME", help="Only this variant. Can be repeated.")
    ] = None,
    settings: Annotated[str, typer.Option(metavar="A,B", help="These zero-shot settings instead of the file's.")] = "",
    seeds: Annotated[str, typer.Option(metavar="0,1", help="These seeds instead of the file's.")] = "",
    launch: Annotated[
        bool,
        typer.Option("--launch", help="Let the workers of the local Prefect server run the trials in parallel."),
    ] = False,
    at_once: Annotated[
        int | None, typer.Option("--at-once", min=1, help="With --launch: the most trials that run at the same time.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Run nothing; print the table of what the store has.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the table as CSV, with a row for each setting, variant and group.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print the table as Markdown.")] = False,
    as_json: options.Json = False,
) -> None:
    """Run every variant of a study in every setting with every seed, and print what each gains and what may be noise.

    A trial is an ordinary run: what is in the store is not computed again, and a study that was interrupted goes on where
    it was. A trial that fails is listed, and the others go on. The table is also kept in the store, under .runs/, and grows
    there trial by trial; `--show` prints it at any time.

    Example: ezhoi study ablation --variant llm --variant utpl --settings uv --seeds 0 --set seen.epochs=2
    """
    if as_csv + as_markdown + as_json > 1:
        raise ConfigError("--csv, --md and --json: choose one")
    if at_once is not None and not launch:
        raise ConfigError("--at-once is for --launch: without workers one trial runs after the other")
    found = file.read(name, given=tuple(overrides or ())).part(
        variants=variants or (), settings=words(settings), seeds=tuple(seed(text) for text in words(seeds))
    )
    found.check()
    table = Table(found)
    if show:
        from pipeline.studies import running  # with pyarrow, which other commands do without

        table.remember(store_of(found.config(found.trials()[0])))
        running.collect(table)
        table.recall_failures()
    elif launch:
        from flows.cli.launched import follow

        follow(table, file_name=name, at_once=at_once)
    else:
        carry_out(table, command="ezhoi study")
    say(table, MARKDOWN if as_markdown else CSV if as_csv else JSON if as_json else TEXT)
    if not show:
        demand_well(table, "study")
    elif table.failed:
        typer.echo(plain(failures(table, "study")), err=True)


def carry_out(table: Table, *, command: str) -> None:
    """Run all trials in this process; stderr names each as it ends."""
    from pipeline.studies import running

    teller = Teller(table.study)
    store = store_of(table.study.config(table.study.trials()[0]))
    typer.echo(f"the table grows in {store.place}/.runs/{table.record}.md", err=True)
    running.carry_out(table, deployment=command, tell=teller, watching=display.watching)


class Teller:
    """Prints a line on stderr for each trial that has ended."""

    def __init__(self, study: Study) -> None:
        self._of, self._width = len(study.trials()), max(len(str(trial)) for trial in study.trials())
        self._ended = 0

    def __call__(self, ended: Ended) -> None:
        self._ended += 1
        head = f"{self._ended:>3} of {self._of}  {ended.trial!s:<{self._width}}"
        if ended.why:
            typer.secho(plain(f"{head}  failed: {ended.why}"), fg="red", err=True)
            return
        line = f"{head}  {ended.word:<9} {ended.seconds:7.1f} s  {reading_line(ended.reading)}"
        typer.echo(plain(line), err=True)


def say(table: Table, form: str) -> None:
    """Print the table."""
    if form == CSV:
        rows = table.rows()
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([to_cell(v) if isinstance(v, str) else v for v in row.values()] for row in rows)
    elif form == JSON:
        typer.echo(json.dumps(table.as_json(), indent=1))
    else:
        typer.echo("\n" + (table.as_markdown() if form == MARKDOWN else plain(table.as_text())))


def demand_well(table: Table, what: str) -> None:
    """EzhoiError that lists the trials that failed, if there are any."""
    if table.failed:
        raise EzhoiError(failures(table, what))


def failures(table: Table, what: str) -> str:
    """The trials that failed, and why."""
    lines = [f"  {trial}: {why}" for trial, why in table.failed.items()]
    return "\n".join([f"{len(lines)} runs of the {what} failed:", *lines])


def words(text: str) -> tuple[str, ...]:
    """The parts of a list that is given as one word, `A,B`."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def seed(text: str) -> int:
    """A seed; ConfigError if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ConfigError(f"--seeds: {shown(text)} is no seed; give numbers, for example --seeds 0,1,2")
    return int(text)
