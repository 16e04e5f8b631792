"""`ezhoi evaluate`: HICO-DET's mAP of any table of predictions, by any protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import options
from pipeline.errors import DataError, StoreError

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    predictions: Annotated[
        Path | None,
        typer.Argument(
            help="Parquet: image_id, hoi_id, score, hx1 .. hy2, ox1 .. oy2. The newest evaluation's if left out."
        ),
    ] = None,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    protocol: Annotated[
        str | None, typer.Option(help="official, upt, exact or area; the profile's if left out.")
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="List the AP of every class too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate predictions against the newest annotations in the store: mAP of seen, unseen and all classes.

    Example: ezhoi evaluate --protocol exact --per-class
    """
    from pipeline import classes, metrics

    config = options.configuration(profile, settings)
    store = options.store(profile, settings)
    try:
        annotations = store.find("annotations")
        found = _read(predictions or store.find("evaluation").path("predictions.parquet"))
    except StoreError as error:
        raise StoreError(f"{error} Run `ezhoi run --target annotations` (or a whole run) first.") from None
    table = classes.read(annotations, config.setting)
    truth = annotations.table("pairs.parquet")
    truth = truth[truth["split"] == "test"]
    try:
        scores = metrics.evaluate(
            predictions=found,
            pairs=truth.reset_index(drop=True),
            protocol=protocol or config.evaluation.protocol,
            classes=list(table.hois),
        )
    except ValueError as error:
        raise DataError(str(error)) from None
    summary = metrics.summarise(scores, unseen=table.unseen, rare=table.rare)
    rows = scores.to_dict("records")
    if as_json:
        typer.echo(json.dumps({"map": summary} | ({"classes": rows} if per_class else {}), indent=1))
        return
    for group, value in summary.items():
        typer.echo(f"{group.replace('_', ' '):<14} {value:6.2f}")
    if per_class:
        from pipeline.hico.vocabulary import hoi_classes

        for row in rows:
            typer.echo(f"{hoi_classes()[row['hoi_id']].name:<28} {100 * row['ap']:6.2f}  {row['n_gt']} pairs")


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
