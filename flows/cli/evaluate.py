"""`ezhoi evaluate`: mAP of predictions by any protocol, and comparison of two evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.cli import evaluate_crosshoi, evaluate_detections, evaluate_table, evaluate_vcoco, lookup, options
from flows.cli.evaluation_options import MOST_RESAMPLES, PROTOCOL_NAMES, protocols_of, read_detections, say
from pipeline.errors import StoreError


class _WithDefault(TyperGroup):
    """Makes `ezhoi evaluate FILE` mean `ezhoi evaluate predictions FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["predictions", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_WithDefault,
    help="Evaluate predictions (ezhoi evaluate FILE), compare two evaluations, write other formats, V-COCO.",
)


@app.command("predictions")
def evaluate(
    predictions: Annotated[
        Path | None,
        typer.Argument(
            help="Detections in any known format. The predictions of the configuration's evaluation if left out."
        ),
    ] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    protocol: Annotated[
        str | None,
        typer.Option(help=f"{PROTOCOL_NAMES}; the profile's if left out."),
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="List the AP of every class too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate predictions against the configuration's annotations in the store: mAP of seen, unseen and all classes.

    Example: ezhoi evaluate --protocol exact --per-class
    """
    from pipeline.config.changed import set_in_vain
    from pipeline.datasets import configured
    from pipeline.engine.graph import needed_for
    from pipeline.metrics import annotations, results
    from pipeline.vocabulary import settings as zero_shot

    config = lookup.configuration(profile, overrides)
    needed = needed_for(("annotations" if predictions else "evaluation",), config=config)
    read = {key for stage in needed for key in stage.reads_under(config)}
    say(set_in_vain(config, reads={*read, "setting", "evaluation.protocol"}))
    more = configured.extended(config.data)
    own = configured.all_settings(config.data)[1] if more is None else configured.every_setting(config.data)
    truth = annotations.of_artifact(lookup.asked("annotations", profile, overrides), vocabulary=more, settings=own)
    zero_shot.unseen(truth.groups.unseen, config.setting)
    file = predictions or lookup.asked("evaluation", profile, overrides).path("predictions.parquet")
    found = read_detections(file, truth)
    chosen = protocols_of([protocol or config.evaluation.protocol], [])
    (result,) = results.results(found, truth, protocols=chosen, modes=["default"], setting=config.setting)
    say([*found.notes, *results.doubt([result])])
    rows = result.per_class.to_dict("records")
    if as_json:
        typer.echo(json.dumps({"map": result.summary} | ({"classes": rows} if per_class else {}), indent=1))
        return
    for group, value in result.summary.items():
        typer.echo(f"{group.replace('_', ' '):<14} {value:6.2f}")
    if per_class:
        for row in rows:
            typer.echo(
                f"{truth.groups.vocabulary.hoi(row['hoi_id']).name:<28} {100 * row['ap']:6.2f}  {row['n_gt']} pairs"
            )


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="An evaluation: its folder, or its fingerprint in the store.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other evaluation, which is compared with A.")],
    resamples: Annotated[
        int, typer.Option(min=10, max=MOST_RESAMPLES, help="Draws of the bootstrap over images.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of these draws.")] = 0,
    show: Annotated[
        int,
        typer.Option(min=1, help="How many classes are listed of those that gain most, and of those that lose most."),
    ] = 8,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Say what B gains over A, by group and by class, and whether the choice of test images alone could explain it.

    Example: ezhoi evaluate compare evaluated-a evaluated-b
    """
    from pipeline.metrics import comparison, evaluated

    first, second = (evaluated.load(_evaluation(x, profile, overrides)) for x in (a, b))
    found = comparison.compare(first, second, resamples=resamples, seed=seed)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(
        f"B - A, protocol {found['protocol']}, {found['images']:,} images, {resamples:,} resamples, 95 % interval"
    )
    for note in found["notes"]:
        typer.echo(note)
    typer.echo(f"{'mAP, %':<26}{'A':>8}{'B':>8}{'B - A':>8}   interval")
    for group, row in found["groups"].items():
        typer.echo(_difference(group.replace("_", " "), row) + _doubt(row))
    rows = found["per_class"]
    changed = [row for row in rows if row["difference"]]
    gained = sum(row["difference"] > 0 for row in rows)
    typer.echo(f"{gained} classes gain, {len(changed) - gained} lose, {len(rows) - len(changed)} stay")
    shown = changed if len(changed) <= 2 * show else [*changed[:show], None, *changed[-show:]]
    for row in shown:
        typer.echo("..." if row is None else _difference(row["name"][:25], row))


def _evaluation(reference: str, profile: str, overrides: list[str] | None) -> Path:
    """The folder of an evaluation, named by its path or its fingerprint in the store, with all that a comparison reads."""
    from pipeline.metrics import evaluated

    if Path(reference).is_dir():
        return Path(reference)
    try:
        artifact = lookup.artifact(lookup.store(profile, overrides), reference)
    except StoreError as error:
        raise StoreError(f"{reference}: neither a folder nor in the store. {error}") from None
    return artifact.fetched(evaluated.REPORT, evaluated.JUDGED, evaluated.ANNOTATED)


def _doubt(row: dict[str, Any]) -> str:
    """The words behind the interval of a difference whose sign another draw of test images could change."""
    if row["low"] is None or row["low"] > 0 or row["high"] < 0:
        return ""
    return "  the same, whatever images are drawn" if row["low"] == row["high"] == 0 else "  may be chance"


def _difference(name: str, row: dict[str, Any]) -> str:
    values = f"{name:<26}{row['a']:>8.2f}{row['b']:>8.2f}{row['difference']:>+8.2f}"
    return values if row["low"] is None else f"{values}   {row['low']:+.2f} .. {row['high']:+.2f}"


for command in (evaluate_detections.export, evaluate_crosshoi.crosshoi, evaluate_table.table, evaluate_vcoco.vcoco):
    app.command()(command)
