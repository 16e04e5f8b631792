"""`ezhoi weights`: checkpoints of the released EZ-HOI code as weights of this project."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import lookup, options

if TYPE_CHECKING:
    from pipeline.learned.importing import Report

app = typer.Typer(no_args_is_help=True, help="Import checkpoints of the released EZ-HOI code.")


@app.callback()
def weights() -> None:
    """A group of commands, although it has only one so far."""


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="The checkpoint: a torch file or safetensors.")],
    preset: Annotated[
        Literal["released"],
        typer.Option(help="The preset whose weights are made; `released` is the only one with an import."),
    ] = "released",
    profile: options.Profile = "hico-vitb",
    overrides: options.Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the weights; PATH with .released.safetensors if left out.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="File of safetensors with the prompts that the code drew (keys unregistered.txtcls_ctx_pt.0 ...)."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Convert a released checkpoint, and say what became of each of its keys. No code in the file is executed.

    The frozen CLIP is that of the profile. Tensors that do not fit are refused; the error names both shapes.

    Example: ezhoi weights import ckpt_52250_12.pt --preset released --profile hico-vitb
    """
    from pipeline.learned import build, checkpoint, importing

    target = out or path.with_suffix(".released.safetensors")
    options.demand_ending(target, ".safetensors", what="weights are written as safetensors")
    options.demand_another_file(target, path, prompts)
    config = lookup.configuration(profile, overrides)
    state, moments = importing.read(path)
    if prompts is not None:
        state |= importing.read(prompts)[0]
    model = build.released_model(config, build.frozen_clip(config))
    converted, report = importing.convert(state, model, moments=moments, source=str(path))
    about = {"preset": "released", "source": path.name, "architecture": config.clip.architecture}
    checkpoint.save_weights(target, converted, about)
    beside = target.with_suffix(".report.json")
    beside.write_text(json.dumps(about | report.as_json(), indent=1), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(about | report.as_json(), indent=1))
        return
    _show(report)
    typer.echo(f"\n{target}: {sum(t.numel() for t in converted.values()):,} numbers; the whole list is in {beside}")
    typer.echo(f"Use it: ezhoi run --profile {profile} --set model.preset=released --set seen.weights={target}")


def _show(report: Report) -> None:
    typer.echo(f"mapped   {len(report.mapped):>4} keys")
    for why, count in Counter(report.ignored.values()).most_common():
        typer.echo(f"ignored  {count:>4} keys: {why}")
    for key in report.unknown:
        typer.echo(f"unknown       {key}: left out")
    for key in report.redrawn:
        typer.echo(f"missing       {key}: redrawn")
    for warning in report.warnings:
        typer.secho(f"warning: {warning}", fg="yellow")
