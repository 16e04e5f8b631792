"""The `ezhoi` command line. Neither torch nor Prefect is imported before a command needs it.

    ezhoi run                                  the demo, in this process
    ezhoi status --set setting=uo              what would run, and why
    ezhoi launch                               the same run in a local Prefect server

`ezhoi COMMAND --help` explains each command with an example.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.cli import (
    ablate,
    bundle,
    config,
    data,
    describe,
    detector,
    display,
    doctor,
    evaluate_detections,
    garbage,
    llm,
    model,
    options,
    predict,
    runs,
    server,
    site,
    status,
    study,
    weights,
    world,
)
from flows.pages import results
from flows.server import ending, local, parameters
from flows.server.stage_name import StageName
from pipeline.engine.execute import Outcome
from pipeline.engine.graph import WHOLE
from pipeline.errors import ConfigError, EzhoiError, ServiceError
from pipeline.machine.home import expanded
from pipeline.outside.escaping import brief, plain
from pipeline.outside.parsing import shown


class _Words(TyperGroup):
    """The words of a command line: none may be empty, and Typer's messages quote them shortened, as `brief` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_word(word, before) for before, word in zip(["", *args], args, strict=False)])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(said := getattr(error, "message", None), str) and hasattr(error, "format_message"):
                error.message = brief(said)  # type: ignore[attr-defined]
            raise


def _word(word: str, before: str) -> str:
    """A word as it is meant; ConfigError for an empty one, which would name no file, or the current folder.

    `~` is expanded behind the = of `--out=~/x`, which shells do not do.
    """
    name, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
    if equals and not value.strip():
        after = f"after {shown(name)}" if name else "at the beginning"
        raise ConfigError(f"an empty word is {after}, as an unset variable of a script leaves it: give it a value")
    return f"{name}={expanded(value)}" if word.startswith("--") and value.startswith("~") else word


app = typer.Typer(
    name="ezhoi",
    cls=_Words,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Zero-shot human-object interaction detection as a cached, restartable pipeline. Start with `ezhoi run`.",
)
app.add_typer(garbage.app, name="artifacts")
app.add_typer(bundle.app, name="bundle")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(model.app, name="model")
app.add_typer(weights.app, name="weights")
app.add_typer(describe.app, name="describe")
app.add_typer(llm.app, name="llm")
app.add_typer(detector.app, name="detector")
app.add_typer(runs.app, name="runs")
app.add_typer(world.app, name="world")
ablate.register(app)
doctor.register(app)
evaluate_detections.register(app)
predict.register(app)
server.register(app)
site.register(app)
status.register(app)
study.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ezhoi {importlib.metadata.version('ezhoi')}")
        raise typer.Exit


@app.callback()
def ezhoi(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """The options of the command line as a whole; each command has its own."""


@app.command()
def run(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    targets: options.Targets = None,
    force: options.Force = None,
    reuse: options.Reuse = None,
    pins: options.Pins = None,
    against: options.Against = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would run, why and how long.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Show this run in the local Prefect server (started if necessary).")
    ] = False,
) -> None:
    """Run the pipeline in this process; what is intact in the store is not computed again.

    A run that was interrupted continues where it was. A run that evaluates something new ends with a comparison with the
    earlier run whose configuration is the most similar: the difference, its interval, and what was changed.

    Example: ezhoi run --set setting=uo --set utpl.steps=100
    """
    asked: dict[str, Any] = {
        "targets": targets or list(map(StageName, WHOLE)),
        "force": force or [],
        "reuse": reuse or [],
        "pins": options.pinned(pins),
        "against": against,
    }
    if record:
        _recorded(profile, overrides or [], asked | {"dry_run": dry_run})
        return
    request = parameters.resolve(profile=profile, overrides=overrides or [], **asked)
    if dry_run:
        status.show(request.plan(), request)
        return
    _run(request)


def _run(request: parameters.Request) -> None:
    from flows.pages import html, states
    from pipeline.engine import run as runner

    started = last = time.perf_counter()
    outcomes: list[Outcome] = []

    def show(outcome: Outcome) -> None:
        nonlocal last
        now = time.perf_counter()
        typer.echo(display.stage_line(outcome.stage, states.word(outcome), now - last, str(outcome.choice or "")))
        outcomes.append(outcome)
        last = now

    answer: list[str] = []
    pages: list[Path] = []

    def conclude(steps: runner.Run) -> None:
        answer.extend(steps.answer())
        if (page := html.write(steps, outcomes)) is not None:
            pages.append(page)
            typer.echo(f"lineage: {page}")

    with display.watching() as progress:
        runner.run(
            request.config,
            targets=request.targets,
            force=request.force,
            given=request.given,
            deployment="ezhoi run",
            against=request.against,
            progress=progress,
            on_outcome=show,
            on_end=conclude,
        )
    root = request.config.store.root
    took = time.perf_counter() - started
    typer.echo(f"{len(outcomes)} stages in {took:.1f} s: {states.counts(outcomes)}; store {root}")
    report = html.report_of(pages[0] if pages else None)
    for outcome in outcomes:
        if outcome.stage == "evaluation":
            typer.echo("\n" + "\n".join([*results.result_lines(outcome.artifact, report), *map(plain, answer)]))
        if outcome.stage == "bundle":
            typer.echo(results.use_line(outcome.artifact))


def _recorded(profile: str, overrides: list[str], asked: dict[str, Any]) -> None:
    """Call the flow in this process; its states and pages are in the local server."""
    given = parameters.portable(profile=profile, overrides=overrides)
    state = local.up(local.home(), lambda line: typer.echo(line, err=True))
    ours = local.environment(local.home(), state.port or 0, password=state.password)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ.update(ours)
    # Prefect reads the environment when it is first imported, so not before this line. Its import makes objects to keep,
    # and looking for garbage among them costs a seventh of it.
    gc.disable()
    from flows.cli.recorded import record

    gc.enable()
    try:
        result = record(profile=given.profile, overrides=given.overrides, **asked)
    except ServiceError as error:
        ending.say(str(error))
        sys.stdout.flush()
        os._exit(1)
    if not result.completed:
        raise EzhoiError(result.message)
    typer.echo(result.message)
    if StageName.evaluation in asked["targets"] and not asked["dry_run"]:
        server.show_result(given.config, result.flow_run)
    server.show_links(state, result.flow_run)


def main() -> None:
    """Run the command line; `flows/cli/entry.py`, the console script, calls it."""
    ending.guarded(app)


if __name__ == "__main__":
    main()
