"""`ezhoi detector`: convert a checkpoint of the original DETR code, and judge the cached boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import lookup, options
from pipeline.boxes.converted_detector import ObjectOrder

app = typer.Typer(no_args_is_help=True, help="Detectors: convert checkpoints, judge cached boxes.")


@app.command()
def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="A .pth file: DETR's own, UPT's or EZ-HOI's (detr-r50-hicodet.pth).")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write; only the report is made if left out.")] = None,
    order: Annotated[
        ObjectOrder, typer.Option("--objects", help="Object order of an 81-class head: coco80 or alphabetical.")
    ] = "coco80",
    every: Annotated[bool, typer.Option("--keys", help="List every key of the checkpoint and its new name.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make a model folder of transformers from a checkpoint of the original code, and say what became of every key.

    Example: ezhoi detector convert checkpoints/detr-r50-hicodet.pth --out detr-hico
    Then:    ezhoi run --profile hico-vitb --set detections.weights=detr-hico
    """
    from pipeline.boxes import converted_detector
    from pipeline.boxes.detector_identity import TRAINED_ON

    converted, labels, notes = converted_detector.convert(checkpoint, order=order)
    if out is not None:
        converted_detector.save(converted, out, labels=labels, notes=notes)
    if as_json:
        keys = [{"from": old, "to": list(new), "shape": list(shape)} for old, new, shape in converted.keys]
        found = {"outputs": converted.outputs, "labels": labels, "sizes": converted.sizes, "keys": keys}
        typer.echo(json.dumps(found | {"left": list(converted.left)} | notes, indent=1))
        return
    sizes = converted.sizes
    typer.echo(
        f"{checkpoint}: DETR, {sizes['encoder_layers']} + {sizes['decoder_layers']} layers of width {sizes['d_model']}, "
        f"{sizes['num_queries']} queries, {converted.outputs} class outputs; trained on {TRAINED_ON[notes['kind']]}"
    )
    typer.echo(f"{len(converted.keys)} keys renamed, {len(converted.left)} left out")
    for old, new, shape in converted.keys if every else ():
        typer.echo(f"  {old} {list(shape)} -> {', '.join(new)}")
    for name in converted.left:
        typer.echo(f"  left out: {name}")
    if out is not None:
        typer.echo(f"written and read back: use it with --set detections.weights={out}")


@app.command()
def report(
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    split: Annotated[options.SplitName, typer.Option(help="The split whose boxes are judged.")] = "test",
    as_json: options.Json = False,
) -> None:
    """Judge the configuration's cached boxes against the annotations: box AP, and the ceiling of HOI recall under `pairing`.

    Example: ezhoi detector report --set pairing.score_threshold=0.05
    """
    from pipeline.boxes import detector_identity, quality

    config = lookup.configuration(profile, overrides)
    detections = lookup.asked("detections", profile, overrides)
    annotations = lookup.asked("annotations", profile, overrides)
    whose = detections.json(detector_identity.FILE)
    found = quality.report(
        found=detections.table(f"{split}.parquet"),
        images=annotations.table(f"{split}-images.parquet"),
        boxes=annotations.table(f"{split}-objects.parquet"),
        pairs=annotations.table(f"{split}-pairs.parquet"),
        objects=lookup.vocabulary_of(annotations, profile, overrides).objects,
        split=split,
        pairing=config.pairing,
    )
    if as_json:
        typer.echo(json.dumps({"detector": whose} | found, indent=1))
        return
    boxes, pairs = found["boxes"], found["pairs"]
    typer.echo(
        f"{detector_identity.line(whose)}\n{split}: {found['images']} images, {boxes['annotated']} annotated boxes"
    )
    for label, value in (
        ("box AP", boxes["ap"]),
        ("box AP at 0.5", boxes["ap50"]),
        ("AP of people", boxes["ap_person"]),
        ("AP of objects", boxes["ap_objects"]),
        ("pairs that all boxes can make", pairs["recall_of_all_boxes"]),
        ("pairs that the kept boxes can make", pairs["recall_of_kept_boxes"]),
    ):
        typer.echo(f"  {label:<36} {value:6.2f} %")
