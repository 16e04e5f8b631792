"""`ezhoi data`: check a dataset on disk, import one's own, and export annotations and detections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import display, lookup, options, own_data
from pipeline.errors import StoreError

if TYPE_CHECKING:
    from pipeline.datasets.check import Report
    from pipeline.store.artifact import Artifact

app = typer.Typer(
    no_args_is_help=True,
    help="Check a data set on disk, import pictures of your own, and export what the pipeline made of it.",
)
app.command("import")(own_data.import_)
app.command()(own_data.template)
app.command()(own_data.look)
_COLOURS = {"complete": "green", "usable": "yellow", "unusable": "red"}


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="Folder of HICO-DET, V-COCO or annotations of your own, or one annotation file.")
    ],
    images: Annotated[
        bool,
        typer.Option(
            "--images/--no-images",
            help="Open the image files, if there are any, and compare their sizes with the annotated ones.",
        ),
    ] = True,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image file completely, which finds truncated ones.")
    ] = False,
    pictures: own_data.Folder = None,
    vocabulary: own_data.Words = None,
    as_json: options.Json = False,
) -> None:
    """Say which layout a dataset has, whether it is complete, and which results a gap affects. Changes nothing.

    For annotations of your own it says what they contain and names every row that cannot be used; --pictures and --vocabulary
    are for these.

    The exit code is 1 if the dataset cannot be used.

    Example: ezhoi data check /data/hico_20160224_det
    """
    from dataclasses import asdict

    from pipeline.datasets import check as checks
    from pipeline.datasets.own import annotated

    if path.exists():
        with display.watching() as watch:
            found = annotated.own(path, on_progress=own_data.megabytes(watch, "reading"))
        if found is not None:
            if not own_data.check(found, path, pictures, vocabulary, open_pictures=images, as_json=as_json):
                raise typer.Exit(1)
            return

    mode: Literal["none", "headers", "decode"] = "none" if not images else "decode" if decode else "headers"
    report = checks.check(path, images=mode)
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1))
    else:
        _show(report)
        if not report.files and (why := annotated.why_not(path)):
            typer.echo(f"as annotations of your own: {why}")
    if report.verdict == "unusable":
        raise typer.Exit(1)


def _show(report: Report) -> None:
    typer.secho(f"{report.verdict}: {report.says}", fg=_COLOURS[report.verdict], bold=True)
    for split, row in report.splits.items():
        typer.echo(
            f"  {split:<6} {row['images']:>7,} of {row['official_images']:>6,} images  "
            f"{row['pairs']:>8,} of {row['official_pairs']:>7,} pairs"
        )
    if report.images is not None:
        how = "decoded" if report.images.decoded else "headers read"
        typer.echo(f"  files  {report.images.present:>7,} of {report.images.expected:>6,} images, {how}")
    for level, title in (("fault", "Faults"), ("gap", "Gaps"), ("note", "Notes")):
        found = [f for f in report.findings if f.level == level]
        if found:
            typer.echo(f"\n{title}")
        for finding in found:
            typer.echo(f"  - {finding.what}")
            if finding.affects:
                typer.echo(f"    affects {finding.affects}")
            for example in finding.examples:
                typer.echo(f"      {example}")
    typer.echo("\nFiles" if report.files else "")
    for file in report.files:
        counts = ", ".join(f"{s}: {file.images[s]:,} images, {file.pairs[s]:,} pairs" for s in file.images)
        use = f"used for {' and '.join(file.used_for)}" if file.used_for else "not used"
        typer.echo(f"  {file.file} ({'; '.join([file.layout, *file.notes, counts, use])})")
    typer.echo(f"checked in {report.seconds:.1f} s; nothing was changed")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder to write into; made if it is not there.")],
    format: Annotated[
        Literal["coco", "parquet"], typer.Option("--format", help="COCO's JSON, or the canonical tables.")
    ] = "coco",
    annotations: Annotated[
        str | None, typer.Option(help="Fingerprint of the annotations artifact; the configuration's if left out.")
    ] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Export the configuration's annotations and detections from the store in a format that other tools read.

    Example: ezhoi data export exported --format coco
    """
    from pipeline.datasets import export as exports

    if annotations is None:
        source = lookup.asked("annotations", profile, overrides)
    else:
        source = lookup.store(profile, overrides).find(f"annotations/{annotations}")
    out.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        written = exports.parquet(source, out)
    else:
        vocabulary = lookup.vocabulary_of(source, profile, overrides)
        boxes = _detections_of(source, profile, overrides)
        written = exports.coco(source, out, vocabulary=vocabulary, detections=boxes)
    for path, rows in written.items():
        typer.echo(f"{path}: {rows}")


def _detections_of(annotations: Artifact, profile: str, overrides: list[str] | None) -> Artifact | None:
    """The configuration's detections, if the store has them and they were made from these annotations."""
    try:
        found = lookup.asked("detections", profile, overrides)
    except StoreError as error:
        typer.echo(f"note: annotations alone are written. {error}", err=True)
        return None
    (made_from,) = (i for i in found.manifest.inputs if i.stage == "annotations")
    if made_from.digest != annotations.manifest.part_digest(made_from.part):
        typer.echo(
            "note: annotations alone are written: the configuration's detections were made from other annotations.",
            err=True,
        )
        return None
    return found
