"""`ezhoi doctor`: whether everything is well, and what to do if not."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from flows.cli import lookup, options
from flows.server import local

MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}


def doctor(
    profile: options.Profile = "demo", overrides: options.Overrides = None, as_json: options.Json = False
) -> None:
    """Check environment, server, workers, stuck runs, store, disk, GPU and language model, and say what to do.

    Runs whose process is gone are marked Crashed. The exit code is 1 if something is bad.

    Example: ezhoi doctor
    """
    from flows.cli.checks import Finding, examine

    found: list[Finding] = []
    for finding in examine(lookup.configuration(profile, overrides), home=local.home()):
        found.append(finding)
        if not as_json:
            mark, colour = MARKS[finding.level]
            typer.echo(f"{typer.style(mark, fg=colour)} {finding.about:<12} {finding.says}")
            if finding.do:
                typer.echo(f"{'':<18}-> {finding.do}")
    if as_json:
        typer.echo(json.dumps([asdict(f) for f in found], indent=1))
    if any(f.level == "bad" for f in found):
        raise typer.Exit(1)
