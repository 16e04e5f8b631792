"""`ezhoi up`, `down`, `deploy`, `launch` and `follow`: the local Prefect server and its runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import display, options
from flows.pages import html, results
from flows.pages.markdown import LINEAGE_KEY
from flows.pages.states import WORDS
from flows.server import deployment, following, local, parameters
from flows.server import profile as profiles
from flows.server.following import RunState, TaskState
from flows.server.local import Local
from flows.server.stage_name import StageName
from pipeline.config.tree import Config
from pipeline.engine.plan import plan
from pipeline.errors import EzhoiError, ServiceError
from pipeline.outside.escaping import plain
from pipeline.store import runs
from pipeline.store.opening import store_of

Deployment = Annotated[
    str,
    typer.Option("--deployment", "-d", help="full, world, describe, embed, train, utpl, evaluate, ... (prefect.yaml)."),
]

EVALUATING = ("full", "utpl", "evaluate")
"""Deployments whose runs end with an evaluation."""


ENDED_WELL = ("Completed", "Planned")


def up(
    no_password: Annotated[
        bool,
        typer.Option(
            "--no-password",
            help="Ask for no password. Then every user of this machine can run commands as you: use it only on a machine "
            "without other users.",
        ),
    ] = False,
) -> None:
    """Start the local Prefect server and its workers, or find them running.

    State and logs are in .ezhoi/ of the checkout (or in $EZHOI_HOME; without a checkout in ~/.ezhoi). Nothing leaves this
    machine. Whoever may talk to the server may have it run commands, so it asks for a password (.ezhoi/password). `ezhoi`
    commands find it by themselves, and in the checkout's folder `prefect` commands too; in other folders they need the
    command that is printed behind `for plain prefect commands:`.

    Example: ezhoi up
    """
    folder = local.home()
    state = local.up(folder, _say, open_to_all=True if no_password else None)
    typer.echo(f"server   {state.ui_url}")
    _say_who_gets_in(state)
    # The profile has the password, which stays off screens, command lines and logs this way.
    if (place := profiles.found_in(folder)) is not None:
        typer.echo(f"`prefect` commands find it by themselves in {place}; anywhere else after the next line's command")
    typer.echo(f"for plain prefect commands: {profiles.export(folder, state.api_url)}")


def down() -> None:
    """Stop the server and the workers that `ezhoi up` started, nothing else, and say which runs end with them.

    Example: ezhoi down
    """
    stopped = local.down(local.home(), _say)
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def deploy() -> None:
    """Deploy prefect.yaml to the local server again (`launch` does it when it has changed).

    Example: ezhoi deploy
    """
    folder = local.home()
    local.up(folder, _say)
    state = deployment.deploy(folder, force=True, say=_say)
    typer.echo(f"deployed; run forms: {state.ui_url}/deployments")


def launch(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    name: Deployment = "full",
    force: options.Force = None,
    pins: options.Pins = None,
    against: options.Against = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would run, why and how long.")] = False,
) -> None:
    """Run a deployment in the local Prefect server and follow it: what `make run` does.

    Starts the server and deploys if necessary. Ctrl-C stops following, not the run. The exit code is 0 only if the run
    completes.

    Example: ezhoi launch --set setting=uo --deployment utpl
    """
    given = parameters.portable(profile=profile, overrides=overrides or [])
    _refuse_mistakes(given, name, force=force or [], pins=options.pinned(pins), against=against)
    folder = local.home()
    local.up(folder, _say)
    state = deployment.deploy(folder, say=_say)
    _say_who_gets_in(state)
    asked: dict[str, Any] = {"profile": given.profile, "overrides": given.overrides}
    # Only what was asked: what is left out keeps the deployment's own value.
    asked |= {"force": [str(stage) for stage in force]} if force else {}
    asked |= {"pins": options.pinned(pins)} if pins else {}
    asked |= {"against": against} if against else {}
    asked |= {"dry_run": True} if dry_run else {}
    run = following.trigger(state.api, deployment=name, parameters=asked)
    last = _follow(state, run)
    # Not asked of the tasks: they reach the server through events, maybe after the run's own state.
    _conclude(state, last, given.config if name in EVALUATING and not dry_run else None)


def _refuse_mistakes(
    given: parameters.Parameters, name: str, *, force: list[StageName], pins: dict[str, str], against: str | None
) -> None:
    """Raise now the EzhoiError that the run would raise once a worker is free.

    Artifacts that a deployment reuses are not looked for, because a run that is queued before may be making them.
    """
    if (declared := deployment.declared(name)) is not None:
        parameters.resolve(
            profile=given.profile,
            overrides=given.overrides,
            targets=declared.get("targets", ()),
            force=force,
            pins=pins,
            against=against,
        )


def follow(run: Annotated[str | None, typer.Argument(help="Id of a run; the newest one if left out.")] = None) -> None:
    """Follow a run of the local server until it ends.

    Example: ezhoi follow
    """
    state = local.read(local.home())
    if state.server is None or not state.server.alive():
        raise ServiceError("the local server does not run; start it with `ezhoi up`")
    last = _follow(state, run or following.newest_run(state.api))
    _conclude(state, last, None)


def _say_who_gets_in(state: Local) -> None:
    """Say how to log in to the server, or that it asks for no password."""
    if state.open:
        typer.secho(
            "password: none, as was asked for. Every user of this machine can run commands as you through the server; "
            "`ezhoi down` and `ezhoi up` give it a password",
            fg="yellow",
            err=True,
        )
    else:
        typer.echo(_password(state))


def _password(state: Local) -> str:
    """The password, which Prefect's page asks each browser once; where the output is no terminal, the file that has it."""
    shown = state.password if sys.stdout.isatty() else f"in {local.home() / 'password'}"
    return f"password {shown}   (Prefect's page asks for it once)"


def show_links(state: Local, run: str) -> None:
    """Print where to look at a run."""
    typer.echo(f"run:     {state.ui_url}/runs/flow-run/{run}")
    wanted = {"key": {"any_": [LINEAGE_KEY]}, "flow_run_id": {"any_": [run]}}
    found = state.api.post("/artifacts/filter", {"artifacts": wanted, "limit": 1})
    page = f"artifact/{found[0]['id']}" if found else f"key/{LINEAGE_KEY}"
    typer.echo(f"lineage: {state.ui_url}/artifacts/{page}")
    if not state.open:
        typer.echo(_password(state))


def show_result(config: Config, flow_run: str) -> None:
    """Print what `ezhoi run` ends with: the result, the run's report and comparison, and the updated site."""
    store = store_of(config)
    record = next((r for r in runs.records(store) if r.flow_run == flow_run), None)
    report = None if record is None else html.report_of(store.root / ".runs" / record.id / "index.html")
    made = {s.stage: s.artifact for s in plan(config, store) if s.state == "fresh" and s.artifact is not None}
    if "evaluation" in made:
        answer = [] if record is None else map(plain, record.answer)
        typer.echo("\n" + "\n".join([*results.result_lines(made["evaluation"], report), *answer]))
    if "bundle" in made:
        typer.echo(results.use_line(made["bundle"]))
    from flows.pages import site  # with pandas, which other commands do without

    if isinstance(config.store.root, Path):  # to list a bucket takes its time
        try:
            typer.echo(f"all runs: {site.write(store)}")
        except (OSError, EzhoiError) as error:
            _say(f"the site of all runs cannot be written: {error}")


def _conclude(state: Local, last: RunState, config: Config | None) -> None:
    if last.state in ENDED_WELL:
        typer.echo(f"run {last.name}: {last.message or 'Completed'}")
        if config is not None:
            show_result(config, last.id)
    show_links(state, last.id)
    if last.state not in ENDED_WELL:
        lines = [] if last.state == "Failed" and last.message else following.errors(state.api, last.id)
        detail = "".join(f"\n  {line}" for line in lines)
        raise EzhoiError(f"run {last.name} ended {last.state}: {last.message}{detail}")


def _follow(state: Local, run: str) -> RunState:
    """Print the stages as they end, and return the last state."""
    shown: set[str] = set()
    reporter = _Waiting()
    last: RunState | None = None
    typer.echo(f"run:     {state.ui_url}/runs/flow-run/{run}")
    try:
        for last in following.follow(local.home(), state, run):
            for task in last.tasks:
                if task.final and task.stage not in shown:
                    shown.add(task.stage)
                    reporter.clear()
                    word = WORDS.get(task.state, task.state.lower())
                    typer.echo(display.stage_line(task.stage, word, task.seconds))
            running = [t for t in last.tasks if not t.final]
            reporter.show(last, running[0] if running else None)
    except KeyboardInterrupt:
        reporter.clear()
        typer.echo(f"\nThe run goes on. `ezhoi follow {run}` follows it again; `ezhoi down` stops server and run.")
        raise SystemExit(130) from None
    finally:
        reporter.clear()
    if last is None:
        raise ServiceError(f"run {run} was never seen")
    return last


class _Waiting:
    """Shows what is going on: one changing line on a terminal, elsewhere a line for each quarter of a stage."""

    def __init__(self) -> None:
        from rich.console import Console

        self._line = Console(stderr=True).status("") if sys.stderr.isatty() else None
        self._last = ""

    def show(self, run: RunState, task: TaskState | None) -> None:
        """Show the stage at work, or what the run waits for."""
        if run.final:
            return
        text = f"{run.state.lower()} ..." if task is None else f"{task.stage:<{display.WIDTH}} {task.state.lower()}"
        percent = task.percent if task is not None else None
        if self._line is not None:
            self._line.update(text + (f" {percent:.0f} %" if percent else ""))
            self._line.start()
        elif percent is not None:
            quarter = 25 * int(percent // 25)
            text += f" {quarter} %" if quarter else ""
            if text != self._last:
                typer.echo(text, err=True)
            self._last = text

    def clear(self) -> None:
        """Clear the line, so that another one can be printed."""
        if self._line is not None:
            self._line.stop()


def _say(line: str) -> None:
    typer.echo(line, err=True)
