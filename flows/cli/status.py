"""`ezhoi status`: what a run would do, and why."""

from __future__ import annotations

import json

import typer

from flows.cli import options
from flows.pages import plans
from flows.server import parameters
from pipeline.engine.graph import NAMES
from pipeline.engine.status import StageStatus
from pipeline.engine.unread import unread
from pipeline.outside.escaping import plain

COLOURS = {"fresh": "green", "stale": "yellow", "missing": "red"}


def status(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    targets: options.Targets = None,
    force: options.Force = None,
    reuse: options.Reuse = None,
    pins: options.Pins = None,
    as_json: options.Json = False,
) -> None:
    """Show for every stage whether it is in the store (cached), would run (stale, missing), why, and how long it took.

    Nothing is run. The estimate allows for more or fewer pictures than last time, and for shards of unfinished work. A stage
    that waits for another one runs only if the result of that one turns out different.

    Example: ezhoi status --set disparities.template=contrast-v2
    """
    request = parameters.resolve(
        profile=profile,
        overrides=overrides or [],
        targets=targets or NAMES,
        force=force or [],
        reuse=reuse or [],
        pins=options.pinned(pins),
    )
    found = request.plan()
    if as_json:
        typer.echo(json.dumps([as_dict(s) for s in found], indent=1))
        return
    show(found, request)


def show(found: list[StageStatus], request: parameters.Request) -> None:
    """A plan as text."""
    config = request.config
    typer.echo(f"profile {config.profile}, setting {config.setting}, store {request.store.place}")
    for entry in found:
        name = (entry.fingerprint or "")[:12]
        took = f"  {plans.took(entry)}" if entry.runs and entry.seconds is not None else ""
        state = typer.style(f"{plans.word(entry):<8}", fg=COLOURS[entry.state])
        typer.echo(f"{entry.stage:<17} {state} {name:<12}{took}".rstrip())
        for reason in (*entry.why, *entry.notes):
            typer.echo(f"{'':<18}{reason}")
        if entry.code_changed:
            typer.echo(f"{'':<18}{_code_note(entry)}")
    typer.echo(plans.summary(found))
    for line in unread(config):
        typer.echo(plain(f"note: {line}"))


def as_dict(entry: StageStatus) -> dict[str, object]:
    """A status as JSON."""
    return {
        "stage": entry.stage,
        "state": entry.state,
        "fingerprint": entry.fingerprint,
        "compared_with": entry.artifact.fingerprint if entry.artifact else None,
        "why": list(entry.why),
        "seconds": entry.seconds,
        "expected_seconds": entry.expected if entry.runs else None,
        "pictures": dict(zip(("last", "now"), entry.pictures, strict=True)) if entry.pictures else None,
        "shards": dict(zip(("there", "of"), entry.shards, strict=True)) if entry.shards else None,
        "code_changed": entry.code_changed,
    }


def _code_note(entry: StageStatus) -> str:
    if entry.state != "fresh":
        return "code changed since"
    return f"code changed since it was made; still used, until its version is raised or --force {entry.stage}"
