"""`ezhoi model`: the parts of the model and their sizes."""

from __future__ import annotations

import json

import typer

from flows.cli import lookup, options

app = typer.Typer(no_args_is_help=True, help="Look at the model: its parts and their sizes.")


@app.callback()
def model() -> None:
    """A group of commands, although it has only one so far."""


@app.command()
def summary(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Count the parameters of every module, beside those of the released code. No weights are needed.

    Example: ezhoi model summary --profile hico-vitb
    """
    from pipeline.learned import counts as summaries

    config = lookup.configuration(profile, overrides)
    found = summaries.summarise(config)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
        return
    for line in found.lines():
        typer.echo(line)
