"""`ezhoi artifacts gc`, `keep` and `release`: shrink the store, and say what must stay."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.cli import lookup, options
from flows.cli.artifacts import summary
from flows.pages import markdown
from flows.server.stage_name import StageName
from pipeline.errors import ConfigError, StoreError
from pipeline.outside.escaping import plain
from pipeline.report.units import duration
from pipeline.store import garbage, marks, runs
from pipeline.store.garbage import Garbage
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

LONGEST_NOTE = 500
"""The most letters of a note."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (gc, keep, release):
        app.command()(command)


def gc(
    keep: Annotated[
        int,
        typer.Option("--keep", min=0, help="How many complete runs of each profile and setting keep their artifacts."),
    ] = 3,
    stages: Annotated[
        list[StageName] | None,
        typer.Option("--stage", help="Only artifacts of this stage. Can be repeated."),
    ] = None,
    results: Annotated[
        bool,
        typer.Option(
            "--results", help="Also remove evaluations, bundles and trained checkpoints that no such run uses."
        ),
    ] = False,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Only what is older than this: 12h, 30d, 8w.")
    ] = None,
    work: Annotated[
        bool, typer.Option("--work", help="Also remove interrupted work, which a run would continue.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Remove what none of the last runs used; say first what would go, and ask.

    Evaluations, bundles and trained checkpoints are removed only with `--results`, or when their stage is named, and what
    `ezhoi artifacts keep` marked never is. What a running run uses stays too: a run of this machine counts as long as its
    process lives, one of another machine until seven days after its last finished stage. If the record of a run cannot be
    read, nothing is removed.

    Example: ezhoi artifacts gc --keep 1 --older-than 30d --dry-run
    """
    store = lookup.store(profile, overrides)
    found = garbage.garbage(
        store,
        keep_runs=keep,
        work=work,
        stages=[*map(str, stages or [])],
        results=results,
        older_than=options.age(older_than),
    )
    if as_json:
        rows = [summary(a) for a in found.artifacts]
        unusable = [asdict(u) for u in found.unusable]
        others = {"work": found.work, "runs": found.runs, "unusable": unusable, "leftovers": found.leftovers}
        typer.echo(json.dumps({"artifacts": rows} | others | {"bytes": found.bytes}, indent=1))
    else:
        _show_garbage(found, store, keep)
    if dry_run or found.empty:
        return
    if not yes and not typer.confirm("Remove?", err=True):
        raise typer.Exit(1)
    garbage.collect(store, found)


def _show_garbage(found: Garbage, store: Store, keep: int) -> None:
    """Show every single thing that would be removed, with what tells whether it is worth keeping."""
    records = runs.records(store)
    users = {(s, f): r for r in records for s, f in r.stages.items()}
    alike = set.intersection(*(set(r.changed.items()) for r in records)) if records else set()
    for a in found.artifacts:
        user = users.get((a.stage, a.fingerprint))
        unseen = a.manifest.metrics.get("unseen") if a.stage == "evaluation" else None
        about = [
            a.manifest.made_at[:10],
            markdown.size(a.manifest.bytes),
            f"took {duration(a.manifest.duration)}",
            *([_words(user, alike)] if user is not None and user.setting else []),
            *([f"unseen mAP {unseen:.2f}"] if isinstance(unseen, int | float) else []),
        ]
        typer.echo(plain(f"{a.stage + '/' + a.fingerprint[:12]:<30}  {', '.join(about)}"))
    for u in found.unusable:
        typer.echo(f"{u.stage}/{u.fingerprint}  {markdown.size(u.bytes)}, not usable: {u.fault}")
    for fingerprint in found.work:
        typer.echo(f"interrupted work {store.place}/.work/{fingerprint}")
    for name in found.leftovers:
        typer.echo(f"left by a process that is gone: {name}")
    for run in found.runs:
        typer.echo(f"record and pages of run {run}")
    count = len(found.artifacts) + len(found.unusable) + len(found.work) + len(found.leftovers)
    of_runs = f" and {len(found.runs)} run{'s' * (len(found.runs) != 1)}" if found.runs else ""
    typer.echo(
        f"{count} to remove{of_runs}, {markdown.size(found.bytes)}; the last {keep} runs of each profile and setting stay"
    )
    if found.precious:
        typer.echo(
            f"{found.precious} evaluations, bundles and checkpoints that no such run uses stay too (--results removes them)"
        )


def _words(run: RunRecord, alike: set[tuple[str, str]]) -> str:
    """What the run that used it asked for, without what all runs asked for."""
    return run.model_copy(update={"changed": dict(pair for pair in run.changed.items() if pair not in alike)}).words


def keep(
    reference: options.Reference,
    note: Annotated[str, typer.Option("--note", help="Why it is kept; `artifacts list` shows it.")] = "",
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Keep an artifact, whether runs use it or not: no `gc` removes it until it is released.

    The mark is in the store, so it holds for all who share the store. It does not keep what the artifact was made from.

    Example: ezhoi artifacts keep seen/3f2a --note "the checkpoint of the paper"
    """
    store = lookup.store(profile, overrides)
    artifact = lookup.artifact(store, reference)
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"--note: {len(note):,} letters; at most {LONGEST_NOTE}")
    marks.keep(store, artifact, plain(note))
    typer.echo(f"{artifact.stage}/{artifact.fingerprint[:12]} is kept")


def release(
    reference: options.Reference, profile: options.Profile = "demo", overrides: options.Overrides = None
) -> None:
    """Remove the mark of `ezhoi artifacts keep`.

    Example: ezhoi artifacts release seen/3f2a
    """
    store = lookup.store(profile, overrides)
    artifact = lookup.artifact(store, reference)
    if artifact.fingerprint not in marks.read(store):
        raise StoreError(f"{artifact.stage}/{artifact.fingerprint[:12]} has no mark")
    marks.release(store, artifact.fingerprint)
    typer.echo(f"{artifact.stage}/{artifact.fingerprint[:12]} is not kept any more")
