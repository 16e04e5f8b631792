"""The `ezhoi` command line. Neither torch nor Prefect is imported before a command needs it.

    ezhoi run                                  the demo, in this process
    ezhoi status --set setting=uo              what would run, and why
    ezhoi launch                               the same run in a local Prefect server

`ezhoi COMMAND --help` explains each command with an example.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.cli import (
    ablate,
    artifacts,
    bundle,
    config,
    data,
    describe,
    detector,
    doctor,
    evaluate,
    evaluate_detections,
    garbage,
    llm,
    model,
    predict,
    run,
    runs,
    server,
    site,
    status,
    study,
    weights,
    world,
)
from flows.server import ending
from pipeline.errors import ConfigError
from pipeline.machine.home import expanded
from pipeline.outside.escaping import brief
from pipeline.outside.parsing import shown

PANELS: Mapping[str, Mapping[str, typer.Typer | Callable[..., None]]] = {
    "Run and look": {
        "run": run.run,
        "status": status.status,
        "runs": runs.app,
        "artifacts": artifacts.app,
        "site": site.site,
        "config": config.app,
        "doctor": doctor.doctor,
    },
    "Pictures, data and texts": {
        "predict": predict.predict,
        "bundle": bundle.app,
        "data": data.app,
        "world": world.app,
        "describe": describe.app,
        "llm": llm.app,
    },
    "Evaluate and compare": {
        "evaluate": evaluate.app,
        "evaluate-detections": evaluate_detections.evaluate_detections,
        "study": study.study,
        "ablate": ablate.ablate,
    },
    "Runs in Prefect": {
        "launch": server.launch,
        "follow": server.follow,
        "up": server.up,
        "deploy": server.deploy,
        "down": server.down,
    },
    "Parts of the model": {
        "model": model.app,
        "weights": weights.app,
        "detector": detector.app,
    },
}
"""The commands by their title in `ezhoi --help`, which lists them in this order."""


class _Words(TyperGroup):
    """The words of a command line: none may be empty, and Typer's messages quote them shortened, as `brief` does."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for commands in PANELS.values() for name in commands]

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
garbage.register(artifacts.app)
for panel, commands in PANELS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(command)


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


def main() -> None:
    """Run the command line; `flows/cli/entry.py`, the console script, calls it."""
    ending.guarded(app)


if __name__ == "__main__":
    main()
