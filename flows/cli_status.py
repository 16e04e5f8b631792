"""`ezhoi status`: what a run would do, and why."""

from __future__ import annotations

import json

import typer

from flows import options
from pipeline.plan import StageStatus, plan
from pipeline.store.store import Store

COLOURS = {"fresh": "green", "stale": "yellow", "missing": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(profile: options.Profile = "demo", settings: options.Settings = None, as_json: options.Json = False) -> None:
    """Show for every stage whether it is in the store (fresh), would run (stale, missing), and why.

    Nothing is run. A stage that waits for another one runs only if that one's result turns out different.

    Example: ezhoi status --set descriptions.template=describe-v2
    """
    config = options.configuration(profile, settings)
    store = Store(config.store.root)
    found = plan(config, store)
    if as_json:
        typer.echo(json.dumps([as_dict(s) for s in found], indent=1))
        return
    typer.echo(f"profile {config.profile}, setting {config.setting}, store {store.root}")
    for entry in found:
        name = (entry.fingerprint or "")[:12]
        typer.echo(f"{entry.stage:<17} {typer.style(f'{entry.state:<8}', fg=COLOURS[entry.state])} {name}")
        for reason in entry.why:
            typer.echo(f"{'':<18}{reason}")
        if entry.code_changed:
            typer.echo(f"{'':<18}{_code_note(entry)}")
    fresh = sum(s.state == "fresh" for s in found)
    typer.echo(f"{fresh} of {len(found)} stages fresh")


def as_dict(entry: StageStatus) -> dict[str, object]:
    """A status as JSON."""
    return {
        "stage": entry.stage,
        "state": entry.state,
        "fingerprint": entry.fingerprint,
        "compared_with": entry.artifact.fingerprint if entry.artifact else None,
        "why": list(entry.why),
        "code_changed": entry.code_changed,
    }


def _code_note(entry: StageStatus) -> str:
    if entry.state != "fresh":
        return "code changed since"
    return f"code changed since it was made; still used, until its version is raised or --force {entry.stage}"
