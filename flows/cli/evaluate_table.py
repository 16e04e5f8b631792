"""`ezhoi evaluate table`: several methods' detections of the same images in one table."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import options
from flows.cli.evaluation_options import (
    MOST_RESAMPLES,
    PROTOCOL_NAMES,
    AnnotationsFile,
    Boxes,
    ImagesFile,
    Mode,
    Split,
    modes_of,
    protocols_of,
    read_annotations,
    read_detections,
    say,
    setting_of,
)
from pipeline.errors import ConfigError
from pipeline.metrics.means import GROUPS

WIDTH = 24
"""Width of a cell in letters: "35.41 [34.90, 35.92]" and a gap."""


def table(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Detections, one file for each method, in any known format. A method has the name of its file.",
        ),
    ],
    annotations: AnnotationsFile,
    setting: Annotated[
        str, typer.Option(help="default, rf_uc, nf_uc, uo or uv: which classes count as unseen.")
    ] = "default",
    protocol: Annotated[
        list[str] | None,
        typer.Option(help=f"{PROTOCOL_NAMES}, or all; can be repeated. official and upt if left out."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="Evaluate on all images, or on those known to show the object (known-object).")
    ] = Mode.default,
    images: ImagesFile = None,
    image_labels: Annotated[
        Path | None,
        typer.Option(help="HICO's anno.mat, whose labels say which images show an object (for known-object)."),
    ] = None,
    boxes: Boxes = None,
    split: Split = "test",
    switch: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Change one rule of the protocols, e.g. top_k=100.")
    ] = None,
    resamples: Annotated[
        int | None,
        typer.Option(min=10, max=MOST_RESAMPLES, help="Draws of the bootstrap; by the files' size if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of these draws.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Put several methods' detections into one table for every protocol and mode, with intervals and which gaps may be noise.

    Example: ezhoi evaluate table adacm.json hola.json lain.json -a instances_test2015.json --protocol all --mode both
    """
    from pipeline.metrics import methods_table, table_metadata

    names = _names(files)
    truth = read_annotations(annotations, images, image_labels, boxes, split)
    chosen = setting_of(setting, truth)
    protocols = protocols_of(protocol or ["official", "upt"], switch or [])
    read = {name: read_detections(file, truth) for name, file in zip(names, files, strict=True)}
    notes = {name: list(found.notes) for name, found in read.items()}
    unlike = table_metadata.unlike({name: found.metadata for name, found in read.items()})
    blocks = methods_table.compare(
        read, truth, protocols=protocols, modes=modes_of(mode), setting=chosen, resamples=resamples, seed=seed
    )
    if as_json:
        report = {
            "setting": chosen,
            "blocks": list(blocks),
            "notes": notes | {"annotations": list(truth.notes)},
            "unlike": unlike,
        }
        typer.echo(json.dumps(report, indent=1))
        return
    say([*truth.notes, *(f"{name}: {note}" for name, found in notes.items() for note in found), *unlike])
    for place, block in enumerate(blocks):
        if not place:
            say(f"{row['name']}: {note}" for row in block["methods"] for note in row["notes"])
        _print(block)


def _names(files: list[Path]) -> list[str]:
    """The methods' names: those of their files, with the folders in front where names of files are equal."""
    names = [file.name.split(".")[0] for file in files]
    if len(set(names)) < len(names):
        names = [f"{file.parent.name}/{name}" for file, name in zip(files, names, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two methods would be called {twice}; give each file or its folder a name of its own")
    return names


def _print(block: dict[str, Any]) -> None:
    """Print the methods under a protocol and mode, best first, and the gap of each to the next."""
    groups = [group for group in GROUPS if group in block["methods"][0]]
    width = max(12, *(len(row["name"]) for row in block["methods"])) + 2
    about = f"95 % intervals over test images, {block['resamples']:,} draws" if block["resamples"] else "no intervals"
    typer.echo(f"\n{block['protocol']}, {block['mode']}: mAP, %; {about}")
    typer.echo(" " * width + "".join(f"{group.replace('_', ' '):<{WIDTH}}" for group in groups).rstrip())
    for row in block["methods"]:
        typer.echo(f"{row['name']:<{width}}" + "".join(f"{_cell(row[group]):<{WIDTH}}" for group in groups).rstrip())
    gaps = {(gap["better"], gap["worse"]): gap for gap in block["gaps"] if gap["group"] == "full"}
    ranked = [row["name"] for row in block["methods"]]
    for better, worse in itertools.pairwise(ranked):
        typer.echo(f"  {better} over {worse}: {_gap(gaps[better, worse])}")


def _cell(value: dict[str, Any]) -> str:
    interval = "" if value["low"] is None else f" [{value['low']:.2f}, {value['high']:.2f}]"
    return f"{value['value']:.2f}{interval}"


def _gap(gap: dict[str, Any]) -> str:
    if gap["noise"] is None:
        return f"{gap['difference']:+.2f}"
    verdict = "may be chance" if gap["noise"] else "more than chance"
    return f"{gap['difference']:+.2f} [{gap['low']:+.2f}, {gap['high']:+.2f}], {verdict}"
